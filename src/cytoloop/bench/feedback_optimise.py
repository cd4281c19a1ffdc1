"""O1, O2, O3: experiments to the optimum with a wrong prior, time of a suggestion, what an adversarial prior costs.

"Experiments" counts those run until the noiseless value of one of them is at least 95 % of the true optimum; a run
that does not get there within 30 counts as 31. Since a response that is never near 0 makes that easy, the way from
the centre of the ranges to the optimum is told beside it. Surfaces are drawn by seed (`surfaces.py`); peers, which
take no prior, meet the same problems, noise and budget.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median
from time import perf_counter

import numpy as np

from cytoloop.bench.frame import Goal, Options, Row, row
from cytoloop.bench.optimise_runs import (
    BUDGET,
    OBJECTIVE,
    Design,
    Optimiser,
    Problem,
    Remote,
    Run,
    of_simulator,
    of_surface,
    ours,
    quadratic_prior,
    run,
)
from cytoloop.bench.optimise_twin import twin_rows
from cytoloop.bench.simulators import simulators
from cytoloop.bench.surfaces import (
    Floats,
    Function,
    Surface,
    as_prior,
    classic,
    drawn,
    fitted,
    flipped,
    misplaced,
    opposite,
)
from cytoloop.feedback.optimise.campaign import Campaign
from cytoloop.feedback.optimise.prior import ArrayPrior, Arrays

DIMENSIONS = (6, 9, 12)
SEEDS, QUICK_SEEDS = 10, 1
QUICK_BUDGET = 3
LONG_SEEDS, LONG_BUDGET, LONG_FACTORS = 12, 60, 6
"""Of the runs beside adversarial priors: long enough that most come near the optimum."""
RESAMPLED = 2000
"""Bootstrap samples of a ratio's interval."""
PEER_SEEDS = 1
PEER_BUDGET = 16
FIRST = 5
"""Experiments of the peers' first designs, whose time does not count."""
LIBRARIES = {
    "optuna": "Optuna GPSampler",
    "botorch": "BoTorch qLogNEI",
    "ax": "Ax",
    "baybe": "BayBE",
    "bofire": "BoFire",
}
ENVIRONMENT, SCRIPT = "bayesian", "bayesian_campaigns.py"


def rows(options: Options) -> list[Row]:
    """Every figure of the optimiser."""
    return [*_speed(options), *_priors(options), *_adversaries(options), *twin_rows(options), *_beside(options)]


# -- O1 and O3 on surfaces --------------------------------------------------------------------------------------------


def _priors(options: Options) -> list[Row]:
    """The same surfaces without a prior and with priors of a wrong structure."""
    dimensions, count = (DIMENSIONS[:1], QUICK_SEEDS) if options.quick else (DIMENSIONS, SEEDS)
    budget = QUICK_BUDGET if options.quick else BUDGET
    runs: dict[str, list[Run]] = {name: [] for name in ("plain", "misplaced", "fitted")}
    for d in dimensions:
        for number in range(count):
            options.tick(f"optimiser: {d} factors, surface {number + 1} of {count}")
            seed = 100 * options.seed + number
            for name, found in runs.items():
                found.append(_one(drawn(seed, d), name, seed, budget))
    where = f"{min(dimensions)}-{max(dimensions)} factors, 3 % noise, {count * len(dimensions)} surfaces"
    return [
        *_experiments("with a prior of misplaced optima", runs["misplaced"], where, budget, judged=True),
        *_experiments("with a quadratic prior through 2 d points", runs["fitted"], where, budget),
        *_experiments("without a prior", runs["plain"], where, budget),
    ]


def _adversaries(options: Options) -> list[Row]:
    """Adversarial priors beside none, over more experiments than most runs need."""
    count, budget = (QUICK_SEEDS, QUICK_BUDGET) if options.quick else (LONG_SEEDS, LONG_BUDGET)
    runs: dict[str, list[Run]] = {"plain": [], "flipped": [], "opposite": []}
    for number in range(count):
        options.tick(f"optimiser: adversarial priors, surface {number + 1} of {count}")
        seed = 100 * options.seed + number
        for name, found in runs.items():
            found.append(_one(drawn(seed, LONG_FACTORS), name, seed, budget))
    return [
        *_adversarial("its sign turned", runs["flipped"], runs["plain"], budget),
        *_adversarial("its optimum in the opposite corner", runs["opposite"], runs["plain"], budget),
    ]


