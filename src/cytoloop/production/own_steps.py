"""Own steps: what the platform does by itself: hold, wait, compute, choose a way. Pure; each gives what to enter, and
when to look again.
"""

from dataclasses import dataclass

from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.facts.production import StepCompleted, StepFailed, StepStarted, WayTaken
from cytoloop.core.json import JSON
from cytoloop.core.recipe import Calculation, Hold, Repeat, Selection, Wait
from cytoloop.core.time import Instant, after
from cytoloop.production.expression import ExpressionError, computed, holds, references
from cytoloop.production.looking import look, told
from cytoloop.production.walk import AGAIN, ENOUGH, EXHAUSTED, Planned

RUNNER = "system:runner"
"""Who does what the platform does by itself."""
OTHERWISE = "otherwise"


@dataclass(frozen=True, slots=True)
class Own:
    """What to enter now, and when to look again when nothing is."""

    facts: tuple[Fact, ...] = ()
    wake_at: Instant | None = None


def hold(batch: Batch, planned: Planned, phase: Hold, now: Instant) -> Own:
    """Begin the hold; end it once its hours, as the parameter stands, have passed."""
    hours = batch.parameters[f"{planned.operation}.{phase.duration}"]
    record = batch.steps.get(planned.step)
    if record is None or record.state == "not-done":
        return Own((_started(batch, planned, "hold", {"hours": hours}),))
    end = after(record.started_at, hours)
    if end > now:
        return Own(wake_at=end)
    return Own((StepCompleted(step=planned.step, attempt=record.attempt, values={"hours": hours}),))


def wait(batch: Batch, planned: Planned, phase: Wait, now: Instant) -> Own:
    """Begin to wait; end once the condition holds, fail once the most hours have passed."""
    record = batch.steps.get(planned.step)
    if record is None or record.state == "not-done":
        return Own((_started(batch, planned, "wait", {"until": phase.until, "at_most": phase.at_most}),))
    end = after(record.started_at, phase.at_most)
    reason = f"{phase.until} did not hold within {phase.at_most:g} h"
    try:
        if holds(phase.until, look(batch)):
            because = told(batch, phase.until, references(phase.until))
            return Own((StepCompleted(step=planned.step, attempt=record.attempt, values={"because": because}),))
    except ExpressionError as missing:
        reason = f"{reason}: {missing}"
    if end > now:
        return Own(wake_at=end)
    return Own((StepFailed(step=planned.step, attempt=record.attempt, reason=reason),))


def calculate(batch: Batch, planned: Planned, phase: Calculation) -> Own:
    """Compute the value; outside its range, or with something missing, the step fails."""
    started = _started(batch, planned, "calculate", {"value": phase.value, "unit": phase.unit})
    try:
        value = computed(phase.value, phase.unit, look(batch))
        because = told(batch, phase.value, references(phase.value))
    except ExpressionError as missing:
        return Own((started, StepFailed(step=planned.step, attempt=started.attempt, reason=str(missing))))
    values: dict[str, JSON] = {phase.phase: value, "because": because}
    if (phase.low is not None and value < phase.low) or (phase.high is not None and value > phase.high):
        reason = f"{phase.phase} is {value:g} {phase.unit}, outside {phase.low} to {phase.high} {phase.unit}"
        return Own((started, StepFailed(step=planned.step, attempt=started.attempt, reason=reason, values=values)))
    return Own((started, StepCompleted(step=planned.step, attempt=started.attempt, values=values)))


def choose(batch: Batch, planned: Planned, phase: Selection | Repeat) -> Own:
    """Decide on a way, once and for ever; what cannot be decided fails, so that a person looks."""
    try:
        way, because = _way(batch, planned, phase)
    except ExpressionError as missing:
        started = _started(batch, planned, "select", {})
        return Own((started, StepFailed(step=planned.step, attempt=started.attempt, reason=str(missing))))
    return Own((WayTaken(step=planned.step, way=way, because=because),))


def _way(batch: Batch, planned: Planned, phase: Selection | Repeat) -> tuple[str, str]:
    if isinstance(phase, Repeat):
        because = told(batch, phase.until, references(phase.until))
        if holds(phase.until, look(batch)):
            return ENOUGH, because
        last = planned.step.endswith(f"[{phase.at_most - 1}]")
        return (EXHAUSTED if last else AGAIN), f"not {because}"
    for each in phase.ways:
        if each.when == OTHERWISE:
            return each.way, OTHERWISE
        if holds(each.when, look(batch)):
            return each.way, told(batch, each.when, references(each.when))
    raise ExpressionError(f"no way of {planned.step} can be taken: no condition holds")


def _started(batch: Batch, planned: Planned, verb: str, arguments: dict[str, JSON]) -> StepStarted:
    record = batch.steps.get(planned.step)
    attempt = record.attempt + 1 if record else 1
    key = f"{batch.number}/{planned.step}#{attempt}"
    return StepStarted(step=planned.step, attempt=attempt, key=key, target=RUNNER, verb=verb, arguments=arguments)
