"""Real fit: the twin's donor and interleukin-2 response from the guide's tables, checked on donors left out.

In these cultures (at most 3e6 cells/mL, fresh medium) glucose, lactate and crowding do not bind, so equations (1),
(2) and (5) of `culture` reduce to sums on the log scale, linear in a donor's coefficients:

activation   log X = level + overnight [from day 2] + activation [from day 4]
IL-2 doses   log X = level + gain * I / (il2_half + I)                          (il2_half profiled)
IL-2 long    log X = level + growth [day 8] + il2 [day 8, with IL-2]

Every donor is left out in turn; its counts are foretold by posterior draws of the others' population (cold) and again
after its first sample.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import stdtrit

from cytoloop.core.errors import UserError
from cytoloop.feedback.calibrate import values_of
from cytoloop.feedback.culture import Floats, X, begin, schedule, simulate
from cytoloop.feedback.dataset import Control, Start
from cytoloop.feedback.published.mixed import Group, Mixed, draw_mixed, fit_mixed, foretell_by_draws, log_evidence
from cytoloop.feedback.published.tcell_guide import ACTIVATION, IL2_DOSES, IL2_LONG, MEMORY, SUBSETS, Count, Guide
from cytoloop.feedback.twin import NAMES, Twin, to_scale

HALVES = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
"""IU/mL tried for il2_half."""
HALF_BELIEVED, HALF_DOUBT = 20.0, 0.8
"""IU/mL and log standard deviation believed beforehand: counts this flat say little of it."""
LONG_HOURS = 72.0
"""h from day 5 to day 8."""
_ACTIVATION_HOURS = 48.0
_SEEN_DENSITY = 1.5
_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well counts of donors left out were foretold."""

    counts: int
    error: float
    """Mean relative error of the median."""
    coverage: float
    """Share inside the 90 % interval."""
    naive_error: float
    """Mean relative error of the other donors' mean at the same condition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableScore:
    """One table, donors left out in turn."""

    table: str
    donors: int
    counts: int
    outliers: int
    noise: float | None
    """Standard deviation of one log count, all donors."""
    cold: Score
    after_first: Score | None
    """After the donor's first sample; scored on its other counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealFit:
    """What the real tables say of the twin's figures, and how well they foretell."""

    twin: Twin
    """The twin with those figures in place; its version is the pack's plus one."""
    changed: Mapping[str, tuple[float, float]] = field(hash=False)
    """Population parameter -> mean and standard deviation on the twin's scale."""
    fixed: Mapping[str, float] = field(hash=False)
    tables: tuple[TableScore, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Design:
    """How one table is modelled."""

    table: str
    row: Callable[[Count, float], tuple[float, ...]]
    """A count and a value of il2_half -> its row of the design."""
    assumed: tuple[float, ...]
    """Spreads between donors believed beforehand, log scale."""
    halves: tuple[float, ...] = (20.0,)


def _activation(count: Count, _half: float) -> tuple[float, ...]:
    return (1.0, float(count.condition != "Thawed"), float(count.condition == "Debeaded"))


def _doses(count: Count, half: float) -> tuple[float, ...]:
    dose = count.il2 or 0.0
    return (1.0, dose / (half + dose))


def _long(count: Count, _half: float) -> tuple[float, ...]:
    late = float((count.day or 0) >= 8)
    return (1.0, late, late * float(count.condition == "+IL2"))


_DESIGNS = (
    _Design(table=ACTIVATION, row=_activation, assumed=(0.5, 0.1, 0.15)),
    _Design(table=IL2_DOSES, row=_doses, assumed=(0.3, 0.15), halves=HALVES),
    _Design(table=IL2_LONG, row=_long, assumed=(0.3, 0.2, 0.15)),
)


def real_fit(guide: Guide, twin: Twin) -> RealFit:
    """The twin's figures from the guide, with donors left out in turn.

    Tables that are not there, or tell of one donor only, are left out; UserError when none is left.
    """
    designs = [design for design in _DESIGNS if len(_donors(guide.of(design.table))) >= 2]
    if not designs:
        raise UserError(
            f"no table has counts of two donors or more; one of {', '.join(d.table for d in _DESIGNS)} is needed"
        )
    models = {design.table: _best(design, guide.of(design.table)) for design in designs}
    changed, fixed, notes = _figures(twin, guide, models)
    population = {**twin.population, **changed}
    fitted = replace(twin, version=twin.version + 1, population=population, fixed={**twin.fixed, **fixed})
    shares = [
        _share_score(table, guide.shares_of(attribute))
        for table, attribute in ((MEMORY, "memory_fraction"), (SUBSETS, "cd4_fraction"))
        if len(guide.shares_of(attribute)) >= 3
    ]
    scores = [_score(design, guide) for design in designs]
    return RealFit(
        twin=fitted, changed=changed, fixed=fixed, tables=(*scores, *shares),
        notes=(*guide.notes, *notes, *map(_against_others, scores)),
    )  # fmt: skip


def _against_others(score: TableScore) -> str:
    """Whether the donors' posterior foretells a donor better than the other donors' mean does, said plainly."""
    cold, first = score.cold, score.after_first
    verdict = "better than" if cold.error < 0.98 * cold.naive_error else "no better than"
    said = (
        f"{score.table}: a donor of whom nothing was seen is foretold to {cold.error:.0%}, {verdict} by the other"
        f" donors' mean ({cold.naive_error:.0%})"
    )
    return said if first is None else f"{said}; after its first sample to {first.error:.0%} ({first.naive_error:.0%})"


def _best(design: _Design, counts: Sequence[Count]) -> tuple[Mixed, float]:
    """The model of `counts` and the il2_half with the highest evidence."""
    tried = []
    for half in design.halves:
        groups = _groups(design, counts, half)
        model = fit_mixed(groups, np.array(design.assumed))
        doubt = 0.5 * (np.log(half / HALF_BELIEVED) / HALF_DOUBT) ** 2
        tried.append((log_evidence(groups, model) - doubt, half, model))
    _, half, model = max(tried, key=lambda row: row[0])
    return model, half


def _donors(counts: Sequence[Count]) -> list[str]:
    return list(dict.fromkeys(count.donor for count in counts))


def _groups(design: _Design, counts: Sequence[Count], half: float) -> list[Group]:
    return [_group(design, [count for count in counts if count.donor == donor], half) for donor in _donors(counts)]


def _group(design: _Design, counts: Sequence[Count], half: float) -> Group:
    return Group(
        donor=counts[0].donor,
        design=np.array([design.row(count, half) for count in counts]),
        logs=np.log([count.density for count in counts]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """Foretold counts against what was counted, log scale, shape (counts,) each."""

    logs: Floats
    middle: Floats
    low: Floats
    high: Floats
    naive: Floats


def _score(design: _Design, guide: Guide) -> TableScore:
    counts = guide.of(design.table)
    cold, after = [], []
    for donor in _donors(counts):
        mine = [count for count in counts if count.donor == donor]
        others = [count for count in counts if count.donor != donor]
        model, half = _best(design, others)
        first = [count for count in mine if _sample(count) == _sample(mine[0])]
        rest = [count for count in mine if _sample(count) != _sample(mine[0])]
        cold.append(_told(design, half, model, mine, others=others, seen=None))
        if rest:
            after.append(_told(design, half, model, rest, others=others, seen=_group(design, first, half)))
    return TableScore(
        table=design.table,
        donors=len(_donors(counts)),
        counts=len(counts),
        outliers=sum(count.table == design.table and count.outlier for count in guide.counts),
        noise=_best(design, counts)[0].noise,
        cold=_scored(cold),
        after_first=_scored(after) if after else None,
    )


def _sample(count: Count) -> tuple[str, int | None, float | None, str]:
    return (count.condition, count.day, count.il2, count.replicate)


def _told(
    design: _Design,
    half: float,
    model: Mixed,
    counts: Sequence[Count],
    *,
    others: Sequence[Count],
    seen: Group | None,
) -> _Told:
    group = _group(design, counts, half)
    # The posterior of the other donors' population, all of its doubt carried along; the dice are the same every time.
    generator = np.random.default_rng(_SEED)
    draws = draw_mixed(_groups(design, others, half), model, np.array(design.assumed), generator)
    middle, low, high = foretell_by_draws(draws, group.design, generator, seen)
    naive = [_naive(count, others) for count in counts]
    return _Told(logs=group.logs, middle=middle, low=low, high=high, naive=np.array(naive))


def _naive(count: Count, others: Sequence[Count]) -> float:
    """Mean log count of the other donors at the same condition; at any condition when they were not counted there."""
    same = [other for other in others if _condition(other) == _condition(count)]
    return float(np.mean([np.log(other.density) for other in same or others]))


def _condition(count: Count) -> tuple[str, int | None, float | None]:
    return (count.condition, count.day, count.il2)


def _scored(told: Sequence[_Told]) -> Score:
    logs = np.concatenate([t.logs for t in told])
    middle, naive = np.concatenate([t.middle for t in told]), np.concatenate([t.naive for t in told])
    inside = np.concatenate([(t.low <= t.logs) & (t.logs <= t.high) for t in told])
    return Score(
        counts=len(logs),
        error=float(np.mean(np.abs(np.expm1(middle - logs)))),
        coverage=float(np.mean(inside)),
        naive_error=float(np.mean(np.abs(np.expm1(naive - logs)))),
    )


def _share_score(table: str, shares: Mapping[str, float]) -> TableScore:
    """One fraction per donor: foretold on the logit scale by the other donors."""
    logits = np.array([to_scale("logit", value) for value in shares.values()])
    values = np.array(list(shares.values()))
    count = len(values)
    middles, insides, naives = [], [], []
    for place in range(count):
        others = np.delete(logits, place)
        middle, sd = float(others.mean()), float(others.std(ddof=1))
        reach = float(stdtrit(count - 2, 0.95)) * sd * float(np.sqrt(1.0 + 1.0 / (count - 1)))
        middles.append(1.0 / (1.0 + np.exp(-middle)))
        insides.append(abs(logits[place] - middle) <= reach)
        naives.append(float(np.delete(values, place).mean()))
    cold = Score(
        counts=count,
        error=float(np.mean(np.abs(np.array(middles) / values - 1.0))),
        coverage=float(np.mean(insides)),
        naive_error=float(np.mean(np.abs(np.array(naives) / values - 1.0))),
    )
    return TableScore(table=table, donors=count, counts=count, outliers=0, noise=None, cold=cold, after_first=None)


def _figures(
    twin: Twin, guide: Guide, models: Mapping[str, tuple[Mixed, float]]
) -> tuple[dict[str, tuple[float, float]], dict[str, float], list[str]]:
    """The twin's figures that the tables speak of."""
    changed: dict[str, tuple[float, float]] = {}
    fixed: dict[str, float] = {}
    notes: list[str] = []
    if ACTIVATION in models:
        model = models[ACTIVATION][0]
        changed["survival"] = _survival(twin, model)
        notes.append(
            f"live cells after activation / before: {float(np.exp(model.mean[2])):.2f} (donor spread"
            f" {model.spread[2]:.2f} on the log scale, {model.donors} donors); survival is that ratio less the growth"
            " the twin expects in the same 48 h"
        )
    if IL2_LONG in models:
        gain = max(0.0, float(models[IL2_LONG][0].mean[2])) / LONG_HOURS
        pace = float(np.exp(twin.population["mu_max"][0]))
        share = float(np.clip(1.0 - gain / pace, 0.05, 0.98))
        changed["il2_independent"] = (to_scale("logit", share), twin.population["il2_independent"][1])
        notes.append(
            f"growth with IL-2 less growth without, day 5 to 8: {gain:.4f} 1/h ({models[IL2_LONG][0].donors} donors);"
            f" as a share of mu_max it leaves il2_independent {share:.2f}; its spread stays the pack's"
        )
    if IL2_DOSES in models:
        model, half = models[IL2_DOSES]
        fixed["il2_half"] = half
        notes.append(
            f"IL-2 from 0 to saturation changes counts by {float(np.expm1(model.mean[1])):+.0%} (donor spread"
            f" {model.spread[1]:.2f} on the log scale); il2_half {half:g} IU/mL is the most likely, weakly"
        )
    memory = guide.shares_of("memory_fraction")
    if len(memory) >= 3:
        logits = [to_scale("logit", value) for value in memory.values()]
        changed["memory_start"] = (float(np.mean(logits)), float(np.std(logits, ddof=1)))
    return changed, fixed, notes


def _survival(twin: Twin, model: Mixed) -> tuple[float, float]:
    """Mean and spread of `survival` on its logit scale from the log ratio after / before activation."""
    start = Start(seeding_density=_SEEN_DENSITY, volume=4.5, il2=100.0)
    values = values_of(twin, np.zeros((1, len(NAMES))))
    plan = schedule((Control(at=0.0, perfusion_rate=0.0, il2=100.0),), start.il2, _ACTIVATION_HOURS)
    living = values[0, NAMES.index("survival")]
    growth = float(np.log(simulate(twin, values, begin(values, start), plan)[0, -1, X] / (_SEEN_DENSITY * living)))
    share = float(np.clip(np.exp(model.mean[2] - growth), 0.05, 0.98))
    return to_scale("logit", share), float(model.spread[2] / (1.0 - share))
