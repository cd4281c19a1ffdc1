# make demo    set up and run the closed loop on the simulated facility, then serve its pages
# make test    set up and run the whole check: format, lint, types, import contracts, tests
# make setup   what both share: a virtual environment in .venv from the lock file with hashes

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: setup demo test check browser compiler broker lock clean

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Cytoloop needs Python 3.11 or newer; name one: make setup PYTHON=python3.12"; exit 2; }
	@echo "setting up $(VENV) (about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.lock
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

demo: setup
	@$(BIN)/cytoloop demo $(ARGS)

test: $(VENV)/.ready-dev browser compiler broker check

check:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 $(ARGS)

# The page tests drive a real Chromium. On Debian and Ubuntu it is installed when it is not there.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || test -n "$$CYTOLOOP_BROWSER" || \
	  sh tools/install-browser.sh

# The fault tests compile a small shim between a program and its disk. Also a compiler is installed when it is not there.
compiler:
	@echo '#include <dlfcn.h>' | $${CC:-cc} -E -x c - >/dev/null 2>&1 || sh tools/install-compiler.sh

# The Sparkplug tests run a real MQTT broker. Also that is installed when it is not there.
broker:
	@command -v mosquitto >/dev/null || test -x /usr/sbin/mosquitto || test -n "$$CYTOLOOP_MOSQUITTO" || \
	  sh tools/install-broker.sh

# Hashes and no addresses. Needs uv: pip install uv
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
	  --extra opcua --group build pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
	  --extra dask --extra mqtt --extra opcua --extra openid --extra parquet --extra pdf --extra postgres --extra time-stamp --extra worker --group build --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
