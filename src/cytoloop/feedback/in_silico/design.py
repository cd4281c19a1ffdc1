"""In-silico design: the settings and donors of every virtual batch of a plan."""

from collections.abc import Mapping
from math import ceil, log2
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from cytoloop.feedback.in_silico.plan import CampaignPlan, Experiment

Floats: TypeAlias = NDArray[np.float64]


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
