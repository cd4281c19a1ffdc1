"""Joining a batch: what it was, how far it came and what came of it, in one row with the entries of each cell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cytoloop.app.dataset import culture_began
from cytoloop.app.tracing import Tracing
from cytoloop.app.views_loop import state_of
from cytoloop.app.views_shelf import Shelf
from cytoloop.core.batch import Batch, Told
from cytoloop.core.facts.clinic import MaterialCollected, OutcomeRecorded, ProductAdministered
from cytoloop.core.facts.quality import ResultRecorded
from cytoloop.core.time import Instant, hours_between
from cytoloop.feedback.joined.tables import Cell, Source, TidyRow
from cytoloop.quality.specification import Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """One batch on its way into the tables."""

    batch: Batch
    trace: Tracing
    shelf: Shelf
    zero: Instant
    """Hour zero."""
    judged: tuple[tuple[Told[ResultRecorded], Judged], ...] = field(hash=False)

    def hours(self, at: Instant) -> float:
        """Hours since hour zero, to the second."""
        return round(hours_between(self.zero, at), 4)

    def source(self, position: int) -> Source:
        """The entry at `position` of the batch's stream."""
        return self.trace.at(f"batch/{self.batch.number}", position)

    def sampled_at(self, told: Told[ResultRecorded]) -> Instant:
        """When the sample was taken; when it was tested, for a sample whose step is not in the record."""
        step = self.batch.steps.get(told.fact.sample)
        return step.started_at if step else told.happened_at


def batch_row(of: Joining) -> Iterator[TidyRow]:
    """The batch's one row."""
    batch, created = of.batch, of.batch.created
    cells: dict[str, Cell] = {
        "batch": batch.number, "line": created.line, "product": created.product, "recipe": created.recipe,
        "recipe_version": created.recipe_version, "recipe_sha256": created.recipe_sha256, "order": created.order,
        "subject": created.subject, "study": created.study, "weight": created.weight,
        "created_at": batch.created_at.isoformat(), "hour_zero_at": of.zero.isoformat(),
        "seeded": culture_began(batch) is not None, "state": state_of(batch), "deviations": len(batch.deviations),
        "moves": len(batch.moves), "administered": False,
    }  # fmt: skip
    others: dict[str, tuple[Source, ...]] = {}
    for found in (_how_far(of), _decided(of), _clinical(of)):
        for column, (value, sources) in found.items():
            cells[column] = value
            if sources:
                others[column] = sources
    yield TidyRow(cells=cells, source=of.source(0), others=others)


Found = Mapping[str, tuple[Cell, tuple[Source, ...]]]
"""Column -> its value and the entries it comes from."""


def _how_far(of: Joining) -> Found:
    """How far the batch came, and when and how its production ended."""
    batch = of.batch
    operations = [operation.operation for _, operation in batch.master.recipe.operations()]
    begun = {step.step.partition("/")[0]: step.position for step in batch.steps.values()}
    reached = [name for name in operations if name in begun]
    last = (of.source(begun[reached[-1]]),) if reached else ()
    ended = batch.finished_at or (batch.aborted.happened_at if batch.aborted else None)
    end = _end(of)
    held = tuple(of.source(each.opened.position) for each in batch.open_deviations)
    seeded = _seeded(of)
    return {
        "reached": (reached[-1] if reached else None, last),
        "operations_reached": (len(reached), last),
        "operations": (len(operations), ()),
        "state": (state_of(batch), end or held),
        "ended_hours": (of.hours(ended) if ended else None, end),
        "hour_zero_at": (of.zero.isoformat(), seeded),
        "deviations": (len(batch.deviations), tuple(of.source(d.opened.position) for d in batch.deviations.values())),
        "moves": (len(batch.moves), tuple(of.source(told.position) for told in batch.moves)),
    }


def _seeded(of: Joining) -> tuple[Source, ...]:
    seeds = (each for each in of.batch.steps.values() if each.state == "done" and each.ended_at == of.zero)
    return tuple(of.source(each.position) for each in seeds)


def _end(of: Joining) -> tuple[Source, ...]:
    """The entry that says that production is over."""
    if of.batch.aborted is not None:
        return (of.source(of.batch.aborted.position),)
    stream = f"batch/{of.batch.number}"
    names = {"batch-finished/1"}
    return tuple(of.trace.of(each.entry) for each in of.shelf.stream(stream) if each.entry.name in names)


def _decided(of: Joining) -> Found:
    """The release results taken together, and what the qualified person decided."""
    release = [(told, judged) for told, judged in of.judged if told.fact.stage == "release"]
    verdicts = {judged.judgement for _, judged in release if judged.judgement != "no-limit"}
    whole = None if not verdicts or "cannot-judge" in verdicts else "out" not in verdicts
    whole = False if "out" in verdicts else whole
    signed = of.batch.disposition
    return {
        "in_specification": (whole, tuple(of.source(told.position) for told, _ in release)),
        "disposition": (
            signed.fact.disposition if signed else None, (of.source(signed.position),) if signed else (),
        ),
    }  # fmt: skip


def _clinical(of: Joining) -> Found:
    """Collection, administration and outcome, as the order's stream tells them."""
    stream, mine = of.shelf.stream(f"order/{of.batch.created.order}"), of.batch.number
    found: dict[str, tuple[Cell, tuple[Source, ...]]] = {}
    worst = -1
    for each in stream:
        source = (of.trace.of(each.entry),)
        match each.fact:
            case MaterialCollected(coi=coi) if coi == of.batch.created.coi:
                found["collected_at"] = each.entry.happened_at.isoformat(), source
            case ProductAdministered(batch=batch) if batch == mine:
                found["administered"] = True, source
            case OutcomeRecorded(batch=batch) as told if batch == mine:
                found["response"] = told.response, source
                if told.cytokine_release_grade > worst:
                    worst = told.cytokine_release_grade
                    found["cytokine_release_grade"] = worst, source
            case _:
                pass
    return found
