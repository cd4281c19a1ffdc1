"""The runner: carries a batch through its recipe. `advance` decides and is pure; `carry` acts and is thin.

Intent is written before acting. A crash leaves the step in doubt, visible; a read-back or a person resolves it and
nothing is ever blindly repeated. The position read guards every append, so a second worker is harmless. An open
deviation empties the list of next steps, so holding needs no special case. The clock is handed in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cytoloop.core.batch import Batch, StepRecord, apply
from cytoloop.core.entry import Draft, Recorded
from cytoloop.core.equipment import Command, Door, Outcome, UnreachableError
from cytoloop.core.errors import ConflictError, RefusedError
from cytoloop.core.facts.people import REFUSALS, ActRefused
from cytoloop.core.facts.production import (
    BatchFinished,
    BatchHeld,
    StepCompleted,
    StepFailed,
    StepInDoubt,
    StepResolved,
    StepStarted,
    ValueCorrected,
)
from cytoloop.core.facts.quality import DeviationOpened
from cytoloop.core.facts.record import BundleExported
from cytoloop.core.json import JSON, digest
from cytoloop.core.recipe import Hold
from cytoloop.core.time import Clock, Instant, after
from cytoloop.production.asking import what_happened
from cytoloop.production.journal import Direct, Journal
from cytoloop.production.settle import DECISION, May, anybody, settle, settle_decision, settle_doubt
from cytoloop.production.steps import command_of
from cytoloop.production.walk import Planned, next_step
from cytoloop.record.ledger import Ledger

RUNNER = "system:runner"
RECALL_AFTER = (0.0, 5 / 60, 0.5)
"""Hours to wait before each try to read a step in doubt back from unreachable equipment; then a person is asked."""
MOST_ASKED = 3
"""Times a person is asked when what comes back is refused (not signed as shown, not their right); then it holds."""
MOST_TRIES = 100
"""Times a refusal is kept again when others wrote into the stream of refusals first."""

BESIDE = (ValueCorrected, DeviationOpened, BundleExported)
"""Facts that people enter into a batch's stream while production runs."""

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
    before = batch.steps.get(step)
    if before is not None and before.attempt % MOST_ASKED == 0 and batch.held is None:
        return Advance(drafts=(_draft(_held(step, before.reason), now),))
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


def _held(step: str, reason: str) -> BatchHeld:
    return BatchHeld(step=step, reason=f"{MOST_ASKED} answers were refused, the last because {reason}")


def _attempt(batch: Batch, step: str) -> int:
    record = batch.steps.get(step)
    return record.attempt + 1 if record else 1


