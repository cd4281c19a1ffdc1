"""Hierarchy: posterior draws of the population and of every donor, given all finished batches together.

    reading ~ the twin's course of its donor, with the density of `calibrate`'s cost (Huber 1964: normal in the middle,
              exponential beyond 2.5 standard deviations)
    donor   ~ normal(mean, variance), each parameter on its own scale
    mean    ~ normal(the pack's, the pack's spread^2),  variance ~ scaled inverse chi-square(2, the pack's spread^2)

Metropolis within Gibbs (Gelman et al., Bayesian Data Analysis 3rd ed., ch. 11): each donor in blocks of parameters,
proposed from the Laplace approximation of its readings under the population drawn last, given the other blocks; some
parameters of all donors and of the population's mean together by a common shift, since what no batch identifies would
hardly move otherwise; means and variances by their conjugate draws. Then it is said how well the chains mixed (split
R-hat, effective sample size: ibid., 11.4 and 11.5) and what the batches identify.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cytoloop.core.errors import UserError
from cytoloop.feedback.calibrate import (
    HUBER,
    MEAN_COUNT,
    SPREAD_COUNT,
    Donor,
    PopulationFit,
    fit_donor,
    scales,
)
from cytoloop.feedback.culture import Floats, begin, natural, schedule, simulate
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.mixing import effective, split_rhat
from cytoloop.feedback.predict import expected, seen
from cytoloop.feedback.twin import DYNAMIC, NAMES, Twin

_WIDER = 1.15
"""Spread of the proposals over the Laplace approximation's."""
_BLOCKS = 3
_DUMB = 1e-6
"""Information about a parameter, over the pack's, below which no reading depends on it."""
_SHIFTED = 0.1
"""Share of the parameters that a common shift moves."""
_STRIDE = 1.0
"""Size of a shift over the standard deviation that the Laplace approximations leave to the mean."""
IDENTIFIED = 0.25
"""Contraction of a population mean below which it is said that these batches do not identify it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chains:
    """How long the chains run."""

    chains: int = 4
    sweeps: int = 300
    """Half of them are thrown away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """Draws after warm-up, on the twin's scale, parameters in the order of NAMES."""

    prior: Twin
    means: Floats = field(hash=False)
    """Of the population, shape (chains, draws, parameters)."""
    spreads: Floats = field(hash=False)
    donors: Floats = field(hash=False)
    """Shape (chains, draws, donors, parameters)."""
    accepted: float
    """Share of the donors' proposals."""
    accepted_shift: float

    def rhat(self) -> dict[str, float]:
        """Parameter -> split R-hat of its population mean; near 1 when the chains agree."""
        return {name: split_rhat(self.means[:, :, place]) for place, name in enumerate(NAMES)}

    def effective(self) -> dict[str, float]:
        """Parameter -> effective sample size of its population mean."""
        return {name: effective(self.means[:, :, place]) for place, name in enumerate(NAMES)}

    def contraction(self) -> dict[str, float]:
        """Parameter -> 1 less posterior over prior variance of its population mean: 0 nothing learned, 1 all."""
        _, sds = scales(self.prior)
        held = self.means.reshape(-1, len(NAMES)).var(axis=0) / (sds**2 / MEAN_COUNT)
        return {name: float(1.0 - share) for name, share in zip(NAMES, held, strict=True)}

    def correlations(self, least: float = 0.6) -> list[tuple[str, str, float]]:
        """Pairs of parameters that a donor's readings tell together rather than apart, strongest first."""
        inside = self.donors - self.donors.mean(axis=(0, 1))
        shares = np.corrcoef(inside.reshape(-1, len(NAMES)), rowvar=False)
        pairs = [
            (one, other, float(shares[i, j]))
            for i, one in enumerate(NAMES)
            for j, other in enumerate(NAMES)
            if j > i and abs(shares[i, j]) >= least
        ]
        return sorted(pairs, key=lambda pair: -abs(pair[2]))

    def population(self) -> dict[str, tuple[float, float]]:
        """Parameter -> posterior mean and root mean square spread: the population of a twin."""
        means = self.means.reshape(-1, len(NAMES)).mean(axis=0)
        spreads = np.sqrt((self.spreads.reshape(-1, len(NAMES)) ** 2).mean(axis=0))
        return {name: (float(mean), float(sd)) for name, mean, sd in zip(NAMES, means, spreads, strict=True)}

    def told(self) -> list[str]:
        """What the batches say of the parameters, in words."""
        unknown = [name for name, share in self.contraction().items() if share < IDENTIFIED]
        lines = [f"not identified by these batches: {', '.join(unknown)}"] if unknown else []
        lines += [f"told together rather than apart: {a} and {b} ({share:+.2f})" for a, b, share in self.correlations()]
        worst = max(self.rhat().items(), key=lambda pair: pair[1])
        least = min(self.effective().items(), key=lambda pair: pair[1])
        lines.append(f"chains: R-hat at most {worst[1]:.2f} ({worst[0]}), {least[1]:.0f} effective draws or more")
        return lines