def _one(surface: Surface, prior: str, seed: int, budget: int) -> Run:
    d = len(surface.ranges)
    made: dict[str, Callable[[], Function | None]] = {
        "plain": lambda: None,
        "misplaced": lambda: misplaced(seed, d),
        "fitted": lambda: fitted(surface.truth, d, seed),
        "flipped": lambda: flipped(surface.truth, d),
        "opposite": lambda: opposite(surface.truth, d),
    }
    function = made[prior]()
    problem = of_surface(surface, seed)
    return run(problem, ours(problem, function and as_prior(function, surface, OBJECTIVE), seed), budget)


def _experiments(how: str, runs: Sequence[Run], where: str, budget: int, *, judged: bool = False) -> list[Row]:
    """Medians and the distribution, by both measures."""
    out = [
        row("O1", f"experiments to 95 % of the optimum {how}, median; {where}", [_needed(runs, budget, gain=False)], "",
            goal=Goal(bound=4, better="less") if judged else None, better="less"),
        row("O1", f"… to 95 % of the way from the centre to the optimum {how}, median",
            [_needed(runs, budget, gain=True)], "", better="less"),
    ]  # fmt: skip
    for count in (each for each in (1, 2, 4, 8, 16, 30) if each <= budget):
        goal = Goal(bound=0.95) if judged and count == 4 else None
        for gain, told in ((False, "the optimum"), (True, "the way from the centre")):
            reached = mean(each.needed(gain=gain, cap=budget) <= count for each in runs)
            what = f"share of seeds at 95 % of {told} within {count} experiments, {how}"
            out.append(row("O1", what, [reached], "", goal=None if gain else goal))
    first = mean(each.share_after(1) for each in runs)
    return [*out, row("O1", f"share of the optimum at the first experiment {how}, mean", [first], "")]


def _needed(runs: Iterable[Run], budget: int, *, gain: bool) -> float:
    return float(median(each.needed(gain=gain, cap=budget) for each in runs))


def _adversarial(how: str, runs: Sequence[Run], plain: Sequence[Run], budget: int) -> list[Row]:
    """Ratios over plain Bayesian optimisation: of medians, and of means restricted to the budget, with 90 % intervals
    (bootstrap over surfaces: Efron & Tibshirani 1993)."""
    pairs = np.array([[each.needed(cap=budget) for each in found] for found in (runs, plain)], dtype=float)
    picks = np.random.default_rng(1).integers(0, len(plain), (RESAMPLED, len(plain)))
    reached = "/".join(str(int((line <= budget).sum())) for line in pairs)
    out = []
    for name, of in (("median", np.median), ("restricted mean", np.mean)):
        ours_, theirs = (of(line[picks], axis=1) for line in pairs)
        low, high = np.quantile(ours_ / theirs, (0.05, 0.95))
        ratio = float(of(pairs[0]) / of(pairs[1]))
        what = (
            f"{name} experiments with an adversarial prior ({how}) / without a prior; "
            f"90 % interval {low:.2f}-{high:.2f}, {reached} of {len(plain)} runs reached 95 % within {budget}"
        )
        out.append(row("O3", what, [ratio], "", goal=Goal(bound=1.1, better="less")))
    return out


# -- O2 ---------------------------------------------------------------------------------------------------------------


def _speed(options: Options) -> list[Row]:
    """One observation and one suggestion, fit included, with up to 50 experiments of 12 factors."""
    options.tick("optimiser: time of a suggestion")
    out = []
    for how, prior in (("without a prior", None), ("with a prior, less the prior's own time", misplaced(1, 12))):
        seconds = _suggestions(drawn(1, 12), prior, (12, 14) if options.quick else (10, 50))
        goal = Goal(bound=10, better="less")
        out.append(
            row("O2", f"time per suggestion {how}, n ≤ 50, 12 factors, p50", [1e3 * median(seconds)], "ms", goal=goal)
        )
        worst = 1e3 * float(np.quantile(seconds, 0.95))
        out.append(row("O2", f"… p95, {how}", [worst], "ms", better="less"))
    return out


def _suggestions(surface: Surface, prior: Function | None, counts: tuple[int, int]) -> list[float]:
    """Seconds of each suggestion, the fit to a new experiment included, what the prior itself took left out."""
    asked = Asked(as_prior(prior, surface, OBJECTIVE)) if prior else None
    led = ArrayPrior(function=asked.said) if asked else None
    campaign = Campaign(surface.ranges, {OBJECTIVE: "maximise"}, prior=led, seed=1)
    generator, seconds = np.random.default_rng(1), []
    for number in range(counts[1]):
        parameters = {name: float(generator.uniform(low, high)) for name, (low, high) in surface.ranges.items()}
        campaign.observe(parameters, {OBJECTIVE: surface.seen(parameters, generator)})
        if number == 0:
            campaign.suggest()  # the kernels are compiled
        if number >= counts[0]:
            before, began = asked.seconds if asked else 0.0, perf_counter()
            campaign.suggest()
            seconds.append(perf_counter() - began - ((asked.seconds if asked else 0.0) - before))
    return seconds


