"""O4 and O5: the time of a control step, and what control inside the batch is worth on plants that the twin has wrong.

O4 is the step from a state estimate to a decision, over 20 intervals of 12 h; the estimate is a fit to the batch's
readings and has a row of its own (O4a). O5 counts viable CAR+ cells of products in specification, nothing when any
limit is missed, on the true values of the product: over the pack's recipe, over the best fixed recipe of the same
donors (found by brute force with their truth, which nobody has), and below the clairvoyant. Each plant is measured
with one lever for each unit operation (row 9 of the change gate) and with a design space (row 8).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product as combinations
from time import perf_counter
from typing import cast

import numpy as np

from cytoloop.app.packs import read_pack
from cytoloop.bench import feedback_control_parts as parts
from cytoloop.bench.feedback_control_clairvoyant import clairvoyant
from cytoloop.bench.feedback_control_plants import MISMATCH, Donor, facility_donor, twin_donor
from cytoloop.bench.feedback_control_runs import PACK, Recipe, controlled, finished, fixed, gate
from cytoloop.bench.frame import Goal, Options, Row, row
from cytoloop.core.json import JSON
from cytoloop.feedback.control.controller import DURATION, IL2, PERFUSION, Controller, Gate
from cytoloop.feedback.control.estimate import Estimate
from cytoloop.feedback.control.kernel import INFINITE
from cytoloop.feedback.control.plan import planned
from cytoloop.feedback.culture import STEP, Floats, X, schedule, simulate
from cytoloop.feedback.dataset import BatchHistory, Control
from cytoloop.feedback.evaluate import fit_and_check
from cytoloop.feedback.twin import FIXED, NAMES, Twin

DONORS, QUICK_DONORS = 80, 2
PAST, QUICK_PAST = 12, 3
"""Finished batches of the pack's recipe that the twin is fitted on."""
STEPS, QUICK_STEPS = 3000, 100
AT = 72.0
"""h at which the step is timed: 240 h, 20 intervals of 12 h, before the longest culture."""
PEER = "do-mpc 5.1.2 (IPOPT), nominal donor"


def rows(options: Options) -> list[Row]:
    """The step's time beside the peer's, then the yield on each plant in both modes."""
    options.tick("control step")
    past = [
        finished(facility_donor(options.seed, n, 0.0), PACK, f"B-{n}") for n in range(_of(options, PAST, QUICK_PAST))
    ]
    fitted = _fitted(past, options.seed)
    found = _timed(options, fitted, past[0])
    plants: dict[str, Callable[[int], Donor]] = {
        "simulated facility": lambda n: facility_donor(options.seed + 1000, n, MISMATCH),
        "twin's equations": lambda n: twin_donor(fitted, options.seed + 1000, n, MISMATCH),
    }
    for place, (name, make) in enumerate(plants.items()):
        if options.quick and place == 0:
            continue
        options.tick(f"control on the {name}")
        donors = [make(n) for n in range(_of(options, DONORS, QUICK_DONORS))]
        found += _plant_rows(f"O5{'abcdefg'[place]}", name, fitted, donors, quick=options.quick)
    return found if options.quick else found + _more_rows(options, fitted)


def _more_rows(options: Options, fitted: Twin) -> list[Row]:
    """Where the gap is, a twin of few batches, and the plant that nobody tuned to."""
    donors = parts.facility(options, parts.DONORS)
    options.tick("where the gap is")
    own = [twin_donor(fitted, options.seed + 1000, n, MISMATCH) for n in range(parts.TAKEN)]
    found = parts.gap_rows(fitted, "O5a", "simulated facility", donors[: parts.TAKEN])
    found += parts.gap_rows(fitted, "O5b", "twin's equations", own)
    options.tick("a twin of few batches")
    found += parts.few_rows(options, _fitted, donors)
    options.tick("a third plant")
    return found + parts.third_rows(options, _fitted, PAST)


def _of(options: Options, whole: int, quick: int) -> int:
    return quick if options.quick else whole


