"""Rank check: whether posterior draws are what they claim to be (Talts et al. 2018, arXiv 1804.06788).

A population is drawn from the prior, donors from it, readings from the donors; the hierarchy is then given the readings
alone. If everything is right, the rank of the true population mean among thinned posterior draws is uniform; a
posterior that is too narrow gives too many ranks at both ends, a shifted one at one end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import erf, ndtri
from scipy.stats import chisquare

from cytoloop.feedback.calibrate import HUBER, MEAN_COUNT, SPREAD_COUNT, scales
from cytoloop.feedback.culture import Floats, begin, natural, schedule, simulate
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.hierarchy import Chains, sample
from cytoloop.feedback.predict import RELATIVE, expected, seen
from cytoloop.feedback.twin import NAMES, Twin

Distort = Callable[[Floats], Floats]
"""Draws of population means, (draws, parameters), to other ones: for showing that the check can fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Ranks of true population means among `draws` posterior draws."""

    names: tuple[str, ...]
    ranks: Floats = field(hash=False)
    """Shape (replicates, names), 0 to `draws`."""
    draws: int

    def chance(self, bins: int = 8) -> float:
        """Probability of ranks as uneven as these if the posterior is right (chi-square over all names)."""
        edges = np.linspace(0, self.draws + 1, bins + 1)
        counts, _ = np.histogram(self.ranks + 0.5, edges)
        return float(chisquare(counts).pvalue)


def rank_check(
    prior: Twin, templates: Sequence[BatchHistory], generator: np.random.Generator, *, names: Sequence[str],
    replicates: int, chains: Chains, draws: int = 15, distort: Distort | None = None,
) -> Ranks:  # fmt: skip
    """Ranks for `names` over `replicates` worlds; `templates` say what is read and when, their values are replaced."""
    found = np.empty((replicates, len(names)))
    places = [NAMES.index(name) for name in names]
    for row in range(replicates):
        truth, histories = world(prior, templates, generator)
        posterior = sample(prior, histories, generator, chains=chains)
        flat = posterior.means.reshape(-1, len(NAMES))
        thinned = flat[np.linspace(0, len(flat) - 1, draws).astype(int)]
        kept = distort(thinned) if distort else thinned
        found[row] = (kept[:, places] < truth[places]).sum(axis=0)
    return Ranks(names=tuple(names), ranks=found, draws=draws)


def world(
    prior: Twin, templates: Sequence[BatchHistory], generator: np.random.Generator
) -> tuple[Floats, list[BatchHistory]]:
    """A population mean from the prior and the readings of its donors, as the hierarchy believes they come about."""
    centre, widths = scales(prior)
    mean = centre + widths / np.sqrt(MEAN_COUNT) * generator.standard_normal(len(NAMES))
    spread = widths * np.sqrt(SPREAD_COUNT / generator.chisquare(SPREAD_COUNT, len(NAMES)))
    return mean, [
        _read(prior, template, mean + spread * generator.standard_normal(len(NAMES)), generator)
        for template in templates
    ]


def _read(twin: Twin, template: BatchHistory, point: Floats, generator: np.random.Generator) -> BatchHistory:
    observed = seen(twin, template)
    values = natural(point[None])
    plan = schedule(template.controls, template.start.il2, max(observed.steps) * 0.5)
    course = simulate(twin, values, begin(values, template.start), plan)
    told = expected(observed, values, course, template.start)[0]
    told = told + observed.errors * huber_draws(len(told), generator)
    readings: dict[str, list[tuple[float, float]]] = {}
    hours = [(name, at) for name, pairs in template.observations.items() for at, _ in pairs]
    for (name, at), value in zip(hours, told.tolist(), strict=True):
        readings.setdefault(name, []).append((at, float(np.exp(value)) if name in RELATIVE else value))
    return replace(template, observations={name: tuple(pairs) for name, pairs in readings.items()}, product={})


def huber_draws(count: int, generator: np.random.Generator) -> Floats:
    """Draws of the density of the calibration's cost: normal in the middle, exponential beyond HUBER."""
    inner = np.sqrt(2.0 * np.pi) * erf(HUBER / np.sqrt(2.0))
    outer = 2.0 * np.exp(-0.5 * HUBER**2) / HUBER
    low = 0.5 * (1.0 - erf(HUBER / np.sqrt(2.0)))
    core = ndtri(low + (1.0 - 2.0 * low) * generator.random(count))
    tail = generator.choice([-1.0, 1.0], count) * (HUBER + generator.exponential(1.0 / HUBER, count))
    return np.asarray(np.where(generator.random(count) < inner / (inner + outer), core, tail))
