"""A record with a little of everything: two lines, a rejected, a held, a released and a running batch, a change."""

from dataclasses import replace
from datetime import timedelta
from typing import Literal

from cytoloop.core.facts.clinic import (
    MaterialCollected,
    OrderPlaced,
    OutcomeRecorded,
    ProductAdministered,
    StudyRegistered,
    SubjectEnrolled,
)
from cytoloop.core.facts.compliance import FindingRecorded, GateJudged
from cytoloop.core.facts.feedback import (
    ChangeSigned,
    Interval,
    ParameterMove,
    ProposalDrafted,
    TwinFitted,
    TwinReleased,
)
from cytoloop.core.facts.production import BatchCreated, BatchFinished, SetPointMoved
from cytoloop.core.facts.quality import DeviationClosed, DeviationKind, DeviationOpened, DispositionSigned
from cytoloop.core.master import MasterRecipe
from cytoloop.core.recipe import Operation
from cytoloop.core.rule import Verdict
from cytoloop.core.time import Instant, after
from cytoloop.testing.builders import (
    RELEASE_RESULTS,
    START,
    Book,
    approved,
    created,
    forecast,
    signature,
    written_batch,
)

WEEKS = timedelta(days=14)


def second_version(master: MasterRecipe) -> MasterRecipe:
    """The same recipe with more IL-2 in the fresh medium, as version 2."""

    def more_il2(operation: Operation) -> Operation:
        if operation.operation != "expansion":
            return operation
        il2 = replace(operation.parameters["il2"], target=140.0, nor=(126.0, 154.0))
        return replace(operation, parameters={**operation.parameters, "il2": il2})

    procedure = tuple(
        replace(unit_procedure, operations=tuple(more_il2(each) for each in unit_procedure.operations))
        for unit_procedure in master.recipe.procedure
    )
    return replace(master, recipe=replace(master.recipe, version=2, procedure=procedure))


def write_story(book: Book, master: MasterRecipe) -> None:
    """Two lines. Fixed: one batch rejected, one held. Closed loop: one released, a change, one running."""
    _study(book)
    for line in ("fixed", "closed_loop"):
        book.tell(f"recipe/{line}/car_t_cd19", approved(master, line=line))
    _finished(book, created(master, "FX-001", line="fixed"), master, dose=96.0, disposition="rejected")
    _finished(book, created(master, "CL-001", line="closed_loop"), master, dose=420.0, disposition="released")
    _learned(book, master, after(START, 24 * 13))
    _held(book, master, START + WEEKS)
    _running(book, second_version(master), START + WEEKS)


def _study(book: Book) -> None:
    book.tell(
        "study/STUDY-1",
        StudyRegistered(
            study="STUDY-1",
            title="Anti-CD19 CAR-T",
            product="car_t_cd19",
            pathway="newtech",
            pathway_basis="filing letter",
            site="site-1",
            involves_offspring=False,
            filed_scope="ranges",
        ),
    )
    for subject in ("S-0001", "S-0002"):
        enrolled = SubjectEnrolled(subject=subject, study="STUDY-1", source="simulated", weight=70.0)
        book.tell(f"subject/{subject}", enrolled)


def _ordered(book: Book, number: str, at: Instant) -> None:
    order = f"O-{number}"
    placed = OrderPlaced(order=order, subject="S-0001", study="STUDY-1", product="car_t_cd19", weight=70.0)
    book.tell(f"order/{order}", placed, after(at, -48))
    collected = MaterialCollected(order=order, coi=f"COI-{number}", collection_site="site-1")
    book.tell(f"order/{order}", collected, after(at, -6))
    book.tell(
        f"order/{order}",
        FindingRecorded(
            locus="CN-SC818:14",
            text_sha256="0" * 64,
            verdict=Verdict.PASS if number != "FX-002" else Verdict.NEEDS_HUMAN,
            severity="S1",
            reason="both reviews passed",
            act=f"collection of order {order}",
        ),
        after(at, -6),
    )


