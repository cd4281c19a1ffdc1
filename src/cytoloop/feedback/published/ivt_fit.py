"""IVT fit: the transcription model's parameters from real tables, checked on runs and tables left out.

Log10 of the parameters is fitted by least squares on standardised residuals with the paper's prior, beginning from the
prior (maximum a posteriori, as Stover 2024). Then every trajectory, and every other table as a whole, is left out in
turn and foretold from the rest; tables that are only foretold are never fitted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import least_squares

from cytoloop.core.errors import UserError
from cytoloop.feedback.models.integrate import cores
from cytoloop.feedback.models.ivt import PARAMETERS, PRIOR_SPREAD, pools, react
from cytoloop.feedback.models.kernel import Floats
from cytoloop.feedback.published.ivt_tables import RATES, SOLUBILITY, TRAJECTORIES, Run

FITTED = (TRAJECTORIES, RATES, SOLUBILITY)
_REACH = 2.0
"""Powers of ten a parameter may move from what was believed."""
_SHIFT = 1e-3
_ROUNDS, _ROUNDS_LEFT_OUT = 40, 4

_BELIEVED = np.log10([each.figure for each in PARAMETERS])
_SPREAD = np.array([np.inf if spread is None else spread for spread in PRIOR_SPREAD])


@dataclass(frozen=True, slots=True, kw_only=True)
class IvtScore:
    """How well one observable of one table is told: the sum of absolute errors over the sum of what was measured."""

    table: str
    observable: str
    runs: int
    values: int
    fitted: float
    """By parameters fitted with these values among the rest; for a table never fitted, equal to `left_out`."""
    left_out: float
    """By parameters fitted without the run (a trajectory) or without the table."""
    published: float | None
    """By the paper's parameters, which saw every fitted table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IvtFit:
    """What the tables say of the model's parameters, and how well they foretell."""

    parameters: Mapping[str, tuple[float, float]] = field(hash=False)
    """Parameter -> log10 of it and its standard deviation (Laplace)."""
    scores: tuple[IvtScore, ...]
    unidentified: tuple[str, ...]
    """Parameters whose spread is more than 0.8 of what was believed, or above half a power of ten when nothing was."""


def fit_ivt(runs: Sequence[Run], paper: Floats | None = None, *, folds: bool = True) -> IvtFit:
    """Fit, leave out in turn, and score; `paper` are parameters to score beside. UserError without trajectories."""
    used = [run for run in runs if run.table in FITTED]
    if sum(run.table == TRAJECTORIES for run in used) < 2:
        raise UserError(f"{TRAJECTORIES} holds fewer than two trajectories; expected several conditions to learn from")
    whole, jacobian = _fitted(used, _BELIEVED, _ROUNDS)
    inside = _told(whole, runs)
    outside = dict(enumerate(inside))
    for fold in _folds(runs) if folds else []:
        theta, _ = _fitted(
            [run for at, run in enumerate(runs) if at not in fold and run in used], whole, _ROUNDS_LEFT_OUT
        )
        outside |= dict(zip(fold, _told(theta, [runs[at] for at in fold]), strict=True))
    beside = None if paper is None else _told(np.log10(paper), runs)
    spread = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian + 1e-9 * np.eye(len(whole)))))
    return IvtFit(
        parameters={
            each.name: (float(mean), float(sd)) for each, mean, sd in zip(PARAMETERS, whole, spread, strict=True)
        },
        scores=tuple(_scores(runs, inside, [outside[at] for at in range(len(runs))], beside)),
        unidentified=tuple(
            each.name
            for each, sd, believed in zip(PARAMETERS, spread, _SPREAD, strict=True)
            if sd > (0.8 * believed if np.isfinite(believed) else 0.5)
        ),
    )


def _folds(runs: Sequence[Run]) -> list[list[int]]:
    """Places of what is left out together: each trajectory, and each other fitted table."""
    alone = [[at] for at, run in enumerate(runs) if run.table == TRAJECTORIES]
    tables = [[at for at, run in enumerate(runs) if run.table == name] for name in FITTED[1:]]
    return [*alone, *(fold for fold in tables if fold)]


