"""Every dependency has its reason written down, and every reason a dependency."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "dependencies.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def named() -> set[str]:
    """Names of every dependency of pyproject.toml: to run, extras, groups."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lists = [
        project["build-system"]["requires"],
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    return {re.split(r"[\s<>=!~\[;]", each)[0].lower() for group in lists for each in group}


def test_every_dependency_has_a_line_and_every_line_a_dependency() -> None:
    assert {name for name, _, _ in ROW.findall(PAGE)} == named()


def test_every_line_has_a_licence_and_a_reason() -> None:
    assert all(licence.strip() and len(reason) > 10 for _, licence, reason in ROW.findall(PAGE))


def test_every_dependency_is_locked_with_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    locked = {name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}
    assert named() <= locked
    assert lock.count("--hash=sha256:") >= len(locked)
    assert "://" not in lock
