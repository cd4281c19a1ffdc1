"""Joining parameters: what value each process parameter really had in a batch, with the step that executed it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cytoloop.core.batch import Batch, StepRecord
from cytoloop.core.json import JSON
from cytoloop.core.recipe import Hold, Incubation, Loop, Operation, Parameter, Ramp
from cytoloop.core.time import Instant, hours_between
from cytoloop.feedback.joined.tables import Cell
from cytoloop.production.check_steps import items_at

REPORTED_AS: Mapping[str, str] = {"seeding_density": "seeded_density"}
"""Parameter -> what a program reports it as, where it does so under a name of its own: with too few cells a culture
is seeded thinner than asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """One value of a parameter with where it comes from."""

    at: Instant | None
    position: int
    cells: Mapping[str, Cell] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    at: Instant
    position: int
    value: float
    reported: bool
    step: str


def executed_value(step: StepRecord, name: str) -> tuple[float, bool] | None:
    """A parameter's value in a step that was done, and whether the equipment reported it; None when it has none."""
    reported = step.values.get(REPORTED_AS.get(name, name))
    if isinstance(reported, (int, float)) and not isinstance(reported, bool):
        return float(reported), True
    given = step.arguments.get("parameters") if step.verb == "program" else step.arguments
    asked = given.get(name) if isinstance(given, dict) else None
    return (float(asked), False) if isinstance(asked, (int, float)) and not isinstance(asked, bool) else None


def parameter_rows(batch: Batch) -> Iterator[Executed]:
    """Every parameter of the recipe, with a row for each value that was in force; one without a value when none was."""
    for _, operation in batch.master.recipe.operations():
        done = [each for each in _of(batch, operation.operation) if each.state == "done"]
        for name, parameter in operation.parameters.items():
            full = f"{operation.operation}.{name}"
            values = [*_commanded(done, name), *_lasted(batch, operation, name)]
            base = _base(batch, full, parameter)
            if not values:
                yield Executed(at=None, position=0, cells={**base, "executed": None, "reported": None, "step": None})
            for each in _changes(values):
                cells: dict[str, Cell] = {"executed": each.value, "reported": each.reported, "step": each.step}
                yield Executed(at=each.at, position=each.position, cells={**base, **cells})


def _base(batch: Batch, full: str, parameter: Parameter) -> dict[str, Cell]:
    return {
        "parameter": full,
        "planned": parameter.target,
        "unit": parameter.unit,
        "par_low": parameter.par[0],
        "par_high": parameter.par[1],
        "moved": any(told.fact.parameter == full for told in batch.moves),
    }


def _of(batch: Batch, operation: str) -> list[StepRecord]:
    return [each for name, each in batch.steps.items() if name.startswith(f"{operation}/")]


def _commanded(done: Iterable[StepRecord], name: str) -> Iterator[_Value]:
    for step in done:
        named: Mapping[str, JSON] = step.arguments
        given = named.get("parameters") if step.verb == "program" else named
        if step.verb not in ("set", "program") or not isinstance(given, dict) or name not in given:
            continue
        found = executed_value(step, name)
        if found is not None and step.ended_at is not None:
            yield _Value(at=step.ended_at, position=step.position, value=found[0], reported=found[1], step=step.step)


def _lasted(batch: Batch, operation: Operation, name: str) -> Iterator[_Value]:
    """How long what the parameter bounds really lasted: a timed loop, a hold, an incubation, a ramp."""
    for _, item in items_at(operation.steps, ("steps",)):
        if isinstance(item, Loop) and item.until == name:
            yield from _looped(batch, f"{operation.operation}/", f"{item.loop}[")
        elif (isinstance(item, (Hold, Incubation)) and item.duration == name) or (
            isinstance(item, Ramp) and item.over == name
        ):
            yield from _held(_of(batch, operation.operation), item.phase)


def _looped(batch: Batch, operation: str, loop: str) -> Iterator[_Value]:
    """From the first round's start to the start of what came after; nothing while nothing did."""
    inside = [each for name, each in batch.steps.items() if name.startswith(operation) and loop in name]
    if not inside:
        return
    first, last = min(each.started_at for each in inside), max(inside, key=lambda each: each.started_at)
    names = {each.step for each in inside}
    later = [
        s for s in batch.steps.values() if s.step not in names and "/" in s.step and s.started_at > last.started_at
    ]
    after = min((s for s in later if not s.step.startswith("deviation/")), key=lambda s: s.started_at, default=None)
    if after is None or after.step == "discard":
        return
    hours = round(hours_between(first, after.started_at), 4)
    yield _Value(at=after.started_at, position=after.position, value=hours, reported=False, step=last.step)


def _held(steps: Iterable[StepRecord], phase: str) -> Iterator[_Value]:
    for step in steps:
        if step.step.rpartition("/")[2].partition("[")[0] == phase and step.state == "done" and step.ended_at:
            hours = round(hours_between(step.started_at, step.ended_at), 4)
            yield _Value(at=step.ended_at, position=step.position, value=hours, reported=False, step=step.step)


def _changes(values: Iterable[_Value]) -> Iterator[_Value]:
    """The values in order of time, those alone that differ from the one before."""
    before: float | None = None
    for each in sorted(values, key=lambda value: (value.at, value.position)):
        if each.value != before:
            yield each
        before = each.value