def sample(
    prior: Twin, histories: Sequence[BatchHistory], generator: np.random.Generator,
    *, fit: PopulationFit | None = None, chains: Chains | None = None,
) -> Posterior:  # fmt: skip
    """Posterior draws given `histories`; `prior` is the pack's twin, with the noise and misfit to be used.

    `fit`, when given, is the population fit of the same batches: its donors place the proposals. UserError with fewer
    than two batches: one donor says nothing of a population.
    """
    if len(histories) < 2:
        raise UserError(f"{len(histories)} finished batch says nothing of a population; give two or more")
    run = chains or Chains()
    around = fit.twin if fit else prior
    donors = fit.donors if fit else tuple(fit_donor(prior, history) for history in histories)
    walk = _Walk(prior=prior, histories=tuple(histories), told=_Told.of(around, donors), generator=generator)
    return _chains(walk, run)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What each donor's readings say by themselves, as a normal density: shape (donors, ...)."""

    information: Floats
    pull: Floats
    """Information times the likeliest point."""

    @classmethod
    def of(cls, around: Twin, donors: Sequence[Donor]) -> "_Told":
        """From Laplace approximations whose prior was the population of `around`."""
        means, sds = scales(around)
        inverse = 1.0 / np.outer(sds, sds)
        posterior = np.array([np.linalg.inv(donor.covariance) * inverse for donor in donors])
        information = posterior - np.diag(1.0 / sds**2)
        points = means + sds * np.array([donor.z for donor in donors])
        pull = np.einsum("dij,dj->di", posterior, points) - means / sds**2
        return cls(information=information, pull=pull)

    def precision(self, variance: Floats) -> Floats:
        """Of each donor in each chain: (chains, donors, parameters, parameters)."""
        prior = np.eye(variance.shape[1]) / variance[:, None, :]
        return np.asarray(self.information + prior[:, None])

    def middle(self, mean: Floats, variance: Floats, precision: Floats) -> Floats:
        """Likeliest points: (chains, donors, parameters)."""
        pull = self.pull + (mean / variance)[:, None]
        return np.asarray(np.linalg.solve(precision, pull[..., None])[..., 0])

    def left(self, variance: Floats, widths: Floats) -> Floats:
        """Standard deviation that is left to each parameter's population mean, (chains, parameters)."""
        alone = np.maximum(np.diagonal(self.information, axis1=1, axis2=2), 1e-12)
        precision = (1.0 / (1.0 / alone + variance[:, None])).sum(axis=1) + MEAN_COUNT / widths**2
        return np.asarray(1.0 / np.sqrt(precision))


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Where the chains are."""

    points: Floats
    """(chains, donors, parameters)."""
    score: Floats
    """Log likelihood of each donor's readings, (chains, donors)."""
    mean: Floats
    variance: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """The kernel."""

    prior: Twin
    histories: tuple[BatchHistory, ...]
    told: _Told
    generator: np.random.Generator

    def likelihood(self, points: Floats) -> Floats:
        """(chains, donors, parameters) -> (chains, donors)."""
        each = [log_likelihood(self.prior, history, points[:, row]) for row, history in enumerate(self.histories)]
        return np.stack(each, axis=1)

    def begin(self, chains: int) -> _State:
        """Every donor by its readings under the pack's population."""
        centre, widths = scales(self.prior)
        mean = np.tile(centre, (chains, 1))
        variance = np.tile(widths**2, (chains, 1))
        precision = self.told.precision(variance)
        middle = self.told.middle(mean, variance, precision)
        points = middle + _coloured(precision, self.generator.standard_normal(middle.shape))
        return _State(points=points, score=self.likelihood(points), mean=mean, variance=variance)

    def donors(self, state: _State) -> tuple[_State, float]:
        """A proposal for every donor in every chain, in blocks of parameters drawn anew."""
        order = self.generator.permutation(len(NAMES))
        shares = []
        for block in np.array_split(order, _BLOCKS):
            state, share = self.block(state, np.sort(block))
            shares.append(share)
        return state, float(np.mean(shares))

    def block(self, state: _State, places: NDArray[np.intp]) -> tuple[_State, float]:
        """The parameters at `places`, proposed from the normal density given the others."""
        precision = self.told.precision(state.variance)
        off = state.points - self.told.middle(state.mean, state.variance, precision)
        inner = precision[:, :, places[:, None], places] / _WIDER**2
        # Mean of the block given the rest: off the middle by what the rest is off theirs.
        rest = np.delete(np.arange(len(NAMES)), places)
        pull = np.einsum("cdij,cdj->cdi", precision[:, :, places[:, None], rest], off[:, :, rest])
        given = -np.linalg.solve(precision[:, :, places[:, None], places], pull[..., None])[..., 0]
        drawn = given + _coloured(inner, self.generator.standard_normal(given.shape))
        points = state.points.copy()
        points[:, :, places] += drawn - off[:, :, places]
        score = self.likelihood(points)
        gain = score - state.score + _log_prior(points, state) - _log_prior(state.points, state)
        gain += _normal(inner, drawn - given) - _normal(inner, off[:, :, places] - given)
        taken = np.log(self.generator.random(gain.shape)) < gain
        points = np.where(taken[:, :, None], points, state.points)
        return replace(state, points=points, score=np.where(taken, score, state.score)), float(taken.mean())

    def shift(self, state: _State) -> tuple[_State, float]:
        """Some parameters of the mean and of all donors by one step."""
        centre, widths = scales(self.prior)
        moved = self.generator.random(state.mean.shape) < _SHIFTED
        step = moved * _STRIDE * self.told.left(state.variance, widths)
        step = step * self.generator.standard_normal(step.shape)
        # The size of a step depends on the variance only, which stays: the proposal is symmetric.
        mean, points = state.mean + step, state.points + step[:, None]
        score = self.likelihood(points)
        belief = 0.5 * MEAN_COUNT * (((state.mean - centre) / widths) ** 2 - ((mean - centre) / widths) ** 2)
        gain = (score - state.score).sum(axis=1) + belief.sum(axis=1)
        taken = np.log(self.generator.random(len(gain))) < gain
        return (
            replace(
                state,
                mean=np.where(taken[:, None], mean, state.mean),
                points=np.where(taken[:, None, None], points, state.points),
                score=np.where(taken[:, None], score, state.score),
            ),
            float(taken.mean()),
        )

    def population(self, state: _State) -> _State:
        """Conjugate draws of mean and variance."""
        centre, widths = scales(self.prior)
        count = state.points.shape[1]
        precision = count / state.variance + MEAN_COUNT / widths**2
        middle = (state.points.sum(axis=1) / state.variance + MEAN_COUNT * centre / widths**2) / precision
        mean = middle + self.generator.standard_normal(middle.shape) / np.sqrt(precision)
        squares = ((state.points - mean[:, None]) ** 2).sum(axis=1) + SPREAD_COUNT * widths**2
        variance = squares / self.generator.chisquare(SPREAD_COUNT + count, mean.shape)
        return self.untold(replace(state, mean=mean, variance=variance))

    def untold(self, state: _State) -> _State:
        """What no reading of any donor depends on, drawn from the beliefs at once: exact, and never stuck."""
        centre, widths = scales(self.prior)
        dumb = np.abs(np.diagonal(self.told.information, axis1=1, axis2=2)).max(axis=0) * widths**2 < _DUMB
        variance = SPREAD_COUNT * widths**2 / self.generator.chisquare(SPREAD_COUNT, state.mean.shape)
        mean = centre + widths / np.sqrt(MEAN_COUNT) * self.generator.standard_normal(state.mean.shape)
        normal = self.generator.standard_normal(state.points.shape)
        points = mean[:, None] + np.sqrt(variance)[:, None] * normal
        return replace(
            state,
            mean=np.where(dumb, mean, state.mean),
            variance=np.where(dumb, variance, state.variance),
            points=np.where(dumb, points, state.points),
        )


