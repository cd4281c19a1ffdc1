"""Foreseen: what the record holds for the risk of an order's batch: patient, collection, what became of others."""

from collections.abc import Iterable, Sequence

from cytoloop.app.dataset import SEED
from cytoloop.app.joining_parameters import executed_value
from cytoloop.core.batch import Batch, StepRecord
from cytoloop.core.entry import Recorded
from cytoloop.core.errors import UserError
from cytoloop.core.facts.clinic import ClinicalObservationRecorded
from cytoloop.core.facts.foresight import RiskAssessed
from cytoloop.core.facts.production import RecipeApproved
from cytoloop.core.time import Instant
from cytoloop.feedback.samples.starting_factors import CODES, FACTORS
from cytoloop.quality.specification import judge
from cytoloop.record.ledger import Ledger

T_CELLS = ("total_viable_cells", "cd3_purity")
"""Incoming results whose product is the T cells collected."""


def recipe_of(ledger: Ledger, line: str) -> str:
    """The recipe made on a line; the newest one approved there where there are several."""
    approved = [ledger.stream(stream) for stream in ledger.streams(f"recipe/{line}/")]
    facts = [each for stream in approved for each in stream if isinstance(each.fact, RecipeApproved)]
    if not facts:
        raise UserError(f"no recipe is approved on line {line!r}; name a line with one (`cytoloop recipe show`)")
    newest = max(facts, key=lambda each: each.entry.sequence).fact
    assert isinstance(newest, RecipeApproved), "filtered above"
    return newest.recipe


def foreseen(ledger: Ledger, order: str) -> float | None:
    """What the twin of the day gave before the batch of an order began; None when nobody asked it.

    A past batch is held against what was said of it beforehand, not against a twin that has learned from it since.
    """
    told = (each.fact for each in ledger.stream(f"order/{order}"))
    return next((each.twin_failure for each in told if isinstance(each, RiskAssessed)), None)


def failed(batch: Batch) -> bool:
    """Whether an ended batch was aborted, or not released, or, undecided yet, out of specification at release."""
    if batch.aborted is not None:
        return True
    if batch.disposition is not None and batch.disposition.fact.disposition != "conditionally-released":
        return batch.disposition.fact.disposition != "released"
    release = (told.fact for told in batch.results if told.fact.stage == "release")
    return any(judge(each, batch.master.product, batch.created.weight).judgement == "out" for each in release)


def observed(entries: Iterable[Recorded], until: Instant) -> dict[str, float]:
    """The newest value of each factor that a subject's observations carry, seen by `until`."""
    found: dict[str, float] = {}
    for recorded in entries:
        fact = recorded.fact
        if not isinstance(fact, ClinicalObservationRecorded) or recorded.entry.happened_at > until:
            continue
        name = CODES.get(fact.code)
        if name is not None and isinstance(fact.value, (int, float)) and _takes(name, fact):
            found[name] = float(fact.value)
    return found


def _takes(name: str, fact: ClinicalObservationRecorded) -> bool:
    """Whether an observation can be that factor: a number in its unit, not "below" or "above" one."""
    factor = FACTORS[name]
    known = isinstance(fact.value, (int, float)) and factor.low <= fact.value <= factor.high
    return known and fact.comparator is None and fact.unit in (factor.unit, *factor.spelled)


def collected_t_cells(batch: Batch) -> dict[str, float]:
    """T cells in what was collected, by the tests on receipt."""
    incoming = {t.fact.attribute: t.fact.value for t in batch.results if t.fact.stage == "incoming"}
    if any(name not in incoming for name in T_CELLS):
        return {}
    return {"collected_t_cells": incoming[T_CELLS[0]] * incoming[T_CELLS[1]]}


def shares_of(ended: Sequence[Batch], wanted: float, collected: float | None) -> tuple[float, ...]:
    """Shares of the wanted cells that could be seeded: as past batches did, or as this collection lets expect."""
    seeded = [(batch, cells) for batch in ended if (cells := _seeded(batch)) is not None]
    if collected is None:
        return tuple(round(min(cells / wanted, 1.0), 2) for _, cells in seeded)
    yields = [cells / had["collected_t_cells"] for batch, cells in seeded if (had := collected_t_cells(batch))]
    return tuple(round(min(collected * each / wanted, 1.0), 2) for each in yields)


def _seeded(batch: Batch) -> float | None:
    """1e6 cells that were seeded; None for a batch that never was."""
    step = next((s for s in batch.steps.values() if s.arguments.get("program") == SEED and s.state == "done"), None)
    return None if step is None else _product(step)


def _product(step: StepRecord) -> float | None:
    density, volume = executed_value(step, "seeding_density"), executed_value(step, "volume")
    return None if density is None or volume is None else density[0] * volume[0]
