"""The runner: carries a batch through its recipe. `advance` decides and is pure; `carry` acts and is thin.

Intent is written before acting. A crash leaves the step in doubt, visible; a read-back or a person resolves it and
nothing is ever blindly repeated. The position read guards every append, so a second worker is harmless. An open
deviation empties the list of next steps, so holding needs no special case. The clock is handed in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cytoloop.core.batch import Batch, StepRecord, apply
from cytoloop.core.entry import Draft
from cytoloop.core.equipment import Command, Door, Outcome, UnreachableError
from cytoloop.core.facts.production import (
    BatchFinished,
    StepCompleted,
    StepInDoubt,
    StepResolved,
    StepStarted,
)
from cytoloop.core.json import JSON, digest
from cytoloop.core.recipe import Hold
from cytoloop.core.time import Clock, Instant, after
from cytoloop.production.settle import DECISION, settle, settle_decision, settle_doubt
from cytoloop.production.steps import command_of
from cytoloop.production.walk import Planned, next_step
from cytoloop.record.ledger import Ledger

RUNNER = "system:runner"
RECALL_AFTER = (0.0, 5 / 60, 0.5)
"""Hours to wait before each try to read a step in doubt back from unreachable equipment; then a person is asked."""

Observer = Callable[[Batch, Instant], Sequence[Draft]]
"""Reads a batch and says what must be noted of it: a deviation, a forecast, a move. Pure, and quiet when asked
again about what it has already noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What to do next: what to write first, what to command then, when to look again."""

    drafts: tuple[Draft, ...] = ()
    command: Command | None = None
    wake_at: Instant | None = None


def advance(batch: Batch, now: Instant) -> Advance:
    """Decide the next move of a batch that has no step running except a hold. Writes and commands nothing."""
    if batch.ended:
        return Advance()
    if batch.open_deviations:
        return _ask_for_decision(batch, now)
    planned = next_step(batch)
    if planned is None:
        return Advance(drafts=(_draft(BatchFinished(), now),))
    if planned.not_before > now:
        return Advance(wake_at=planned.not_before)
    if isinstance(planned.phase, Hold):
        return _hold(batch, planned, planned.phase, now)
    return _start(batch, planned, now)


def _start(batch: Batch, planned: Planned, now: Instant) -> Advance:
    attempt = _attempt(batch, planned.step)
    command = command_of(batch, planned, f"{batch.number}/{planned.step}#{attempt}")
    assert command is not None, f"{planned.step}: every step but a hold sends a command"
    return Advance(drafts=(_draft(intent(planned.step, attempt, command), now),), command=command)


def _hold(batch: Batch, planned: Planned, phase: Hold, now: Instant) -> Advance:
    record = batch.steps.get(planned.step)
    if record is None:
        hours = batch.parameters[f"{planned.operation}.{phase.duration}"]
        key = f"{batch.number}/{planned.step}#1"
        waiting = StepStarted(
            step=planned.step, attempt=1, key=key, target=RUNNER, verb="hold", arguments={"hours": hours}
        )
        return Advance(drafts=(_draft(waiting, now),))
    hours = batch.parameters[f"{planned.operation}.{phase.duration}"]
    end = after(record.started_at, hours)
    if end > now:
        return Advance(wake_at=end)
    done = StepCompleted(step=planned.step, attempt=record.attempt, values={"hours": hours})
    return Advance(drafts=(_draft(done, now),))


def _ask_for_decision(batch: Batch, now: Instant) -> Advance:
    """Ask quality assurance to decide on the first open deviation, showing exactly what they sign."""
    deviation = batch.open_deviations[0].opened.fact
    step = f"{DECISION}{deviation.deviation}"
    failed = batch.steps.get(deviation.step or "")
    shown: dict[str, JSON] = {
        "batch": batch.number,
        "deviation": deviation.deviation,
        "kind": deviation.kind,
        "what": deviation.what,
        "step": deviation.step,
        "attempt": failed.attempt if failed else None,
    }
    attempt = _attempt(batch, step)
    options = ["continue", "repeat", "terminate"] if deviation.step else ["continue", "terminate"]
    command = Command(
        key=f"{batch.number}/{step}#{attempt}",
        target="person:qa",
        verb="decide",
        arguments={**shown, "options": list(options), "digest": digest(shown), "meaning": "reviewed"},
    )
    return Advance(drafts=(_draft(intent(step, attempt, command), now),), command=command)


def _what_happened(batch: Batch, step: StepRecord) -> Command:
    """Ask the operator about a step that the equipment cannot tell of."""
    what = f"{step.step} of {batch.number} was commanded to {step.target} and nobody knows whether it was done"
    shown = digest({"batch": batch.number, "step": step.step, "key": step.key, "what": what})
    return Command(
        key=f"{step.key}/what-happened",
        target="person:operator",
        verb="decide",
        arguments={"what": what, "options": ["done", "not-done"], "digest": shown, "meaning": "verified"},
    )


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


def _attempt(batch: Batch, step: str) -> int:
    record = batch.steps.get(step)
    return record.attempt + 1 if record else 1


def _draft(fact: BatchFinished | StepStarted | StepCompleted | StepInDoubt | StepResolved, at: Instant) -> Draft:
    return Draft(fact=fact, actor=RUNNER, happened_at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """The embedded shell: one process, asyncio. Holds no logic and no state of a batch."""

    ledger: Ledger
    door: Door
    clock: Clock
    observers: tuple[Observer, ...] = ()

    async def carry(self, batch: Batch) -> Batch:
        """Carry the batch to its end and return it. May be called again after a crash with the batch as folded."""
        batch = await self._recover(self._observe(batch))
        while not batch.ended:
            todo = advance(batch, self.clock.now())
            batch = self._append(batch, todo.drafts)
            if todo.command is not None:
                batch = await self._perform(batch, todo.command)
                batch = await self._recover(batch)
            elif todo.wake_at is not None:
                await self.clock.until(todo.wake_at)
            batch = self._observe(batch)
        return batch

    async def _perform(self, batch: Batch, command: Command) -> Batch:
        step = batch.running
        assert step is not None, "a command is sent for a step whose intent is written"
        try:
            outcome = await self.door.perform(command)
        except UnreachableError:
            return self._doubt(batch, step)
        return self._append(batch, _ended(batch, step, outcome))

    async def _recover(self, batch: Batch) -> Batch:
        """Settle the step that was started and has no outcome: read it back, or ask a person."""
        step = batch.running
        if step is None or step.verb == "hold":
            return batch
        if step.state == "running":
            batch = self._doubt(batch, step)
        for hours in RECALL_AFTER:
            await self.clock.until(after(self.clock.now(), hours))
            try:
                outcome = await self.door.recall(step.key)
            except UnreachableError:
                continue
            return self._append(batch, self._recalled(batch, step, outcome))
        asked = _what_happened(batch, step)
        return self._append(batch, settle_doubt(step, asked, await self.door.perform(asked)))

    def _recalled(self, batch: Batch, step: StepRecord, outcome: Outcome | None) -> Sequence[Draft]:
        if outcome is not None:
            return _ended(batch, step, outcome, recovered=True)
        reason = "the equipment has never seen the command"
        never = StepResolved(step=step.step, attempt=step.attempt, resolution="never-arrived", reason=reason)
        return [_draft(never, self.clock.now())]

    def _doubt(self, batch: Batch, step: StepRecord) -> Batch:
        doubt = StepInDoubt(step=step.step, attempt=step.attempt, key=step.key)
        return self._append(batch, [_draft(doubt, self.clock.now())])

    def _observe(self, batch: Batch) -> Batch:
        for observer in self.observers:
            batch = self._append(batch, observer(batch, self.clock.now()))
        return batch

    def _append(self, batch: Batch, drafts: Sequence[Draft]) -> Batch:
        for recorded in self.ledger.append(f"batch/{batch.number}", drafts, expected=batch.position):
            batch = apply(batch, recorded)
        return batch


def _ended(batch: Batch, step: StepRecord, outcome: Outcome, *, recovered: bool = False) -> Sequence[Draft]:
    if step.step.startswith(DECISION):
        return settle_decision(batch, step, outcome, recovered=recovered)
    planned = next_step(batch)
    assert planned is not None, "a running step is one the recipe asks for"
    assert planned.step == step.step, f"{step.step} runs but the recipe asks for {planned.step}"
    return settle(batch, planned, outcome, recovered=recovered)
