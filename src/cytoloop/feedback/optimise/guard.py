"""Guard: how far a prior is believed, judged by what the experiments say of it.

Two hypotheses for each objective: "the prior holds, up to a level, a slope, a displacement and a smooth residual"
(y(x) = m(x) + a + b m(x) + grad m(x) . c + residual(x), the first order of m(x + c)) and "the prior says nothing".
Both are surrogates over the same values, and their
weights are the posterior odds: evidence times what was believed before (Kennedy & O'Hagan 2001, J R Stat Soc B 63:425
for the form; Rasmussen & Williams 2006, section 5.2 for the comparison). A prior that was wrong loses its weight by
as much as it was wrong; below `LET_GO` it is not asked any more.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from cytoloop.feedback.optimise.prior import Spread
from cytoloop.feedback.optimise.space import Floats
from cytoloop.feedback.optimise.surrogate import Block, Experiments, Fitted, fit

BELIEVED = 0.8
"""Probability that a prior holds, before any experiment."""

LET_GO = 0.05
"""Below this probability the prior is let go."""

RESIDUAL = 0.5
"""Expected standard deviation of what a trusted prior leaves, in units of the scale."""

OFFSET = 0.5
"""Expected level that a trusted prior is off by, in units of its own spread."""

SLOPE = 0.35
"""Expected share that the effects of a trusted prior are too large or too small by."""

SHIFT = 0.2
"""Expected displacement of a trusted prior in each factor, as a share of the range,"""

SHIFT_SPREAD = 1.5
"""and standard deviation of the logarithm of its variance."""

FLOOR = 0.5
"""Least scale of the values, in units of the prior's spread."""

