"""F1 to F3: the dataset's speed, the risk before collection against the base rate, intervals that hold for few."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.app.bootstrap import readable_record, writable_record
from cytoloop.app.dataset_check import check
from cytoloop.app.dataset_files import export
from cytoloop.app.demo import START, demonstrate, drawn_patients
from cytoloop.app.joining import tables_of
from cytoloop.app.packs import read_pack
from cytoloop.app.views import Shelf
from cytoloop.bench.frame import Goal, Options, Row, row
from cytoloop.bench.learning_sites import Floats, Told, cohort, foretold
from cytoloop.core.errors import FindingError
from cytoloop.core.json import JSON, canonical
from cytoloop.feedback.samples.firth import slope
from cytoloop.feedback.samples.outcome import LEVEL

EFFECTS = (0.0, 0.7, 1.5)
"""Log odds ratios for a standard deviation, the same number of cohorts of each: none, a middling one, a strong one."""


USABLE = 6.0
"""Width of an interval, in log odds for a standard deviation, above which it says nothing that anybody did not know."""


def rows(options: Options) -> list[Row]:
    """F1, F2, F3."""
    return [*_dataset(options), *_risk(options), *_coverage(options)]


def _dataset(options: Options) -> list[Row]:
    patients = 1 if options.quick else 8
    options.tick(f"a record of {2 * patients} batches")
    data = options.scratch / "learning"
    _demonstrate(data, options.seed, patients)
    options.tick("joined, exported, checked")
    with readable_record(data) as ledger:
        shelf = Shelf(ledger)
        joined = [_seconds(lambda: tables_of(shelf)) for _ in range(options.repeats)]
        export(shelf, options.scratch / "dataset")
        checked, cells = [], 0
        for _ in range(options.repeats):
            began = perf_counter()
            found = check(options.scratch / "dataset", ledger)
            if found.problems:
                raise FindingError(f"the dataset is not as the record: {found.problems[0]}")
            cells = found.cells or 0
            checked.append(cells / (perf_counter() - began))
    speeds = [2 * patients / seconds for seconds in joined]
    return [
        row("F1", "batches joined from the record into tidy tables", speeds, "/s"),
        row("F1 check", f"cells held against the record and its tree ({cells:,})", checked, "/s"),
    ]


def _demonstrate(folder: Path, seed: int, patients: int) -> None:
    clock = SimulatedClock(START)
    with writable_record(folder, clock) as ledger:
        asyncio.run(
            demonstrate(
                ledger, clock, read_pack("car_t_cd19"), folder,
                seed=seed, patients=drawn_patients(seed, patients), progress=lambda _: lambda _: None,
            )
        )  # fmt: skip


def _seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def _risk(options: Options) -> list[Row]:
    sites, patients = (8, 25) if options.quick else (200, 40)
    options.tick(f"{sites} made-up sites of {patients} patients")
    told = list(foretold(np.random.default_rng([options.seed, 2]), sites, patients))
    goal, peer = None if options.quick else Goal(bound=1.0, of="ratio", better="less"), "base rate so far"
    said = [each for each in told if each.enough]
    return [
        row("F2", f"Brier score of the risk before collection, {len(told):,} patients", [_brier(told, base=False)], "",
            better="less", peer=peer, peer_values=[_brier(told, base=True)], goal=goal),
        row("F2 said", "the same, of the patients for whom it is enough", [_brier(said, base=False)], "",
            better="less", peer=peer, peer_values=[_brier(said, base=True)]),
        row("F2 calibration", "largest difference between risk told and share that failed, by fifths",
            [_worst_fifth(told)], "", better="less"),
        row("F2 silent", "share of patients for whom it is not enough", [1 - len(said) / len(told)], "", better="less"),
    ]  # fmt: skip


def _brier(told: list[Told], *, base: bool) -> float:
    return float(np.mean([((each.base if base else each.probability) - each.failed) ** 2 for each in told]))


def _worst_fifth(told: list[Told]) -> float:
    ranked = sorted(told, key=lambda each: each.probability)
    fifths = [ranked[len(ranked) * k // 5 : len(ranked) * (k + 1) // 5] for k in range(5)]
    gaps = [
        abs(float(np.mean([each.probability for each in fifth])) - float(np.mean([each.failed for each in fifth])))
        for fifth in fifths
        if fifth
    ]
    return max(gaps)


def _coverage(options: Options) -> list[Row]:
    cohorts, found = 10 if options.quick else 300, []
    for patients in (10, 20, 50):
        options.tick(f"{3 * cohorts} cohorts of {patients} patients")
        dice = np.random.default_rng([options.seed, patients])
        drawn = [(effect, *cohort(dice, patients, effect)) for effect in EFFECTS for _ in range(cohorts)]
        ends = [_interval(attribute, outcome) for _, attribute, outcome in drawn]
        found += _intervals(options, patients, drawn, ends)
    return found


Drawn = list[tuple[float, Floats, Floats]]


def _intervals(options: Options, patients: int, drawn: Drawn, ends: list[tuple[float, float]]) -> list[Row]:
    theirs, peer = _peer(options, drawn), "statsmodels Logit (Wald)"
    held = [low <= effect <= high for (effect, _, _), (low, high) in zip(drawn, ends, strict=True)]
    ours = {"coverage": float(np.mean(held)), "usable": float(np.mean([high - low < USABLE for low, high in ends]))}
    goal, what = None if options.quick else Goal(bound=0.88), f"an outcome effect at {patients} patients"
    return [
        row(f"F3 n={patients}", f"coverage of the 90 % interval of {what}", [ours["coverage"]], "", goal=goal,
            peer=peer, peer_values=_of(theirs, "coverage")),
        row(f"F3 usable n={patients}", f"share of intervals of {what} narrower than e^{USABLE:g}", [ours["usable"]], "",
            peer=peer, peer_values=_of(theirs, "usable")),
    ]  # fmt: skip


def _interval(attribute: Floats, outcome: Floats) -> tuple[float, float]:
    """The log odds ratio's interval for one of the attribute's own units."""
    spread = float(attribute.std())
    design = np.column_stack([np.ones(len(attribute)), (attribute - attribute.mean()) / spread])
    found = slope(design, outcome, 1, LEVEL)
    return found.low / spread, found.high / spread


def _peer(options: Options, drawn: Drawn) -> dict[str, JSON] | None:
    """The peer on the same cohorts; where it finds no interval it does not cover."""
    cohorts: list[JSON] = [[effect, attribute.tolist(), outcome.tolist()] for effect, attribute, outcome in drawn]
    path = options.scratch / "cohorts.json"
    path.write_bytes(canonical(cohorts))
    asked: dict[str, JSON] = {"file": str(path), "level": LEVEL, "usable": USABLE}
    return options.peers.run("statsmodels", "statsmodels_coverage.py", asked)


def _of(theirs: dict[str, JSON] | None, name: str) -> list[float]:
    return [] if theirs is None else [float(str(theirs[name]))]
