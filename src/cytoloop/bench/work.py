"""The work that the record's benchmarks write: facts of a batch as the runner writes them, append by append."""

from collections.abc import Iterator

from cytoloop.core.entry import Draft, Fact
from cytoloop.core.facts.production import BatchCreated, ReadingsRecorded, StepCompleted, StepStarted
from cytoloop.core.facts.quality import ResultRecorded
from cytoloop.core.reading import Reading
from cytoloop.core.time import Instant, after

SIGNALS = {"temperature": "°C", "ph": "pH", "dissolved_oxygen": "fraction", "glucose": "mmol/L"}
ATTRIBUTES = {"viability": "fraction", "viable_cell_density": "1e6 cells/mL"}


def drafts(facts: tuple[Fact, ...], at: Instant) -> list[Draft]:
    """These facts as somebody asks the record to keep them."""
    return [Draft(fact=fact, actor="system:runner", happened_at=at) for fact in facts]


def created(number: str) -> BatchCreated:
    """A batch's first fact."""
    return BatchCreated(
        batch=number,
        order=f"O-{number}",
        subject="3f2b8c1d9e7a4b60",
        study="ST-BENCH-1",
        coi="COI-000001",
        product="car_t_cd19",
        line="bench",
        recipe="car_t_cd19",
        recipe_version=1,
        recipe_sha256="0" * 64,
        weight=70.0,
        equipment={"bioreactor": "bioreactor-01", "processor": "closed-processor-01"},
    )


def steps(number: str, at: Instant) -> Iterator[tuple[Fact, ...]]:
    """Appends of a running batch without end: seven entries in four appends, again and again."""
    turn = 0
    while True:
        turn += 1
        yield (_started(number, f"expansion/read[{turn}]"),)
        yield (_completed(f"expansion/read[{turn}]"), _readings(f"expansion/read[{turn}]", after(at, turn)))
        yield (_started(number, f"expansion/sample[{turn}]"),)
        yield (_completed(f"expansion/sample[{turn}]"), *_results(turn))


def _started(number: str, step: str) -> StepStarted:
    return StepStarted(
        step=step,
        attempt=1,
        key=f"{number}/{step}#1",
        target="bioreactor-01",
        verb="program",
        arguments={"program": "expansion", "coi": "COI-000001", "parameters": {"temperature": 37.0, "ph": 7.2}},
    )


def _completed(step: str) -> StepCompleted:
    return StepCompleted(step=step, attempt=1, values={"volume": 1.5, "code": "COI-000001"})


def _readings(step: str, at: Instant) -> ReadingsRecorded:
    readings = [
        Reading(signal=signal, value=7.21, unit=unit, at=at, quality="good", source="bioreactor-01")
        for signal, unit in SIGNALS.items()
    ]
    return ReadingsRecorded(step=step, readings=tuple(readings))


def _results(turn: int) -> list[ResultRecorded]:
    return [
        ResultRecorded(
            sample=f"expansion/sample[{turn}]",
            stage="in_process",
            attribute=attribute,
            value=0.93,
            unit=unit,
            method="bench",
            tested_by="qc-laboratory",
        )
        for attribute, unit in ATTRIBUTES.items()
    ]