def _fitted(past: Sequence[BatchHistory], seed: int) -> Twin:
    pack = Twin.from_data(dict(read_pack("car_t_cd19").twin))
    return fit_and_check(pack, list(past), np.random.default_rng(seed)).twin


def _timed(options: Options, twin: Twin, batch: BatchHistory) -> list[Row]:
    """The step in both modes, the peer's beside the one that moves all levers as the peer does; the estimate apart."""
    known, steps = batch.seen_until(AT + 48.0), _of(options, STEPS, QUICK_STEPS)
    limits = facility_donor(options.seed, 0, 0.0).limits
    one, many = (Controller(twin, gate(PACK, several=several), limits=limits) for several in (False, True))
    estimate = one.estimate(known, AT)
    peer = _peer(options, twin, estimate)
    theirs = [float(cast(float, peer["p99_ms"]))] if peer else []
    goal = Goal(bound=1.0, better="less")
    return [
        row("O4", "control step, 20 x 12 h, p99, one lever", _p99(lambda: one.decide(estimate), steps), "ms", goal=goal,
            peer=PEER, peer_values=theirs),
        row("O4b", "the same, levers of a design space", _p99(lambda: many.decide(estimate), steps), "ms", goal=goal,
            peer=PEER, peer_values=theirs),
        row("O4a", "state estimate before it (donor's fit), p99",
            _p99(lambda: one.estimate(known, AT + 48.0), max(10, steps // 100)), "ms", better="less"),
        _objective(twin, estimate, peer),
    ]  # fmt: skip


def _p99(call: Callable[[], object], times: int) -> list[float]:
    """Milliseconds that all but one call in a hundred stay below, after some that warm up."""
    for _ in range(min(20, times)):
        call()
    spent = []
    for _ in range(times):
        begun = perf_counter()
        call()
        spent.append(1e3 * (perf_counter() - begun))
    return [float(np.percentile(spent, 99))]


def _peer(options: Options, twin: Twin, estimate: Estimate) -> dict[str, JSON] | None:
    """do-mpc on the nominal donor of the same estimate: same equations, horizon and bounds."""
    levers = gate(PACK, several=True).levers
    return options.peers.run(
        "do-mpc",
        "do_mpc_culture.py",
        {
            "parameters": dict(zip(NAMES, estimate.parameters[0].tolist(), strict=False)),
            "fixed": {name: twin.fixed[name] for name in FIXED},
            "states": estimate.states[0].tolist(),
            "at": AT,
            "hours": 12.0,
            "intervals": 20,
            "least_memory": 0.3,
            "rate": [levers[PERFUSION].low, levers[PERFUSION].high],
            "il2": [levers[IL2].low, levers[IL2].high],
            "steps": 3 if options.quick else 30,
        },
    )


def _objective(twin: Twin, estimate: Estimate, peer: dict[str, JSON] | None) -> Row:
    """What both plans reach on the twin's own integration for the nominal donor: viable density after 20 intervals."""
    nominal = replace(
        estimate,
        parameters=estimate.parameters[:1],
        states=estimate.states[:1],
        product=np.ones((1, 3)),
        shocks=np.zeros((3, 1)),
        shift=np.zeros((2, 3, len(estimate.hours))),
        strange=np.zeros((2, 1)),
        limits=np.array([[-INFINITE, INFINITE, 1.0, 0.0], [0.3, INFINITE, 1e-3, 0.0], [-INFINITE, INFINITE, 1.0, 0.0]]),
    )
    levers = {name: replace(lever, step=np.inf) for name, lever in gate(PACK, several=True).levers.items()}
    del levers[DURATION]
    free = Gate(levers=levers, duration=264.0, rest=0.0, design_space=frozenset(levers))
    plan = planned(nominal, free, caution=(0.0, 1.0, 0.0))
    ours = _reached(twin, nominal, [[plan.targets[PERFUSION], plan.targets[IL2]]] * 20)
    theirs = _reached(twin, nominal, cast(list[list[float]], peer["plan"])) if peer else None
    return row(
        "O4c", "viable density that the step's plan reaches, nominal donor", [ours], "1e6 cells/mL",
        peer=PEER, peer_values=[] if theirs is None else [theirs],
    )  # fmt: skip


def _reached(twin: Twin, nominal: Estimate, plan: list[list[float]]) -> float:
    controls = tuple(Control(at=AT + 12.0 * k, perfusion_rate=rate, il2=il2) for k, (rate, il2) in enumerate(plan))
    values = np.ones((1, len(NAMES)))
    values[:, : nominal.parameters.shape[1]] = nominal.parameters
    course = schedule(controls, controls[0].il2, AT + 240.0)
    return float(simulate(twin, values, nominal.states, course, first=round(AT / STEP))[0, -1, X])


def _plant_rows(name: str, plant: str, twin: Twin, donors: Sequence[Donor], *, quick: bool) -> list[Row]:
    """Over the pack's recipe, over the best fixed one, below the clairvoyant, at the 5th percentile, in both modes."""
    pack = np.array([fixed(donor, PACK) for donor in donors])
    recipe, best = _best_fixed(donors, quick=quick)
    found = []
    for several in (False,) if quick else (False, True):
        mode = "design space" if several else "one lever"
        ours = np.array([controlled(twin, donor, PACK, several=several).gain for donor in donors])
        top = np.array([clairvoyant(donor, PACK, several=several) for donor in donors])
        known = f"{plant}, {mode}"
        found += _figures(
            f"{name}{2 if several else 1}", known, _Yields(ours=ours, pack=pack, best=best, top=top), recipe
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Yields:
    """In-specification yields of the same donors, 1e6 cells, shape (donors,)."""

    ours: Floats
    pack: Floats
    best: Floats
    top: Floats


def _figures(name: str, known: str, yields: _Yields, recipe: Recipe) -> list[Row]:
    ours, pack, scale = yields.ours, yields.pack, max(float(yields.pack.mean()), 1e-9)
    lost = float(np.mean(ours < pack - 1e-3 * scale))
    best = f"best fixed ({recipe.duration:g} h, {recipe.rate:g}/d, {recipe.il2:g} IU/mL)"

    def percent(value: float) -> list[float]:
        return [100.0 * value]

    return [
        row(f"{name}.pack", f"yield over the pack's recipe: {known}", percent(ours.mean() / scale - 1.0), "%",
            goal=Goal(bound=28.0)),
        row(f"{name}.best", f"yield over the {best}: {known}",
            percent(ours.mean() / max(float(yields.best.mean()), 1e-9) - 1.0), "%"),
        row(f"{name}.gap", f"below the clairvoyant: {known}",
            percent(1.0 - ours.mean() / max(float(yields.top.mean()), 1e-9)), "%", goal=Goal(bound=2.0, better="less")),
        row(f"{name}.p5", f"5th percentile of the gain over the pack's recipe: {known}",
            percent(float(np.percentile(ours - pack, 5)) / scale), "%", goal=Goal(bound=0.0)),
        row(f"{name}.lost", f"donors with less than by the pack's recipe: {known}", percent(lost), "%", better="less"),
        row(f"{name}.spec", f"batches in specification (pack's recipe {np.mean(pack > 0):.0%}): {known}",
            percent(float(np.mean(ours > 0))), "%"),
    ]  # fmt: skip


def _best_fixed(donors: Sequence[Donor], *, quick: bool) -> tuple[Recipe, Floats]:
    """The fixed recipe that serves these donors best on the whole, by brute force over the proven ranges."""
    hours = (144.0, 192.0, 240.0) if quick else (120.0, 144.0, 168.0, 192.0, 216.0, 240.0, 264.0)
    rates, media = ((0.5, 2.0), (100.0,)) if quick else ((0.5, 1.0, 1.5, 2.0), (20.0, 100.0, 200.0, 400.0))
    tried = [Recipe(duration=h, rate=r, il2=i) for h, r, i in combinations(hours, rates, media)]
    yields = [np.array([fixed(donor, recipe) for donor in donors]) for recipe in tried]
    place = int(np.argmax([each.mean() for each in yields]))
    return tried[place], yields[place]