def _draft(
    fact: BatchFinished | BatchHeld | StepStarted | StepCompleted | StepFailed | StepInDoubt | StepResolved, at: Instant
) -> Draft:
    return Draft(fact=fact, actor=RUNNER, happened_at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """The embedded shell: one process, asyncio. Holds no logic and no state of a batch."""

    ledger: Ledger
    door: Door
    clock: Clock
    observers: tuple[Observer, ...] = ()
    may: May = anybody
    """Asks the table of rights about a person's signature."""
    journal: Journal | None = None
    """Where it writes what it decides; left out, straight into the ledger."""

    async def carry(self, batch: Batch) -> Batch:
        """Carry the batch to its end, or until it is held because a person's answers were refused, and return it.

        May be called again after a crash, or for a held batch, with the batch as folded.
        """
        before = batch.held
        batch = await self._recover(await self._observe(batch))
        while not batch.ended and batch.held in (None, before):
            todo = advance(batch, self.clock.now())
            begun = await self._decided(batch, todo.drafts)
            if begun is None:
                batch = await self._observe(self._grown(batch))
                continue
            batch = begun
            if todo.command is not None:
                batch = await self._perform(batch, todo.command)
                batch = await self._recover(batch)
            elif todo.wake_at is not None:
                await self.clock.until(todo.wake_at)
            batch = await self._observe(batch)
        return batch

    async def _perform(self, batch: Batch, command: Command) -> Batch:
        step = batch.running
        assert step is not None, "a command is sent for a step whose intent is written"
        try:
            outcome = await self.door.perform(command)
        except UnreachableError:
            return await self._doubt(batch, step)
        return await self._settled(batch, step, outcome)

    async def _settled(self, batch: Batch, step: StepRecord, outcome: Outcome, *, recovered: bool = False) -> Batch:
        try:
            return await self._append(batch, _ended(batch, step, outcome, self.may, recovered=recovered))
        except RefusedError as why:
            await self._refused(batch, "close-deviation", outcome.by, str(why))
            failed = StepFailed(step=step.step, attempt=step.attempt, reason=str(why), values={})
            return await self._append(batch, [_draft(failed, self.clock.now())])

    async def _recover(self, batch: Batch) -> Batch:
        """Settle the step that was started and has no outcome: read it back, or ask a person."""
        step = batch.running
        if step is None or step.verb == "hold":
            return batch
        if step.state == "running":
            batch = await self._doubt(batch, step)
        for hours in RECALL_AFTER:
            await self.clock.until(after(self.clock.now(), hours))
            try:
                outcome = await self.door.recall(step.key)
            except UnreachableError:
                continue
            return await self._recalled(batch, step, outcome)
        return await self._asked(batch, step.step)

    async def _asked(self, batch: Batch, name: str) -> Batch:
        """Have a person say what became of the step in doubt, again while the answer is refused; then it holds."""
        for _ in range(MOST_ASKED):
            step = batch.steps[name]
            asked = what_happened(batch, step)
            outcome = await self.door.perform(asked)
            try:
                return await self._append(batch, settle_doubt(step, asked, outcome, may=self.may))
            except RefusedError as why:
                reason = str(why)
                await self._refused(batch, "resolve-step", outcome.by, reason)
                batch = await self._doubt(batch, step)
        return await self._append(batch, [_draft(_held(name, reason), self.clock.now())])

    async def _recalled(self, batch: Batch, step: StepRecord, outcome: Outcome | None) -> Batch:
        if outcome is not None:
            return await self._settled(batch, step, outcome, recovered=True)
        reason = "the equipment has never seen the command"
        never = StepResolved(step=step.step, attempt=step.attempt, resolution="never-arrived", reason=reason)
        return await self._append(batch, [_draft(never, self.clock.now())])

    async def _refused(self, batch: Batch, act: str, by: str, reason: str) -> None:
        """Keep that an answer was refused, wherever the stream of refusals ends."""
        user = by.removeprefix("person:") if by.startswith("person:") else ""
        fact = ActRefused(act=act, subject=f"batch/{batch.number}", user=user, roles=(), reason=reason)
        draft = Draft(fact=fact, actor=RUNNER, happened_at=self.clock.now())
        for _ in range(MOST_TRIES):
            try:
                await self._keep(REFUSALS, [draft], expected=self.ledger.position(REFUSALS))
            except ConflictError:
                continue
            return

    async def _doubt(self, batch: Batch, step: StepRecord) -> Batch:
        doubt = StepInDoubt(step=step.step, attempt=step.attempt, key=step.key)
        return await self._append(batch, [_draft(doubt, self.clock.now())])

    async def _observe(self, batch: Batch) -> Batch:
        for observer in self.observers:
            while (noted := await self._decided(batch, observer(batch, self.clock.now()))) is None:
                batch = self._grown(batch)
            batch = noted
        return batch

    async def _decided(self, batch: Batch, drafts: Sequence[Draft]) -> Batch | None:
        """Write what was decided on the batch as it was read; None when it grew meanwhile: decide again."""
        try:
            for recorded in await self._keep(f"batch/{batch.number}", drafts, expected=batch.position):
                batch = apply(batch, recorded)
        except ConflictError:
            return None
        return batch

    async def _append(self, batch: Batch, drafts: Sequence[Draft]) -> Batch:
        """Write what happened, behind what people entered meanwhile."""
        while (written := await self._decided(batch, drafts)) is None:
            batch = self._grown(batch)
        return written

    def _grown(self, batch: Batch) -> Batch:
        """The batch with what people entered beside the run; ConflictError when somebody else carries it."""
        entries = list(self.ledger.stream(f"batch/{batch.number}", batch.position))
        if not entries or not all(isinstance(each.fact, BESIDE) for each in entries):
            raise ConflictError(
                f"batch {batch.number} is carried by somebody else too: this runner stops, read it again"
            )
        for recorded in entries:
            batch = apply(batch, recorded)
        return batch

    async def _keep(self, stream: str, drafts: Sequence[Draft], *, expected: int) -> tuple[Recorded, ...]:
        return await (self.journal or Direct(self.ledger)).append(stream, drafts, expected=expected)


def _ended(batch: Batch, step: StepRecord, outcome: Outcome, may: May, *, recovered: bool = False) -> Sequence[Draft]:
    if step.step.startswith(DECISION):
        return settle_decision(step, outcome, recovered=recovered, may=may)
    planned = next_step(batch)
    assert planned is not None, "a running step is one the recipe asks for"
    assert planned.step == step.step, f"{step.step} runs but the recipe asks for {planned.step}"
    return settle(batch, planned, outcome, recovered=recovered)
