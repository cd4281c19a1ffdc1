"""O1 with a mechanistic twin of another structure than the plant: the pack's culture twin, on the simulated facility.

The plant's cells are 28 kinds with their own clocks; the twin has six equations, knows eight of the ten factors, and
no donor: it is asked what it expects over its population. Each donor is a plant of its own.
"""

from collections.abc import Sequence
from statistics import mean, median

from cytoloop.app.packs import read_pack
from cytoloop.bench.forecast_plants import Assays, facility
from cytoloop.bench.frame import Goal, Options, Row, row
from cytoloop.bench.optimise_runs import Problem, Run, of_simulator, ours, run
from cytoloop.bench.simulators import PlantSimulator, facility_simulator
from cytoloop.feedback.calibrate import fit_population
from cytoloop.feedback.optimise.prior import PriorFunction
from cytoloop.feedback.optimise.twin import twin_prior
from cytoloop.feedback.twin import Twin

DONORS = 8
BUDGET = 10
BATCHES = 6
"""Finished batches of other donors that the second twin is fitted on."""
WITHIN = (1, 2, 4, 8, 10)
ABLE = 0.5
"""Of the least dose: a donor whose best in-specification yield is below it cannot be treated whatever is set."""
EFFORT = 20
"""Of the search for a donor's true optimum."""


def twin_rows(options: Options) -> list[Row]:
    """Experiments on the facility with the pack's twin, with one fitted on a few batches, and with none."""
    if options.quick:
        return []
    plant = facility_simulator()
    problems = _problems(options, plant)
    out: list[Row] = []
    for how, prior in _priors(plant, options.seed).items():
        options.tick(f"optimiser: the facility {how}")
        runs = [_run(problem, prior, place, plant.objective) for place, problem in enumerate(problems)]
        out += _lines(how, runs, judged="pack" in how)
    return out


def _problems(options: Options, plant: PlantSimulator) -> list[Problem]:
    """The first donors whose cells can be in specification."""
    least = ABLE * (plant.limits["viable_car_cells"][0] or 0.0)
    problems: list[Problem] = []
    donor = 100 * options.seed
    while len(problems) < DONORS:
        options.tick(f"optimiser: true optimum of the facility for donor {donor}")
        problem = of_simulator(plant, donor, options.seed, EFFORT)
        problems += [problem] if problem.top >= least else []
        donor += 1
    return problems


def _priors(plant: PlantSimulator, seed: int) -> dict[str, PriorFunction | None]:
    twin = Twin.from_data(dict(read_pack("car_t_cd19").twin))
    batches = [facility(10_000 * seed + 900 + place, Assays()).seen for place in range(BATCHES)]
    fitted = fit_population(twin, batches).twin
    return {
        "with the pack's twin as prior": twin_prior(twin, plant.targets, plant.limits),
        f"with that twin fitted on {BATCHES} batches of other donors": twin_prior(fitted, plant.targets, plant.limits),
        "without a prior": None,
    }


def _run(problem: Problem, prior: PriorFunction | None, seed: int, objective: str) -> Run:
    return run(problem, ours(problem, prior, seed, objective), BUDGET)


def _lines(how: str, runs: Sequence[Run], *, judged: bool) -> list[Row]:
    """The distribution of experiments needed, and how near the first was."""
    where = f"facility, 10 factors, 3 % noise, {len(runs)} donors"
    needed = [each.needed(cap=BUDGET) for each in runs]
    goal = Goal(bound=4, better="less") if judged else None
    what = f"experiments to 95 % of the optimum {how}, median ({BUDGET + 1}: not reached); {where}"
    out = [row("O1", what, [float(median(needed))], "", goal=goal, better="less")]
    for count in WITHIN:
        share = mean(each <= count for each in needed)
        bound = Goal(bound=0.95) if judged and count == 4 else None
        out.append(row("O1", f"share of donors within {count} experiments {how}", [share], "", goal=bound))
    for count in (1, 4):
        reached = mean(each.share_after(count) for each in runs)
        out.append(row("O1", f"share of the optimum after {count} experiments {how}, mean", [reached], ""))
    return out
