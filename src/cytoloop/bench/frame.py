"""The frame of every benchmark: rows, options, medians over turns, and what the figures were measured on."""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Literal

from cytoloop import __version__
from cytoloop.bench.peers import PINNED, Peers
from cytoloop.core.json import JSON

Measure = Callable[[], float | None]
"""Measures once; None when it cannot (a peer that is not available)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of a benchmark."""

    id: str
    """Of the table in the issue or the docs: "D1"."""
    what: str
    value: float | None
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    """None also when the peer is not available."""
    ratio: float | None = None
    """Ours over the peer's where more is better, the peer's over ours where less is better: above 1 we are ahead."""
    goal: str = ""
    met: bool | None = None
    """None where no goal was set, or it could not be judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure, or its ratio to the peer's, is to reach."""

    bound: float
    better: Literal["more", "less"] = "more"
    of: Literal["value", "ratio"] = "value"

    def told(self, unit: str) -> str:
        """As text: "≥ 3,000 /s", "≥ 10x"."""
        sign = "≥" if self.better == "more" or self.of == "ratio" else "≤"
        bound = f"{int(self.bound):,}" if self.bound == int(self.bound) else f"{self.bound:g}"
        return f"{sign} {bound}x" if self.of == "ratio" else f"{sign} {bound} {unit}".rstrip()

    def met(self, value: float | None, ratio: float | None) -> bool | None:
        """Whether the goal is reached; None when there is nothing to judge by."""
        judged = value if self.of == "value" else ratio
        if judged is None:
            return None
        return bool(judged >= self.bound if self.better == "more" or self.of == "ratio" else judged <= self.bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a benchmark was asked to do."""

    scratch: Path
    """An empty folder on a real disk."""
    peers: Peers
    quick: bool = False
    seed: int = 1
    tick: Callable[[str], None] = field(default=lambda _: None)
    """Is told what comes next."""

    @property
    def repeats(self) -> int:
        """Turns of each measurement: medians are taken over them."""
        return 1 if self.quick else 5


def alternate(repeats: int, *measures: Measure) -> list[list[float]]:
    """Run the measures in turns (ours, peer, ours, peer, ...) and give the values of each; None is left out."""
    values: list[list[float]] = [[] for _ in measures]
    for _ in range(repeats):
        for place, measure in enumerate(measures):
            found = measure()
            if found is not None:
                values[place].append(found)
    return values


def row(
    identifier: str,
    what: str,
    values: Sequence[float],
    unit: str,
    *,
    goal: Goal | None = None,
    better: Literal["more", "less"] = "more",
    peer: str | None = None,
    peer_values: Sequence[float] = (),
) -> Row:
    """A row of medians with its ratio and whether the goal is met. `better` is the goal's when there is one."""
    ours = float(median(values)) if values else None
    theirs = float(median(peer_values)) if peer_values else None
    ratio = _ratio(ours, theirs, goal.better if goal else better)
    return Row(
        id=identifier,
        what=what,
        value=ours,
        unit=unit,
        peer=peer,
        peer_value=theirs,
        ratio=ratio,
        goal=goal.told(unit) if goal else "",
        met=goal.met(ours, ratio) if goal else None,
    )


def _ratio(ours: float | None, theirs: float | None, better: str) -> float | None:
    if not ours or not theirs:
        return None
    return ours / theirs if better == "more" else theirs / ours


def machine() -> dict[str, JSON]:
    """What the figures were measured on and with, and how busy it was with other work."""
    load = os.getloadavg() if hasattr(os, "getloadavg") else (0.0, 0.0, 0.0)
    return {
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "cytoloop": __version__,
        "packages": {name: _version(name) for name in ("pydantic", "cryptography", "numpy")},
        "load": [round(each, 2) for each in load],
    }


def document(rows: Sequence[Row], options: Options, before: dict[str, JSON]) -> dict[str, JSON]:
    """The whole run as plain JSON; `before` is `machine()` as it was when the run began."""
    return {
        "machine": {**before, "load_after": machine()["load"]},
        "peers": dict(PINNED) if options.peers.folder is not None else {},
        "seed": options.seed,
        "quick": options.quick,
        "rows": [asdict(each) for each in rows],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
