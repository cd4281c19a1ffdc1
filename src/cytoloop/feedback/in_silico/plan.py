"""In silico: the plan of an in-silico campaign: which virtual batch has which settings, donor and luck.

A campaign is a set of experiments, here virtual batches. Batch n of a plan is decided by the plan and n alone, so that
neither the number of workers nor their order, nor a stop in the middle, can change what comes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, digest

Design = Literal["sobol", "grid", "optimise"]
"""sobol: every batch has settings of its own, spread evenly (Sobol 1967, with Owen's scrambling); grid: all
combinations of levels, each with the same donors; optimise: rounds, each at the settings that the results of earlier
rounds suggest, with the same donors. The same donors everywhere: common random numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignPlan:
    """What is to be tried. Two plans with one digest give the same batches."""

    batches: int
    space: Mapping[str, tuple[float, float]] = field(hash=False)
    """Factor -> lowest and highest setting, in house units; empty: the recipe as it stands."""
    design: Design = "sobol"
    levels: int = 3
    """Of each factor in a grid."""
    rounds: int = 20
    """Of an optimisation."""
    donors: int | None = None
    """Size of the pool that donors come from in turn; None: every batch has a donor of its own, or, in a grid, every
    combination has the same donors."""
    seed: int = 1
    subject: Mapping[str, JSON] = field(default_factory=dict, hash=False)
    """What else decides the outcome: the plant or twin, the recipe, the specification, by their digests."""

    def __post_init__(self) -> None:
        for name, (low, high) in self.space.items():
            if not (isfinite(low) and isfinite(high) and low < high):
                raise UserError(f"factor {name} runs from {low:g} to {high:g}; write two numbers, the lower first")
        if self.batches < self.settings:
            raise UserError(
                f"{self.batches} batches are too few for {self.settings} settings; ask for more batches, fewer levels, "
                "factors or rounds, or for the design sobol"
            )
        if self.design != "sobol" and not self.space:
            raise UserError(f"the design {self.design} needs a factor; name one with --factor NAME=LOW:HIGH")

    @property
    def settings(self) -> int:
        """Settings that share their donors; at least as many batches are needed."""
        found: dict[Design, int] = {"grid": self.levels ** len(self.space), "optimise": self.rounds, "sobol": 1}
        return found[self.design]

    @property
    def sha256(self) -> str:
        """Digest of everything that decides the batches."""
        return digest(self.document())

    def document(self) -> dict[str, JSON]:
        """The plan as plain JSON."""
        return {
            "batches": self.batches, "space": {name: list(pair) for name, pair in self.space.items()},
            "design": self.design, "levels": self.levels, "rounds": self.rounds, "donors": self.donors,
            "seed": self.seed, "subject": dict(self.subject),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One virtual batch of a plan."""

    batch: int
    """Its number in the plan, from 0."""
    donor: int
    settings: Mapping[str, float] = field(hash=False)


def blocks(experiments: Sequence[Experiment], size: int) -> list[tuple[Experiment, ...]]:
    """Experiments in blocks of `size`: what a worker does at a time, and what a stop leaves whole."""
    return [tuple(experiments[first : first + size]) for first in range(0, len(experiments), size)]