REACH = 3.0
"""Spreads that an optimum is expected to stand off the middle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One way to see an objective, with its weight."""

    trusts: bool
    """Whether the prior is its mean."""
    weight: float
    fitted: Fitted = field(repr=False)
    centre: float
    """Where the surrogate's zero is, in the objective's units (unless the prior is its mean),"""
    scale: float
    """and what its one is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What is believed of one objective."""

    name: str
    scale: float
    """Spread of the objective, in its units: what one objective is weighed against another by."""
    prior: Spread | None
    hypotheses: tuple[Hypothesis, ...]

    @property
    def trust(self) -> float:
        """Weight of the prior."""
        return sum(each.weight for each in self.hypotheses if each.trusts)

    def at(self, u: Floats, features: Floats, said: Floats) -> list[tuple[float, Floats, Floats]]:
        """(weight, mean, sd) by each hypothesis, in the objective's units; `said` (m, 1 + d): mean and slopes."""
        found = []
        for each in self.hypotheses:
            base, columns = self._from_prior(each, features, said)
            mean, sd = each.fitted.at(u, columns)
            found.append((each.weight, base + each.scale * mean, each.scale * sd))
        return found

    def together(self, u: Floats, features: Floats, said: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the mixture of hypotheses."""
        parts = self.at(u, features, said)
        mean = sum((weight * each for weight, each, _ in parts), np.zeros(len(u)))
        second = sum((weight * (sd**2 + (each - mean) ** 2) for weight, each, sd in parts), np.zeros(len(u)))
        return mean, np.sqrt(second)

    def and_believed(self, u: Floats, features: Floats, said: Floats) -> "Belief":
        """As if one more experiment (shapes (1, ...)) had given what each hypothesis expects."""
        hypotheses = []
        for each in self.hypotheses:
            _, columns = self._from_prior(each, features, said)
            mean, _ = each.fitted.at(u, columns)
            more = each.fitted.and_believed(u, columns, float(mean[0]))
            hypotheses.append(replace(each, fitted=more))
        return replace(self, hypotheses=tuple(hypotheses))

    def _from_prior(self, one: Hypothesis, features: Floats, said: Floats) -> tuple[Floats, Floats]:
        if not one.trusts or self.prior is None:
            return np.full(len(features), one.centre), features
        filled = spoken(said[:, 0], self.prior)
        columns = [features, (filled - self.prior.middle) / one.scale, said[:, 1:] / one.scale]
        return filled, np.column_stack(columns)


def spoken(said: Floats, prior: Spread) -> Floats:
    """The prior's means; where it says nothing, its middle over the space."""
    return np.where(np.isfinite(said), said, prior.middle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """All values of one objective so far."""

    name: str
    x: Floats = field(repr=False)
    features: Floats = field(repr=False)
    sites: "np.ndarray[tuple[int], np.dtype[np.int64]]" = field(repr=False)
    values: Floats = field(repr=False)
    """In the objective's units (n,)."""
    said: Floats = field(repr=False)
    """The prior's means at the experiments, then their slopes (n, 1 + d)."""


def believe(told: Told, blocks: tuple[Block, ...], prior: Spread | None) -> Belief:
    """Both hypotheses fitted and weighed; without a usable prior there is one."""
    if prior is None or not prior.usable:
        alone = _alone(told, blocks, 1.0)
        return Belief(name=told.name, scale=alone.scale, prior=prior, hypotheses=(alone,))
    wide = _reaching(prior, told.said[:, 0])
    centre, scale = _units(told.values, wide)
    ratio = wide.sd / scale
    plain = fit(_wide(blocks, 2.0 * ratio), _experiments(told, (told.values - centre) / scale))
    trusting = _trusting(told, _wide(blocks, OFFSET * ratio), (wide, scale), plain)
    weight = _weight(trusting.evidence - plain.evidence)
    hypotheses = []
    if weight >= LET_GO:
        share = weight if weight <= 1.0 - LET_GO else 1.0
        hypotheses.append(Hypothesis(trusts=True, weight=share, fitted=trusting, centre=centre, scale=scale))
    if weight <= 1.0 - LET_GO:
        hypotheses.append(_second(told, blocks, Hypothesis(
            trusts=False, weight=1.0 - weight if hypotheses else 1.0, fitted=plain, centre=centre, scale=scale
        )))  # fmt: skip
    return Belief(name=told.name, scale=scale, prior=prior, hypotheses=tuple(hypotheses))


def _second(told: Told, blocks: tuple[Block, ...], weighed: Hypothesis) -> Hypothesis:
    """Without the prior, once there are values enough: in their own units, not in the prior's."""
    return weighed if len(told.values) < 3 else _alone(told, blocks, weighed.weight)


def _alone(told: Told, blocks: tuple[Block, ...], weight: float) -> Hypothesis:
    """As if there were no prior."""
    centre, scale = _units_alone(told.values)
    fitted = fit(blocks, _experiments(told, (told.values - centre) / scale))
    return Hypothesis(trusts=False, weight=weight, fitted=fitted, centre=centre, scale=scale)


def _trusting(told: Told, blocks: tuple[Block, ...], units: tuple[Spread, float], near: Fitted) -> Fitted:
    """Values less the prior; the trends that are left are smaller, one more says how far its slope is off, and one how
    far it is displaced."""
    prior, scale = units
    said = spoken(told.said[:, 0], prior)
    shift = Block(name="shift", width=told.said.shape[1] - 1, centre=2.0 * math.log(SHIFT), spread=SHIFT_SPREAD)
    slope = Block(name="slope", width=1, centre=2.0 * math.log(SLOPE), spread=1.0)
    smaller = tuple(
        Block(name=b.name, width=b.width, centre=b.centre + (math.log(RESIDUAL**2) if b.name in TRENDS else 0.0),
              spread=b.spread)
        for b in blocks
    )  # fmt: skip
    columns = np.column_stack([told.features, (said - prior.middle) / scale, told.said[:, 1:] / scale])
    values = Experiments(x=told.x, features=columns, sites=told.sites, y=(told.values - said) / scale)
    return fit((*smaller, slope, shift), values, amplitude=RESIDUAL, near=near)


TRENDS = ("linear", "curved")
"""Blocks that shrink with a trusted prior."""


def _weight(gained: float) -> float:
    """Posterior probability that the prior holds, from the gain in log evidence."""
    odds = math.log(BELIEVED / (1.0 - BELIEVED)) + gained
    return 1.0 / (1.0 + math.exp(-max(-500.0, min(500.0, odds))))


def _experiments(told: Told, y: Floats) -> Experiments:
    return Experiments(x=told.x, features=told.features, sites=told.sites, y=y)


def _reaching(prior: Spread, said: Floats) -> Spread:
    """The prior's spread, widened by how far it reaches at the experiments: in many factors most of a space is poor and
    an optimum stands far above it."""
    far = np.abs(said[np.isfinite(said)] - prior.middle)
    return replace(prior, sd=max(prior.sd, float(far.max()) / REACH)) if len(far) else prior


def _wide(blocks: tuple[Block, ...], level: float) -> tuple[Block, ...]:
    """The blocks, the level being expected to lie about so many scales off the centre."""
    centre = 2.0 * math.log(min(max(level, 0.1), 1e3))
    return tuple(replace(block, centre=centre) if block.name == "level" else block for block in blocks)


def _units(values: Floats, prior: Spread) -> tuple[float, float]:
    """Centre and scale. The scale is the spread of the values; a prior keeps it from collapsing where all experiments
    lie close together, unless the prior is on another scale altogether."""
    spread = float(values.std()) if len(values) else 0.0
    if len(values) < 2 or spread <= 1e-12 * prior.sd:
        return prior.middle, prior.sd
    return prior.middle, max(spread, min(FLOOR * prior.sd, 30.0 * spread))


def _units_alone(values: Floats) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    level, spread = float(values.mean()), float(values.std())
    least = (0.05 if len(values) < 3 else 1e-6) * abs(level)
    return level, max(spread, least) or 1.0
