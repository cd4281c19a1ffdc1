"""Peers: other programs that do the same job, in an environment of their own, so that ours stays light and clean.

The environment is made at first use (`python -m venv`, `pip install` of pinned names) and kept in a cache folder.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import cast

from cytoloop.core.json import JSON

PINNED = {
    "bayesian": "torch==2.13.0 botorch==0.18.1 ax-platform==1.3.1 baybe==0.15.0 "
    "bofire[optimization]==0.5.0 optuna==5.0.0",
    "dbos": "dbos==3.4.0",
    "diffrax": "diffrax==0.7.2 jax==0.10.2 numpy==2.4.6",
    "do-mpc": "do-mpc==5.1.2 casadi==3.8.2",
    "duckdb": "duckdb==2.0.0 numpy==2.4.6",
    "eventsourcing": "eventsourcing==9.5.6",
    "numbalsoda": "numbalsoda==0.3.4 numba==0.68.1 numpy==2.4.6",
    "pcgym": "pcgym==0.1.8 torch==2.13.0",
    "process-improve": "process-improve==2.2.0",
    "pymerkle": "pymerkle==7.0.0",
    "pysparkplug": "pysparkplug==0.6.1",
    "scikit-learn": "scikit-learn==1.9.1",
    "statsmodels": "statsmodels==0.15.0 numpy==2.4.6",
}
"""Peer -> what is installed of it."""

MINUTES = 10
"""Longest time one peer's installation or one run of it may take."""


def cache_folder() -> Path:
    """Where peers' environments are kept: `cytoloop/peers` under the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cytoloop" / "peers"


@dataclass(slots=True)
class Peers:
    """The peers of one run of a benchmark. `folder` None: none are wanted, every peer is "not available"."""

    folder: Path | None
    notes: list[str] = field(default_factory=list)
    """One sentence for each peer that is not available, and why."""
    _interpreters: dict[str, Path | None] = field(default_factory=dict)

    def run(self, peer: str, script: str, arguments: Mapping[str, JSON]) -> dict[str, JSON] | None:
        """What `peer_scripts/<script>` prints as JSON when run with the peer's interpreter; None without the peer.

        The script gets `arguments` as one JSON document in its first argument.
        """
        interpreter = self._interpreter(peer)
        if interpreter is None:
            return None
        with as_file(files("cytoloop.bench") / "peer_scripts" / script) as path:
            command = [str(interpreter), str(path), json.dumps(dict(arguments))]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=60 * MINUTES, check=True)
                return cast(dict[str, JSON], json.loads(done.stdout.splitlines()[-1]))
            except (subprocess.SubprocessError, OSError, ValueError, IndexError) as error:
                self._without(peer, f"its run failed ({_last_line(error)})")
                return None

    def start(self, peer: str, script: str) -> "subprocess.Popen[str] | None":
        """`peer_scripts/<script>` as a process that stays, spoken to over its pipes; None without the peer.

        The caller ends it. What it writes to its error stream is not kept.
        """
        interpreter = self._interpreter(peer)
        if interpreter is None:
            return None
        with as_file(files("cytoloop.bench") / "peer_scripts" / script) as path:
            try:
                return subprocess.Popen(
                    [str(interpreter), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, text=True, bufsize=1,
                )  # fmt: skip
            except OSError as error:
                self._without(peer, f"its process did not start ({_last_line(error)})")
                return None

    def _interpreter(self, peer: str) -> Path | None:
        if peer not in self._interpreters:
            self._interpreters[peer] = self._made(peer) if self.folder else None
        return self._interpreters[peer]

    def _made(self, peer: str) -> Path | None:
        """The interpreter of the peer's environment, made when it is not there; None when it cannot be made."""
        assert self.folder is not None, "asked only when peers are wanted"
        home = self.folder / PINNED[peer].replace("==", "-").replace(" ", "-")
        interpreter, whole = home / "bin" / "python", home / "installed"
        if whole.exists() and interpreter.exists():
            return interpreter
        try:
            _run(sys.executable, "-m", "venv", "--clear", str(home))
            install = ("pip", "install", "--quiet", "--disable-pip-version-check", *PINNED[peer].split())
            _run(str(interpreter), "-m", *install)
            whole.touch()
        except (subprocess.SubprocessError, OSError) as error:
            self._without(peer, f"its environment could not be made ({_last_line(error)}); is the index reachable?")
            return None
        return interpreter

    def _without(self, peer: str, why: str) -> None:
        self._interpreters[peer] = None
        self.notes.append(f"{peer} is not available: {why}")


def _run(*command: str) -> None:
    subprocess.run(command, capture_output=True, text=True, timeout=60 * MINUTES, check=True)


def _last_line(error: Exception) -> str:
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
    lines = str(said or error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
