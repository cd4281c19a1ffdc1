"""Builders: small honest facts and a record to put them in, for tests. Every value can be overridden.

`Book` appends one fact at a time; `written_batch` writes a batch's whole stream as the runner would leave it, with
values from closed formulas: no dice, so that a test may count on them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.core.entry import Draft, Fact, Recorded
from cytoloop.core.facts.feedback import ForecastMade, Interval
from cytoloop.core.facts.production import (
    BatchCreated,
    ReadingsRecorded,
    RecipeApproved,
    StepCompleted,
    StepStarted,
)
from cytoloop.core.facts.quality import ResultRecorded
from cytoloop.core.json import JSON
from cytoloop.core.master import MasterRecipe
from cytoloop.core.product import Stage
from cytoloop.core.reading import Reading
from cytoloop.core.recipe import (
    Loop,
    Operation,
    Parallel,
    Phase,
    Program,
    Read,
    Repeat,
    Sample,
    Selection,
    UnitProcedure,
)
from cytoloop.core.signature import Meaning, Signature
from cytoloop.core.time import Instant, after, hours_between
from cytoloop.production.recipe_text import content, content_sha256
from cytoloop.record.ledger import Ledger

START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
"""Monday 1 June 2026, 08:00 UTC."""

RELEASE_RESULTS: Mapping[str, float] = {
    "viability": 0.88,
    "cd3_purity": 0.97,
    "cd4_fraction": 0.55,
    "car_fraction": 0.36,
    "memory_fraction": 0.46,
    "viable_car_cells": 420.0,
    "vector_copy_number": 1.9,
    "endotoxin": 0.4,
    "sterility": 0.0,
    "bead_residual": 0.02,
}
"""A product that is in specification for a patient of up to 200 kg."""


def signature(
    *, signer: str = "qa.chen", role: str = "qa", meaning: Meaning = "approved", at: Instant = START
) -> Signature:
    """A signature as it would stand in an entry; its digest is of nothing in particular."""
    return Signature(
        signer=signer,
        printed_name="Chen Wei",
        role=role,
        meaning=meaning,
        signed_at=at,
        zone="Asia/Shanghai",
        digest="0" * 64,
        components=("user-id", "password"),
    )


def approved(master: MasterRecipe, *, line: str, change: str | None = None, at: Instant = START) -> RecipeApproved:
    """The approval of `master` on a line."""
    return RecipeApproved(
        recipe=master.recipe.recipe,
        version=master.recipe.version,
        content_sha256=content_sha256(master),
        content=content(master),
        line=line,
        change=change,
        signature=signature(at=at),
    )


def created(
    master: MasterRecipe, number: str, *, line: str, subject: str = "S-0001", weight: float = 70.0
) -> BatchCreated:
    """A batch of `master`, one unit of each class allotted."""
    return BatchCreated(
        batch=number,
        order=f"O-{number}",
        subject=subject,
        study="STUDY-1",
        coi=f"COI-{number}",
        product=master.product.product,
        line=line,
        recipe=master.recipe.recipe,
        recipe_version=master.recipe.version,
        recipe_sha256=content_sha256(master),
        weight=weight,
        equipment={
            each.equipment_class: f"{each.equipment_class.replace('_', '-')}-01" for each in master.plant.classes
        },
    )


def forecast(*, elapsed: float, harvest_at: float = 240.0, in_specification: float = 0.93) -> ForecastMade:
    """A forecast whose curve doubles every 40 h from 0.6e6 cells/mL and whose interval widens with time."""
    hours = tuple(float(hour) for hour in range(int(elapsed), int(harvest_at) + 1, 6))
    middle = tuple(density(hour) for hour in hours)
    spread = tuple(0.03 + 0.4 * (hour - elapsed) / harvest_at for hour in hours)
    return ForecastMade(
        twin=f"car_t_cd19_culture@{'1' * 64}",
        elapsed=elapsed,
        harvest_at=harvest_at,
        quantities={
            "viable_car_cells": Interval(
                median=410.0, low=410.0 - 300 / elapsed * 20, high=410.0 + 9000 / elapsed, unit="1e6 cells"
            ),
            "viability": Interval(median=0.88, low=0.82, high=0.92, unit="fraction"),
        },
        in_specification=in_specification,
        curve_hours=hours,
        curve_low=tuple(value * (1 - width) for value, width in zip(middle, spread, strict=True)),
        curve_median=middle,
        curve_high=tuple(value * (1 + width) for value, width in zip(middle, spread, strict=True)),
    )


def density(hours: float) -> float:
    """Viable cells (1e6/mL) that the built batches hold `hours` after the seeding: a lag, then a logistic rise."""
    return 0.8 + 11.0 / (1 + math.exp(-(hours - 150.0) / 28.0))


@dataclass(kw_only=True)
class Book:
    """A ledger in memory to which facts are told one at a time."""

    ledger: Ledger = field(default_factory=lambda: Ledger(MemoryStore(), SimulatedClock(START)))
    _ends: dict[str, int] = field(default_factory=dict)

    def tell(self, stream: str, fact: Fact, at: Instant = START, *, actor: str = "system:builder") -> Recorded:
        """Append `fact` to the end of `stream`."""
        end = self._ends.get(stream, 0)
        (recorded,) = self.ledger.append(stream, [Draft(fact=fact, actor=actor, happened_at=at)], expected=end)
        self._ends[stream] = end + 1
        return recorded

    def end(self, stream: str) -> int:
        """Where `stream` ends."""
        return self._ends.get(stream, 0)


def written_batch(
    book: Book,
    master: MasterRecipe,
    fact: BatchCreated,
    *,
    at: Instant = START,
    until: float = math.inf,
    results: Mapping[str, float] = RELEASE_RESULTS,
    parameters: Mapping[str, float] | None = None,
) -> Instant:
    """Write the stream of one batch from its creation on, step by step, for at most `until` hours.

    Returns when the last step ended. The batch is left running: the caller finishes it or not.
    """
    stream, now, end = f"batch/{fact.batch}", at, after(at, min(until, 1e5))
    book.tell(stream, fact, at)
    values = {name: each.target for name, each in master.recipe.parameters().items()} | dict(parameters or {})
    seeded: Instant | None = None
    for unit_procedure, operation, step, phase, wait in _plan(master, values):
        now = after(now, wait)
        if now > end:
            break
        target = fact.equipment[unit_procedure.equipment_class]
        hours = hours_between(seeded, now) if seeded else 0.0
        now = _one_step(book, stream, _Doing(master, operation, step, phase, target, hours, results), now)
        seeded = seeded or (now if isinstance(phase, Program) and phase.program == "seed" else None)
    return now


def _plan(
    master: MasterRecipe, values: Mapping[str, float]
) -> list[tuple[UnitProcedure, Operation, str, Phase, float]]:
    """Every step with the hours to wait before it."""
    plan: list[tuple[UnitProcedure, Operation, str, Phase, float]] = []
    for unit_procedure, operation in master.recipe.operations():
        for item in operation.steps:
            if isinstance(item, Repeat | Parallel | Selection):
                raise ValueError(f"{operation.operation}: a made-up history has no branches, selections and repeats")
            if not isinstance(item, Loop):
                plan.append((unit_procedure, operation, f"{operation.operation}/{item.phase}", item, 0.5))
                continue
            for index in range(math.ceil(values[f"{operation.operation}.{item.until}"] / item.every)):
                due = [phase for phase in item.steps if index % phase.every_nth == 0]
                for number, phase in enumerate(due):
                    step = f"{operation.operation}/{item.loop}[{index}]/{phase.phase}"
                    plan.append(
                        (unit_procedure, operation, step, phase, 0.0 if number else item.every - 0.01 * len(due))
                    )
    return plan


@dataclass(frozen=True, slots=True)
class _Doing:
    master: MasterRecipe
    operation: Operation
    step: str
    phase: Phase
    target: str
    hours: float
    results: Mapping[str, float]


def _one_step(book: Book, stream: str, doing: _Doing, now: Instant) -> Instant:
    key = f"{stream.removeprefix('batch/')}/{doing.step}#1"
    arguments: dict[str, JSON] = {"program": doing.phase.program} if isinstance(doing.phase, Program) else {}
    started = StepStarted(
        step=doing.step, attempt=1, key=key, target=doing.target, verb=_VERBS[doing.phase.kind], arguments=arguments
    )
    book.tell(stream, started, now, actor="system:runner")
    done = after(now, 0.01)
    for fact in _facts(doing, now):
        book.tell(stream, fact, done, actor=f"equipment:{doing.target}")
    book.tell(stream, StepCompleted(step=doing.step, attempt=1, values={}), done, actor=f"equipment:{doing.target}")
    return done


_VERBS = {
    "identity_scan": "scan",
    "label_print": "print",
    "instruction": "ask",
    "set_point": "set",
    "program": "program",
    "hold": "hold",
    "read": "read",
    "sample": "sample",
}


def _facts(doing: _Doing, now: Instant) -> list[Fact]:
    if isinstance(doing.phase, Read):
        return [ReadingsRecorded(step=doing.step, readings=_readings(doing, now))]
    if not isinstance(doing.phase, Sample):
        return []
    plan = doing.master.product.sampling[doing.phase.plan]
    return [_result(doing, name, plan.stage) for name in plan.attributes]


def _readings(doing: _Doing, now: Instant) -> tuple[Reading, ...]:
    """Six hourly readings of each signal."""
    units = {name: unit for each in doing.master.plant.classes for name, unit in each.signals.items()}
    assert isinstance(doing.phase, Read)
    return tuple(
        Reading(
            signal=signal,
            value=_signal(signal, doing.hours - back),
            unit=units[signal],
            at=after(now, -back),
            source=doing.target,
        )
        for back in (5.0, 4.0, 3.0, 2.0, 1.0, 0.0)
        for signal in doing.phase.signals
    )


def _signal(name: str, hours: float) -> float:
    match name:
        case "temperature":
            return 37.0 + 0.08 * math.sin(hours / 3)
        case "ph":
            return 7.2 - 0.012 * density(hours) + 0.02 * math.sin(hours / 5)
        case "dissolved_oxygen":
            return 0.62 - 0.02 * density(hours) + 0.02 * math.sin(hours / 7)
        case "glucose":
            return max(0.0, 16.0 - 0.9 * density(hours) + 0.5 * math.sin(hours / 4))
        case _:
            return 0.5 if hours > 48 else 0.0


def _result(doing: _Doing, attribute: str, stage: Stage) -> ResultRecorded:
    found = next(each for each in doing.master.product.at(stage) if each.attribute == attribute)
    in_process = {
        "viable_cell_density": density(doing.hours) * (1 + 0.05 * math.sin(doing.hours)),
        "total_viable_cells": 900.0,
        "viability": 0.93 - 0.0003 * doing.hours,
        "glucose": max(2.0, 16.0 - 0.9 * density(doing.hours)),
        "lactate": 2.0 + 1.2 * density(doing.hours),
        "cd3_purity": 0.95,
        "car_fraction": 0.37,
        "cd4_fraction": 0.56,
        "memory_fraction": 0.70 - 0.001 * doing.hours,
    }
    value = doing.results[attribute] if stage == "release" else in_process[attribute]
    return ResultRecorded(
        sample=doing.step,
        attribute=attribute,
        stage=stage,
        value=value,
        unit=found.unit,
        method=found.method,
        tested_by="equipment:qc-laboratory-01",
    )
