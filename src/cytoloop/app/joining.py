"""Joining: the batches of a record as tidy tables, each row with the entry it stands on.

Every batch is in it: finished, failed, aborted, held, running. What people wrote in their own words, who acted, the
chain of identity and identities stay where they are: the tables carry pseudonyms, codes and numbers only.
"""

from collections.abc import Callable, Iterator, Mapping

from cytoloop.app.dataset import culture_began
from cytoloop.app.joining_batch import Joining, batch_row
from cytoloop.app.joining_parameters import parameter_rows
from cytoloop.app.tracing import Tracing
from cytoloop.app.views_shelf import Shelf
from cytoloop.clinic.order import order as order_of
from cytoloop.core.batch import Batch
from cytoloop.core.facts.clinic import (
    ClinicalObservationRecorded,
    OutcomeRecorded,
)
from cytoloop.feedback.joined.forms import (
    BATCHES,
    DEVIATIONS,
    EQUIPMENT,
    FORMS,
    LINEAGE,
    MATERIAL,
    OUTCOMES,
    PARAMETERS,
    RESULTS,
    TRAJECTORIES,
)
from cytoloop.feedback.joined.tables import Cell, TidyRow, TidyTable, lineage_of, table_of
from cytoloop.quality.specification import judge

Rows = Callable[[Joining], Iterator[TidyRow]]


def tables_of(shelf: Shelf, *, line: str | None = None, product: str | None = None) -> tuple[TidyTable, ...]:
    """The tables of all batches, or of those of one line or product, in order of creation; `lineage` is the last."""
    trace = Tracing(shelf)
    chosen = [
        _joining(shelf, trace, batch)
        for batch in shelf.batches()
        if line in (None, batch.created.line) and product in (None, batch.created.product)
    ]
    tables = tuple(table_of(form, (row for batch in chosen for row in ROWS[form.name](batch))) for form in FORMS)
    return (*tables, lineage_of(tables, LINEAGE))


def _joining(shelf: Shelf, trace: Tracing, batch: Batch) -> Joining:
    zero = culture_began(batch) or batch.created_at
    weight, product = batch.created.weight, batch.master.product
    judged = tuple((told, judge(told.fact, product, weight)) for told in batch.results)
    return Joining(batch=batch, trace=trace, shelf=shelf, zero=zero, judged=judged)


def _material(of: Joining) -> Iterator[TidyRow]:
    """What was known of donor and starting material before hour zero."""
    for each in of.shelf.stream(f"subject/{of.batch.created.subject}"):
        seen, fact = each.entry.happened_at, each.fact
        known = isinstance(fact, ClinicalObservationRecorded) and seen <= of.zero
        if known and isinstance(fact, ClinicalObservationRecorded) and isinstance(fact.value, (int, float)):
            cells: dict[str, Cell] = {"what": "observation", "name": fact.code, "value": float(fact.value)}
            cells |= {"batch": of.batch.number, "unit": fact.unit, "hours": of.hours(seen)}
            yield TidyRow(cells=cells, source=of.trace.of(each.entry))
    seeded = culture_began(of.batch) is not None
    for told, _ in of.judged:
        if of.sampled_at(told) <= of.zero or (told.fact.stage == "incoming" and not seeded):
            cells = {"what": "result", "name": f"{told.fact.stage}/{told.fact.attribute}", "value": told.fact.value}
            cells |= {"batch": of.batch.number, "unit": told.fact.unit, "hours": of.hours(of.sampled_at(told))}
            yield TidyRow(cells=cells, source=of.source(told.position))


def _parameters(of: Joining) -> Iterator[TidyRow]:
    for found in parameter_rows(of.batch):
        at = None if found.at is None else of.hours(found.at)
        yield TidyRow(cells={**found.cells, "batch": of.batch.number, "hours": at}, source=of.source(found.position))


