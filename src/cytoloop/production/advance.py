"""Advance: decides the next move of a batch. Pure: it writes and commands nothing.

In this order: a batch that ended does nothing; one that is being aborted brings its units into a safe state; a missed
maximum wait is noted; an open deviation waits for a person; a hold waits for a person; else the recipe's next steps.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cytoloop.core.batch import Batch, StepRecord, Told
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.equipment import Command
from cytoloop.core.facts.production import (
    AbortOrdered,
    BatchAborted,
    BatchFinished,
    BatchHeld,
    DeadlineMissed,
    StepBlocked,
    StepStarted,
)
from cytoloop.core.facts.quality import DeviationClosed
from cytoloop.core.json import JSON, digest
from cytoloop.core.recipe import Calculation, Hold, Repeat, Selection, Wait
from cytoloop.core.time import Instant, after
from cytoloop.production import own_steps
from cytoloop.production.own_steps import RUNNER, Own
from cytoloop.production.settle import DECISION
from cytoloop.production.steps import command_of
from cytoloop.production.walk import Planned, deadlines, next_steps, safe_steps

MOST_ASKED = 3
"""Times a person is asked when what comes back is refused (not signed as shown, not their right); then it holds."""
FIT_AGAIN = 0.25
"""Hours until it is looked again whether a blocked step may start."""

Fit = Callable[[Batch, Command, Instant], str | None]
"""Says why a command may not be sent now (equipment out of service, not calibrated, not clean); None when it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What to do next: what to write first, what to command then, when to look again."""

    drafts: tuple[Draft, ...] = ()
    commands: tuple[Command, ...] = ()
    wake_at: Instant | None = None


def always_fit(batch: Batch, command: Command, now: Instant) -> str | None:
    """Blocks nothing: for a plant whose equipment nobody registered."""


def advance(batch: Batch, now: Instant, fit: Fit = always_fit) -> Advance:
    """Decide the next move. Steps that are underway are left alone, but for those the platform does itself."""
    if batch.ended:
        return Advance()
    if batch.abort is not None:
        return _abort(batch, batch.abort, now)
    waits = tuple(deadlines(batch))
    missed = [DeadlineMissed(step=step, deadline=end) for step, end in waits if end <= now and step not in batch.missed]
    if missed:
        return Advance(drafts=_drafts(missed, now))
    if batch.open_deviations:
        return _ask_for_decision(batch, now)
    if batch.on_hold is not None:
        return Advance()
    return _next(batch, [end for _, end in waits if end > now], now, fit)


def intent(step: str, attempt: int, command: Command) -> StepStarted:
    """The fact that stands before a command is sent."""
    return StepStarted(
        step=step,
        attempt=attempt,
        key=command.key,
        target=command.target,
        verb=command.verb,
        arguments=command.arguments,
    )


def held(step: str, reason: str) -> BatchHeld:
    """The fact that a person was asked too often."""
    return BatchHeld(step=step, reason=f"{MOST_ASKED} answers were refused, the last because {reason}")


def what_happened(batch: Batch, step: StepRecord) -> Command:
    """Ask the operator about a step that the equipment cannot tell of; anew when the answer before was refused."""
    what = f"{step.step} of {batch.number} was commanded to {step.target} and nobody knows whether it was done"
    shown = digest({"batch": batch.number, "step": step.step, "key": step.key, "what": what})
    return Command(
        key=f"{step.key}/what-happened" + (f"#{step.doubts}" if step.doubts > 1 else ""),
        target="person:operator",
        verb="decide",
        arguments={"what": what, "options": ["done", "not-done"], "digest": shown, "meaning": "verified"},
    )


def _next(batch: Batch, deadlines: list[Instant], now: Instant, fit: Fit) -> Advance:
    """What each of the next steps asks for, together."""
    front = next_steps(batch)
    if not front:
        return Advance(drafts=_drafts([BatchFinished()], now))
    moves = [_move(batch, planned, now, fit) for planned in front]
    wakes = [*deadlines, *(move.wake_at for move in moves if move.wake_at is not None)]
    return Advance(
        drafts=tuple(draft for move in moves for draft in move.drafts),
        commands=tuple(command for move in moves for command in move.commands),
        wake_at=min(wakes, default=None),
    )


def _move(batch: Batch, planned: Planned, now: Instant, fit: Fit) -> Advance:
    record = batch.steps.get(planned.step)
    underway = record is not None and record.state in ("running", "in-doubt")
    if not underway and planned.not_before > now:
        return Advance(wake_at=planned.not_before)
    match planned.phase:
        case Hold() as phase:
            return _own(own_steps.hold(batch, planned, phase, now), now)
        case Wait() as phase:
            return _own(own_steps.wait(batch, planned, phase, now), now)
        case Calculation() as phase:
            return _own(own_steps.calculate(batch, planned, phase), now)
        case Selection() | Repeat() as phase:
            return _own(own_steps.choose(batch, planned, phase), now)
        case _:
            return Advance() if underway else _start(batch, planned, now, fit)


def _own(own: Own, now: Instant) -> Advance:
    return Advance(drafts=_drafts(own.facts, now), wake_at=own.wake_at)


def _start(batch: Batch, planned: Planned, now: Instant, fit: Fit) -> Advance:
    attempt = _attempt(batch, planned.step)
    command = command_of(batch, planned, f"{batch.number}/{planned.step}#{attempt}")
    assert command is not None, f"{planned.step}: every step that the platform does not do itself sends a command"
    reason = fit(batch, command, now)
    if reason is not None:
        known = batch.blocked.get(planned.step) == reason
        blocked = () if known else _drafts([StepBlocked(step=planned.step, reason=reason)], now)
        return Advance(drafts=blocked, wake_at=after(now, FIT_AGAIN))
    return Advance(drafts=_drafts([intent(planned.step, attempt, command)], now), commands=(command,))


def _ask_for_decision(batch: Batch, now: Instant) -> Advance:
    """Ask quality assurance to decide on the first open deviation, showing exactly what they sign."""
    deviation = batch.open_deviations[0].opened.fact
    step = f"{DECISION}{deviation.deviation}"
    failed, before = batch.steps.get(deviation.step or ""), batch.steps.get(step)
    if before is not None and before.state in ("running", "in-doubt"):
        return Advance()
    if before is not None and before.attempt % MOST_ASKED == 0 and batch.held is None:
        return Advance(drafts=_drafts([held(step, before.reason)], now))
    shown: dict[str, JSON] = {
        "batch": batch.number,
        "deviation": deviation.deviation,
        "kind": deviation.kind,
        "what": deviation.what,
        "step": deviation.step,
        "attempt": failed.attempt if failed else None,
    }
    attempt = _attempt(batch, step)
    command = Command(
        key=f"{batch.number}/{step}#{attempt}",
        target="person:qa",
        verb="decide",
        arguments={**shown, "options": list(_options(batch, failed)), "digest": digest(shown), "meaning": "reviewed"},
    )
    return Advance(drafts=_drafts([intent(step, attempt, command)], now), commands=(command,))


def _options(batch: Batch, failed: StepRecord | None) -> tuple[str, ...]:
    """What may be decided on a deviation; a way that could not be chosen cannot be passed over."""
    if batch.abort is not None:
        return ("continue",)
    if failed is None:
        return ("continue", "terminate")
    if failed.verb == "select":
        return ("repeat", "terminate")
    rework = ("rework",) if _may_be_reworked(batch, failed.step) else ()
    return ("continue", "repeat", *rework, "terminate")


def _may_be_reworked(batch: Batch, step: str) -> bool:
    planned = next((each for each in next_steps(batch) if each.step == step), None)
    name = None if planned is None or isinstance(planned.phase, Selection | Repeat) else planned.phase.rework
    if planned is None or name is None:
        return False
    operation = next(each for _, each in batch.master.recipe.operations() if each.operation == planned.operation)
    return batch.reworks.get(step, 0) < operation.reworks[name].at_most


def _abort(batch: Batch, abort: Told[AbortOrdered] | Told[DeviationClosed], now: Instant) -> Advance:
    """Bring every unit that was begun on into its safe state, each step tried once; then the batch is aborted."""
    for planned in safe_steps(batch):
        record = batch.steps.get(planned.step)
        if record is None:
            return _start(batch, planned, now, always_fit)
        if record.state in ("running", "in-doubt"):
            return Advance()
    if any(step.target != RUNNER for step in batch.underway):
        return Advance()
    if batch.open_deviations:
        return _ask_for_decision(batch, now)
    deviation = "" if isinstance(abort.fact, AbortOrdered) else abort.fact.deviation
    return Advance(drafts=_drafts([BatchAborted(deviation=deviation, reason=abort.fact.reason)], now))


def _attempt(batch: Batch, step: str) -> int:
    record = batch.steps.get(step)
    return record.attempt + 1 if record else 1


def _drafts(facts: Iterable[Fact], at: Instant) -> tuple[Draft, ...]:
    return tuple(Draft(fact=fact, actor=RUNNER, happened_at=at) for fact in facts)
