"""Virtual: the plan of an in-silico campaign: which virtual batch has which settings, donor and luck.

A campaign is a set of experiments, here virtual batches. Batch n of a plan is decided by the plan and n alone, so that
neither the number of workers nor their order, nor a stop in the middle, can change what comes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, isfinite, log2
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, digest

Floats: TypeAlias = NDArray[np.float64]

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
        return {"grid": self.levels ** len(self.space), "optimise": self.rounds, "sobol": 1}[self.design]

    @property
    def sha256(self) -> str:
        """Digest of everything that decides the batches."""
        return digest(self.document())

    def document(self) -> dict[str, JSON]:
        """The plan as plain JSON."""
        return {
            "batches": self.batches, "space": {name: list(pair) for name, pair in self.space.items()},
            "design": self.design, "levels": self.levels, "rounds": self.rounds, "donors": self.donors, "seed": self.seed,
            "subject": dict(self.subject),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One virtual batch of a plan."""

    batch: int
    """Its number in the plan, from 0."""
    donor: int
    settings: Mapping[str, float] = field(hash=False)


def round_of(plan: CampaignPlan, number: int, settings: Mapping[str, float]) -> list[Experiment]:
    """The virtual batches of one round of an optimisation, all at `settings`; batches divide evenly over rounds."""
    size = plan.batches // plan.rounds
    pool = plan.donors or size
    return [Experiment(batch=number * size + n, donor=n % pool, settings=settings) for n in range(size)]


def experiments(plan: CampaignPlan) -> list[Experiment]:
    """Every virtual batch of a sobol or grid plan, in order."""
    unit = _sobol(plan) if plan.design == "sobol" else _grid(plan)
    low = np.array([pair[0] for pair in plan.space.values()])
    high = np.array([pair[1] for pair in plan.space.values()])
    rows = (low + (high - low) * unit).tolist() if plan.space else [[]] * plan.batches
    return [
        Experiment(batch=n, donor=_donor(plan, n), settings=dict(zip(plan.space, row, strict=True)))
        for n, row in enumerate(rows)
    ]


def _donor(plan: CampaignPlan, batch: int) -> int:
    own = batch // plan.settings if plan.design == "grid" else batch
    return own if plan.donors is None else own % plan.donors


def _sobol(plan: CampaignPlan) -> Floats:
    """Points in the unit cube, shape (batches, factors); more batches only add points."""
    if not plan.space:
        return np.empty((plan.batches, 0))
    engine = qmc.Sobol(len(plan.space), scramble=True, rng=np.random.default_rng([plan.seed, 1]))
    points = engine.random_base2(max(ceil(log2(plan.batches)), 0))
    return np.asarray(points[: plan.batches])


def _grid(plan: CampaignPlan) -> Floats:
    """Combinations in turn until there are enough batches; shape (batches, factors)."""
    level = np.linspace(0.0, 1.0, plan.levels) if plan.levels > 1 else np.array([0.5])
    meshes = np.meshgrid(*[level] * len(plan.space), indexing="ij")
    combinations = np.stack([mesh.ravel() for mesh in meshes], axis=-1) if plan.space else np.empty((1, 0))
    return np.asarray(combinations[np.arange(plan.batches) % len(combinations)])


def blocks(experiments: Sequence[Experiment], size: int) -> list[tuple[Experiment, ...]]:
    """Experiments in blocks of `size`: what a worker does at a time, and what a stop leaves whole."""
    return [tuple(experiments[first : first + size]) for first in range(0, len(experiments), size)]