def _finished(
    book: Book, fact: BatchCreated, master: MasterRecipe, *, dose: float, disposition: Literal["released", "rejected"]
) -> None:
    number = fact.batch
    _ordered(book, number, START)
    stream = f"batch/{number}"
    end = written_batch(book, master, fact, results={**RELEASE_RESULTS, "viable_car_cells": dose})
    book.tell(stream, BatchFinished(), end)
    if disposition == "rejected":
        _deviation(book, number, end, "out-of-specification", "the dose is 96 of at least 140 x 1e6 viable CAR+ cells")
        closed = DeviationClosed(
            deviation=f"D-{number}-1",
            decision="continue",
            reason="confirmed by a second test",
            signature=signature(at=end),
        )
        book.tell(stream, closed, after(end, 5))
    signed = DispositionSigned(
        disposition=disposition,
        reason="every release test is within the specification" if disposition == "released" else "the dose is too low",
        signature=signature(signer="qp.li", role="qualified_person", meaning=disposition, at=end),
    )
    book.tell(stream, signed, after(end, 8))
    if disposition == "released":
        given = ProductAdministered(order=f"O-{number}", batch=number, coi=f"COI-{number}", viable_car_cells=420.0)
        book.tell(f"order/O-{number}", given, after(end, 40))
        fared = OutcomeRecorded(
            order=f"O-{number}", batch=number, visit_day=28, response="complete", cytokine_release_grade=1
        )
        book.tell(f"order/O-{number}", fared, after(end, 40 + 28 * 24))


def _deviation(book: Book, number: str, at: Instant, kind: DeviationKind, what: str) -> None:
    stream = f"batch/{number}"
    opened = DeviationOpened(deviation=f"D-{number}-1", kind=kind, what=what, cause=book.end(stream) - 1)
    book.tell(stream, opened, at)


def _learned(book: Book, master: MasterRecipe, at: Instant) -> None:
    fitted = TwinFitted(
        twin="car_t_cd19_culture", version=2, sha256="1" * 64, population={"mu_max": (-3.1, 0.2)}, batches=("CL-001",)
    )
    stream = "twin/closed_loop/car_t_cd19_culture"
    book.tell(stream, fitted, at)
    released = TwinReleased(
        twin=fitted.twin, version=2, sha256=fitted.sha256, ground="one batch left out", signature=signature(at=at)
    )
    book.tell(stream, released, at)
    book.tell(stream, replace(fitted, version=3), at)
    stream = "recipe/closed_loop/car_t_cd19"
    drafted = ProposalDrafted(
        proposal="P-001",
        recipe="car_t_cd19",
        from_version=1,
        moves=(ParameterMove(parameter="expansion.il2", old=100.0, new=140.0, unit="IU/mL"),),
        twin="car_t_cd19_culture@2",
        batches=("CL-001",),
        predicted={"viable_car_cells": Interval(median=38.0, low=4.0, high=71.0, unit="1e6 cells")},
        risk="one parameter inside its PAR; no other parameter is touched",
        gate_row=9,
        filing="no filing: the move stays inside the filed ranges",
    )
    book.tell(stream, drafted, after(at, 1))
    judged = GateJudged(row=9, answer="apply", subject="P-001", reason="one parameter inside its PAR, others at target")
    book.tell(stream, judged, after(at, 1))
    change = ChangeSigned(
        change="C-001",
        proposal="P-001",
        recipe="car_t_cd19",
        to_version=2,
        substantive=False,
        signature=signature(role="principal_investigator", at=after(at, 2)),
    )
    book.tell(stream, change, after(at, 2))
    better = approved(second_version(master), line="closed_loop", change="C-001", at=after(at, 3))
    book.tell(stream, better, after(at, 3))


def _held(book: Book, master: MasterRecipe, at: Instant) -> None:
    _ordered(book, "FX-002", at)
    end = written_batch(book, master, created(master, "FX-002", line="fixed", subject="S-0002"), at=at, until=60)
    _deviation(book, "FX-002", end, "excursion", "temperature of bioreactor-01 was above 38.5 °C for 1.4 h")


def _running(book: Book, master: MasterRecipe, at: Instant) -> None:
    _ordered(book, "CL-002", at)
    fact = created(master, "CL-002", line="closed_loop", subject="S-0002")
    end = written_batch(book, master, fact, at=at, until=160)
    for elapsed in (96.0, 120.0, 144.0):
        book.tell("batch/CL-002", forecast(elapsed=elapsed), after(at, elapsed + 4))
    judged = GateJudged(
        row=9, answer="apply", subject="perfusion 0.5 to 0.8", reason="inside its PAR, others at target"
    )
    book.tell("batch/CL-002", judged, after(at, 124))
    moved = SetPointMoved(
        parameter="expansion.perfusion_rate",
        old=0.5,
        new=0.8,
        unit="1/d",
        reason="glucose falls below 5 mmol/L before the next sample at the forecast density",
        triggered_by=book.end("batch/CL-002") - 2,
        gate_row=9,
        model="car_t_cd19_culture@2",
    )
    book.tell("batch/CL-002", moved, max(end, after(at, 124)))