@dataclass(slots=True)
class Asked:
    """A prior in arrays that tells how long it took."""

    prior: ArrayPrior
    seconds: float = 0.0

    def said(self, parameters: dict[str, Floats]) -> Arrays:
        """What the prior says."""
        began = perf_counter()
        said = self.prior.function(parameters)
        self.seconds += perf_counter() - began
        return said


# -- beside peers -----------------------------------------------------------------------------------------------------


def _beside(options: Options) -> list[Row]:
    """Ours and the peers on the same problems: drawn surfaces and simulators, one table each."""
    if options.quick:
        return []
    out = _table(options, _surfaces(options), "drawn surfaces of 6-12 factors")
    for name in ("hartmann", "ackley"):
        surfaces = [classic(name, 100 * options.seed + number) for number in range(PEER_SEEDS)]
        out += _table(options, [of_surface(each, place) for place, each in enumerate(surfaces)], name)
    with simulators(options.peers) as plants:
        for plant in plants:
            options.tick(f"optimiser: {plant.name}")
            out += _table(options, [of_simulator(plant, donor, options.seed) for donor in range(1)], plant.name)
    return out


def _surfaces(options: Options) -> list[Problem]:
    seeds = [100 * options.seed + number for number in range(PEER_SEEDS)]
    return [of_surface(drawn(seed, d), seed) for d in DIMENSIONS for seed in seeds]


def _table(options: Options, problems: Sequence[Problem], where: str) -> list[Row]:
    """Share of the optimum after 8 and 16 experiments; median experiments; seconds of a suggestion."""
    plain = [_whole(problem, ours(problem, None, place)) for place, problem in enumerate(problems)]
    led = [
        _whole(problem, ours(problem, quadratic_prior(problem, place), place)) for place, problem in enumerate(problems)
    ]
    theirs: dict[str, list[Run]] = {
        "DoE: space-filling, quadratic": [_whole(p, Design(p, k)) for k, p in enumerate(problems)],
        **_peers(options, problems),
    }
    count = f"{where}, {len(problems)} problems" if len(problems) > 1 else where
    return [line for name, runs in theirs.items() for line in _lines(count, plain, led, name, runs)]


def _whole(problem: Problem, optimiser: Optimiser) -> Run:
    return run(problem, optimiser, PEER_BUDGET, whole=True)


def _lines(where: str, plain: Sequence[Run], led: Sequence[Run], name: str, runs: Sequence[Run]) -> list[Row]:
    out = []
    for how, ours_ in (("no prior", plain), ("quadratic prior", led)):
        for count in (8, PEER_BUDGET):
            what = f"share of the optimum after {count} experiments, {how} ({where})"
            ours_at, theirs_at = ([each.share_after(count) for each in found] for found in (ours_, runs))
            out.append(_row(what, mean(ours_at), name, mean(theirs_at) if theirs_at else None))
    seconds = [median(s for each in found for s in each.seconds[FIRST:]) for found in (plain, runs) if found]
    peer = [1e3 * seconds[1]] if len(seconds) > 1 else []
    what = f"time per suggestion ({where})"
    out.append(row("O2", what, [1e3 * seconds[0]], "ms", better="less", peer=name, peer_values=peer))
    return out


def _row(what: str, value: float, peer: str, peer_value: float | None) -> Row:
    return row("O1", what, [value], "", peer=peer, peer_values=[] if peer_value is None else [peer_value])


def _peers(options: Options, problems: Sequence[Problem]) -> dict[str, list[Run]]:
    """Every library on every problem, one process for each; an empty list where it is not available."""
    options.tick(f"optimisers of the peers: {len(problems)} problems")
    return {name: _library(options, library, problems) for library, name in LIBRARIES.items()}


def _library(options: Options, library: str, problems: Sequence[Problem]) -> list[Run]:
    process = options.peers.start(ENVIRONMENT, SCRIPT)
    if process is None:
        return []
    remote = Remote(process)
    try:
        runs = []
        for place, problem in enumerate(problems):
            remote.begin(library, problem, place)
            runs.append(_whole(problem, remote))
        return runs
    except (OSError, ValueError, KeyError) as error:
        options.peers.notes.append(f"{LIBRARIES[library]} is not available: its run failed ({error})")
        return []
    finally:
        remote.close()