def _log_prior(points: Floats, state: _State) -> Floats:
    return np.asarray(-0.5 * ((points - state.mean[:, None]) ** 2 / state.variance[:, None]).sum(axis=2))


def _coloured(precision: Floats, white: Floats) -> Floats:
    """Draws of a normal density with `precision` from standard ones."""
    root = np.linalg.cholesky(0.5 * (precision + np.swapaxes(precision, -1, -2)))
    return np.asarray(np.linalg.solve(np.swapaxes(root, -1, -2), white[..., None])[..., 0])


def _normal(precision: Floats, off: Floats) -> Floats:
    """Minus the log density of `off`, less a constant."""
    return np.asarray(0.5 * np.einsum("cdi,cdij,cdj->cd", off, precision, off))


def log_likelihood(twin: Twin, history: BatchHistory, points: Floats) -> Floats:
    """Log density of the batch's readings, less a constant, for each parameter set on the twin's scale; (n,)."""
    observed = seen(twin, history)
    if not observed.names:
        return np.zeros(len(points))
    values = natural(points)
    plan = schedule(history.controls, history.start.il2, max(observed.steps) * 0.5)
    moving = np.ascontiguousarray(values[:, : DYNAMIC + 1])
    runs = simulate(twin, moving, begin(moving, history.start), plan)
    predicted = expected(observed, values, runs, history.start)
    residual = observed.centred((observed.values - predicted) / observed.errors)
    size = np.abs(residual)
    loss = np.where(size <= HUBER, size**2, 2.0 * HUBER * size - HUBER**2)
    return np.asarray(-0.5 * loss.sum(axis=1))


def _chains(walk: _Walk, run: Chains) -> Posterior:
    state = walk.begin(run.chains)
    kept: list[_State] = []
    accepted, shifted = [], []
    for sweep in range(run.sweeps):
        state, share = walk.donors(state)
        state, share_of_shifts = walk.shift(state)
        state = walk.population(state)
        accepted.append(share)
        shifted.append(share_of_shifts)
        if sweep >= run.sweeps // 2:
            kept.append(state)
    return Posterior(
        prior=walk.prior,
        means=np.stack([each.mean for each in kept], axis=1),
        spreads=np.sqrt(np.stack([each.variance for each in kept], axis=1)),
        donors=np.stack([each.points for each in kept], axis=1),
        accepted=float(np.mean(accepted)),
        accepted_shift=float(np.mean(shifted)),
    )