def _trajectories(of: Joining) -> Iterator[TidyRow]:
    batch = of.batch.number
    for told in of.batch.results:
        if told.fact.stage != "in_process":
            continue
        cells: dict[str, Cell] = {"batch": batch, "attribute": told.fact.attribute, "value": told.fact.value}
        cells |= {"hours": of.hours(of.sampled_at(told)), "unit": told.fact.unit, "kind": "sample"}
        yield TidyRow(cells={**cells, "from": told.fact.sample}, source=of.source(told.position))
    for read in of.batch.readings:
        source = of.source(read.position)
        for each in read.fact.readings:
            cells = {"batch": batch, "attribute": each.signal, "value": each.value, "unit": each.unit}
            cells |= {"hours": of.hours(each.at), "kind": "online", "quality": each.quality, "from": each.source}
            yield TidyRow(cells=cells, source=source)


def _results(of: Joining) -> Iterator[TidyRow]:
    for told, judged in of.judged:
        fact = told.fact
        cells: dict[str, Cell] = {
            "batch": of.batch.number, "stage": fact.stage, "attribute": fact.attribute, "sample": fact.sample,
            "hours": of.hours(of.sampled_at(told)), "value": fact.value, "unit": fact.unit, "low": judged.low,
            "high": judged.high, "judgement": judged.judgement,
            "critical": judged.attribute.critical if judged.attribute else None, "method": fact.method,
        }  # fmt: skip
        yield TidyRow(cells=cells, source=of.source(told.position))


def _deviations(of: Joining) -> Iterator[TidyRow]:
    for each in of.batch.deviations.values():
        fact, closed = each.opened.fact, each.closed
        cells: dict[str, Cell] = {
            "batch": of.batch.number, "deviation": fact.deviation, "kind": fact.kind, "step": fact.step,
            "hours": of.hours(each.opened.happened_at), "decision": closed.fact.decision if closed else None,
            "closed_hours": of.hours(closed.happened_at) if closed else None,
        }  # fmt: skip
        others = dict.fromkeys(("decision", "closed_hours"), (of.source(closed.position),)) if closed else {}
        yield TidyRow(cells=cells, source=of.source(each.opened.position), others=others)


def _outcomes(of: Joining) -> Iterator[TidyRow]:
    stream = of.shelf.stream(f"order/{of.batch.created.order}")
    known, weight = order_of(stream), of.batch.created.weight
    given = known.administered if known and known.administered and known.administered.batch == of.batch.number else None
    gave = tuple(of.trace.of(each.entry) for each in stream if given is not None and each.fact is given)
    for each in stream:
        fact = each.fact
        if not isinstance(fact, OutcomeRecorded) or fact.batch != of.batch.number:
            continue
        cells: dict[str, Cell] = {"batch": fact.batch, "visit_day": fact.visit_day, "response": fact.response}
        cells["cytokine_release_grade"] = fact.cytokine_release_grade
        if given is not None:
            cells |= {"given": given.viable_car_cells, "given_per_kg": round(given.viable_car_cells / weight, 6)}
        others = dict.fromkeys(("given", "given_per_kg"), gave) if gave else {}
        yield TidyRow(cells=cells, source=of.trace.of(each.entry), others=others)


def _equipment(of: Joining) -> Iterator[TidyRow]:
    for kind, unit in sorted(of.batch.created.equipment.items()):
        cells: dict[str, Cell] = {"batch": of.batch.number, "equipment_class": kind, "equipment": unit}
        yield TidyRow(cells=cells, source=of.source(0))


ROWS: Mapping[str, Rows] = {
    BATCHES.name: batch_row, MATERIAL.name: _material, PARAMETERS.name: _parameters, TRAJECTORIES.name: _trajectories,
    RESULTS.name: _results, DEVIATIONS.name: _deviations, OUTCOMES.name: _outcomes, EQUIPMENT.name: _equipment,
}  # fmt: skip
"""Table -> how a batch gives its rows."""