def _fitted(runs: Sequence[Run], start: Floats, rounds: int) -> tuple[Floats, Floats]:
    """Log10 of the parameters that fit best, and the slopes of the residuals there."""

    def residuals(theta: Floats) -> Floats:
        return np.asarray(_residuals(theta[None], runs)[0])

    def slopes(theta: Floats) -> Floats:
        sets = np.vstack([theta + _SHIFT * np.eye(len(theta)), theta - _SHIFT * np.eye(len(theta))])
        found = _residuals(sets, runs)
        return np.asarray((found[: len(theta)] - found[len(theta) :]).T / (2.0 * _SHIFT))

    found = least_squares(
        residuals,
        start,
        jac=slopes,
        bounds=(_BELIEVED - _REACH, _BELIEVED + _REACH),
        x_scale=np.where(np.isfinite(_SPREAD), _SPREAD, 0.5),
        max_nfev=rounds,
        ftol=1e-5,
        xtol=1e-5,
    )
    return np.asarray(found.x), np.asarray(found.jac)


def _residuals(sets: Floats, runs: Sequence[Run]) -> Floats:
    """Standardised residuals of each parameter set, then those of the prior; (m, parameters) -> (m, residuals)."""
    told = _predicted(sets, runs)
    parts = [
        (told[at][of] - values) / errors for at, run in enumerate(runs) for of, (values, errors) in run.seen.items()
    ]
    believed = np.isfinite(_SPREAD)
    prior = (sets[:, believed] - _BELIEVED[believed]) / _SPREAD[believed]
    # A set that no step can follow is as wrong as can be, not missing.
    return np.asarray(np.nan_to_num(np.hstack([*parts, prior]), nan=1e3, posinf=1e3, neginf=-1e3))


def _predicted(sets: Floats, runs: Sequence[Run]) -> list[dict[str, Floats]]:
    """Of each run, observable -> (m, times)."""
    told: list[dict[str, Floats]] = [{} for _ in runs]
    lengths = {len(run.times) for run in runs}
    for length in sorted(lengths):
        places = [at for at, run in enumerate(runs) if len(run.times) == length]
        times = np.array([runs[at].times for at in places])
        states = react(10.0**sets, [runs[at].reaction for at in places], times, threads=cores())
        for row, at in enumerate(places):
            told[at] = pools(runs[at].reaction, states[:, row])
    return told


def _told(theta: Floats, runs: Sequence[Run]) -> list[dict[str, Floats]]:
    return [
        {of: values[0] for of, values in told.items() if of in run.seen}
        for told, run in zip(_predicted(theta[None], runs), runs, strict=True)
    ]


def _scores(
    runs: Sequence[Run],
    inside: Sequence[Mapping[str, Floats]],
    outside: Sequence[Mapping[str, Floats]],
    beside: Sequence[Mapping[str, Floats]] | None,
) -> list[IvtScore]:
    keys = dict.fromkeys((run.table, of) for run in runs for of in run.seen)
    found = []
    for name, of in keys:
        places = [at for at, run in enumerate(runs) if run.table == name and of in run.seen]
        found.append(
            IvtScore(
                table=name,
                observable=of,
                runs=len(places),
                values=sum(len(runs[at].times) for at in places),
                fitted=_error(of, runs, inside, places),
                left_out=_error(of, runs, outside, places),
                published=None if beside is None else _error(of, runs, beside, places),
            )
        )
    return found


def _error(of: str, runs: Sequence[Run], told: Sequence[Mapping[str, Floats]], places: Sequence[int]) -> float:
    missed = sum(float(np.abs(told[at][of] - runs[at].seen[of][0]).sum()) for at in places)
    return missed / sum(float(np.abs(runs[at].seen[of][0]).sum()) for at in places)
