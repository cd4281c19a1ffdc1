"""The runner: carries a batch through its recipe. `advance` decides and is pure; this shell acts and is thin.

Intent is written before acting. A crash leaves the step in doubt, visible; a read-back or a person resolves it and
nothing is ever blindly repeated. The position read guards every append, so a second worker is harmless. An open
deviation empties the list of next steps, so holding needs no special case. The clock is handed in.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from cytoloop.core.batch import Batch, StepRecord, apply
from cytoloop.core.entry import Draft, Fact, Recorded
from cytoloop.core.equipment import Command, Door, Outcome, UnreachableError
from cytoloop.core.errors import ConflictError, RefusedError
from cytoloop.core.facts.people import REFUSALS, ActRefused
from cytoloop.core.facts.production import (
    BatchAborted,
    BatchCarried,
    BatchFinished,
    BatchHeld,
    DeadlineMissed,
    StepBlocked,
    StepCompleted,
    StepFailed,
    StepInDoubt,
    StepResolved,
    StepStarted,
    WayTaken,
)
from cytoloop.core.time import Doing, Instant, Pace, after
from cytoloop.production.advance import MOST_ASKED, Advance, Fit, advance, always_fit, held, intent, what_happened
from cytoloop.production.journal import Direct, Journal
from cytoloop.production.own_steps import RUNNER
from cytoloop.production.replay import replay
from cytoloop.production.settle import DECISION, May, anybody, settle, settle_decision, settle_doubt
from cytoloop.production.walk import SAFE, Planned, next_steps, safe_steps
from cytoloop.record.ledger import Ledger

__all__ = ["RUNNER", "Advance", "Observer", "Runner", "advance", "intent"]

RECALL_AFTER = (0.0, 5 / 60, 0.5)
"""Hours to wait before each try to read a step in doubt back from unreachable equipment; then a person is asked."""
MOST_TRIES = 100
"""Times a refusal is kept again when others wrote into the stream of refusals first."""

OWN = (
    StepStarted, StepCompleted, StepFailed, StepInDoubt, StepResolved, StepBlocked, DeadlineMissed, WayTaken,
    BatchFinished, BatchHeld, BatchAborted, BatchCarried,
)  # fmt: skip
"""Facts that only who carries a batch enters; all others may come from people while it runs."""

Observer = Callable[[Batch, Instant], Sequence[Draft]]
"""Reads a batch and says what must be noted of it: a deviation, a forecast, a move. Pure, and quiet when asked
again about what it has already noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """The embedded shell: one process. Holds no logic and no state of a batch."""

    ledger: Ledger
    door: Door
    clock: Pace
    observers: tuple[Observer, ...] = ()
    may: May = anybody
    """Asks the table of rights about a person's signature."""
    fit: Fit = always_fit
    """Asks whether equipment and people are fit for a command."""
    journal: Journal | None = None
    """Where it writes what it decides; left out, straight into the ledger."""
    patience: float | None = None
    """Hours it waits for the batch's next moment; a later one it leaves to who calls again. None: any time."""
    release: str = ""
    """Version of the platform. A batch that another one carried goes on only when this one decides as that one did;
    left out, nobody asks."""
    look_every: float | None = None
    """Hours after which it looks what people entered, when it waits for longer. None: only when it wakes."""

    async def carry(self, batch: Batch) -> Batch:
        """Carry the batch until it ends, or waits for what this runner does not wait for, and return it.

        It is left unended when a person's answers were refused, when somebody ordered a hold, or when its next moment
        lies beyond `patience` (`advance` tells it). May be called again at any time with the batch as folded.
        """
        run = _Run(self, batch)
        try:
            return await run.carry()
        finally:
            run.cancel()


@dataclass(slots=True)
class _Landed:
    """What came back from a step that was underway."""

    step: str
    what: Literal["performed", "recalled", "asked"]
    outcome: Outcome | None = None
    """None: nobody can tell ("performed", "recalled" with `unknown`), or the command never arrived ("recalled")."""
    unknown: bool = False
    asked: Command | None = None


@dataclass(slots=True)
class _Run:
    """One call of `carry`: the batch as it stands, and what is in the air."""

    runner: Runner
    batch: Batch
    air: dict[str, Doing[_Landed]] = field(default_factory=dict)
    """Step -> what is awaited of it."""
    refused: dict[str, int] = field(default_factory=dict)
    """Step in doubt -> times that the answer about it was refused in this run."""

    # -- the loop -------------------------------------------------------------------------------------------------

    async def carry(self) -> Batch:
        before = self.batch.held
        if not await self._taken_over():
            return self.batch
        await self._observe()
        await self._recover()
        while not self.batch.ended and self.batch.held in (None, before):
            todo = advance(self.batch, self.runner.clock.now(), self.runner.fit)
            if not await self._decided(todo.drafts):
                self._grow()
            elif todo.commands:
                await self._send(todo)
            elif not todo.drafts and not await self._wait(todo.wake_at):
                break
            await self._observe()
        while self.air:
            await self._landing(None)
            await self._observe()
        return self.batch

    async def _taken_over(self) -> bool:
        """Whether this release may carry the batch: it decides all that was decided as it was decided."""
        release = self.runner.release
        if self.batch.ended or release in ("", self.batch.release):
            return True
        entries = list(self.runner.ledger.stream(f"batch/{self.batch.number}"))
        again = replay(entries[: self.batch.position], self.batch.master)
        if not again.differs:
            carried = BatchCarried(release=release, decisions=again.decisions)
            await self._append(_mine(carried, self.runner.clock.now()))
            return True
        older = self.batch.release or "an earlier release"
        reason = (
            f"begun by {older}, and release {release} would not decide the same: {again.differs}; run {older} for it"
        )
        if self.batch.held is None or self.batch.held.fact.reason != reason:
            await self._append(_mine(BatchHeld(step="", reason=reason), self.runner.clock.now()))
        return False

    def cancel(self) -> None:
        for doing in self.air.values():
            doing.cancel()

    async def _send(self, todo: Advance) -> None:
        """Send the commands whose intent is written. A single one is awaited here: nothing else can happen."""
        steps = {step.key: step.step for step in self.batch.underway}
        alone = len(todo.commands) == 1 and not self.air and todo.wake_at is None and self.runner.look_every is None
        if alone:
            (command,) = todo.commands
            await self._land(await self._perform(steps[command.key], command))
            return
        for command in todo.commands:
            self._begin(steps[command.key], self._perform(steps[command.key], command))

    async def _wait(self, wake_at: Instant | None) -> bool:
        """Wait for what comes first; False when there is nothing that this runner waits for."""
        now = self.runner.clock.now()
        if not self.air and (wake_at is None or self._too_late(wake_at, now)):
            return False
        if self.runner.look_every is not None:
            soon = after(now, self.runner.look_every)
            wake_at = soon if wake_at is None else min(wake_at, soon)
        await self._landing(wake_at)
        self._grow_if_grown()
        return True

    def _too_late(self, wake_at: Instant, now: Instant) -> bool:
        return self.runner.patience is not None and wake_at > after(now, self.runner.patience)

    async def _landing(self, wake_at: Instant | None) -> None:
        """Wait until something lands, or until `wake_at`; settle what has landed, in the order it was begun."""
        if self.air:
            await self.runner.clock.first(self.air.values(), wake_at)
        elif wake_at is not None:
            await self.runner.clock.until(wake_at)
        for step in [step for step, doing in self.air.items() if doing.done()]:
            await self._land(self.air.pop(step).result())

    def _begin(self, step: str, work: Coroutine[Any, Any, _Landed]) -> None:
        self.air[step] = self.runner.clock.begin(work)

    # -- what goes out --------------------------------------------------------------------------------------------

    async def _perform(self, step: str, command: Command) -> _Landed:
        try:
            return _Landed(step, "performed", await self.runner.door.perform(command))
        except UnreachableError:
            return _Landed(step, "performed")

    async def _recall(self, step: StepRecord) -> _Landed:
        """Read a step in doubt back."""
        clock = self.runner.clock
        for hours in RECALL_AFTER:
            await clock.until(after(clock.now(), hours))
            try:
                return _Landed(step.step, "recalled", await self.runner.door.recall(step.key))
            except UnreachableError:
                continue
        return _Landed(step.step, "recalled", unknown=True)

    async def _ask(self, asked: Command, step: str) -> _Landed:
        """Have a person say what became of the step in doubt."""
        return _Landed(step, "asked", await self.runner.door.perform(asked), asked=asked)

    async def _recover(self) -> None:
        """Steps that were started and have no outcome: read them back, or ask a person."""
        for step in self.batch.underway:
            if step.target == RUNNER:
                continue
            if step.state == "running":
                await self._doubt(step)
            self._begin(step.step, self._recall(self.batch.steps[step.step]))

    # -- what comes back ------------------------------------------------------------------------------------------

    async def _land(self, landed: _Landed) -> None:
        step = self.batch.steps[landed.step]
        match landed:
            case _Landed(what="performed", outcome=None):
                await self._doubt(step)
                self._begin(step.step, self._recall(self.batch.steps[step.step]))
            case _Landed(what="recalled", unknown=True):
                self._begin(step.step, self._ask(what_happened(self.batch, step), step.step))
            case _Landed(what="recalled", outcome=None):
                reason = "the equipment has never seen the command"
                await self._append(
                    _mine(
                        StepResolved(step=step.step, attempt=step.attempt, resolution="never-arrived", reason=reason),
                        self.runner.clock.now(),
                    )
                )
            case _Landed(outcome=Outcome() as outcome, asked=None):
                await self._settled(step, outcome, recovered=landed.what == "recalled")
            case _Landed(outcome=Outcome() as outcome, asked=Command() as asked):
                await self._answered(step, asked, outcome)

    async def _settled(self, step: StepRecord, outcome: Outcome, *, recovered: bool) -> None:
        # A unit's clock may be wrong: what it did ended after it was asked for and before it was heard of.
        outcome = replace(outcome, at=min(max(outcome.at, step.started_at), self.runner.clock.now()))
        try:
            drafts = self._ended(step, outcome, recovered=recovered)
        except RefusedError as why:
            act = "close-deviation" if step.step.startswith(DECISION) else "answer-step"
            await self._refuse(act, outcome.by, str(why))
            failed = StepFailed(step=step.step, attempt=step.attempt, reason=str(why), values={})
            drafts = _mine(failed, self.runner.clock.now())
        await self._append(drafts)

    def _ended(self, step: StepRecord, outcome: Outcome, *, recovered: bool) -> Sequence[Draft]:
        if step.step.startswith(DECISION):
            return settle_decision(self.batch, step, outcome, recovered=recovered, may=self.runner.may)
        return settle(self.batch, _planned(self.batch, step.step), outcome, recovered=recovered)

    async def _answered(self, step: StepRecord, asked: Command, outcome: Outcome) -> None:
        """What a person says became of a step in doubt; asked again while the answer is refused, then it holds."""
        try:
            drafts = settle_doubt(step, asked, outcome, may=self.runner.may)
        except RefusedError as why:
            await self._refuse("resolve-step", outcome.by, str(why))
            await self._doubt(step)
            times = self.refused[step.step] = self.refused.get(step.step, 0) + 1
            if times < MOST_ASKED:
                again = what_happened(self.batch, self.batch.steps[step.step])
                self._begin(step.step, self._ask(again, step.step))
                return
            drafts = _mine(held(step.step, str(why)), self.runner.clock.now())
        await self._append(drafts)

    async def _doubt(self, step: StepRecord) -> None:
        doubt = StepInDoubt(step=step.step, attempt=step.attempt, key=step.key)
        await self._append(_mine(doubt, self.runner.clock.now()))

    async def _refuse(self, act: str, by: str, reason: str) -> None:
        """Keep that an answer was refused, wherever the stream of refusals ends."""
        user = by.removeprefix("person:") if by.startswith("person:") else ""
        fact = ActRefused(act=act, subject=f"batch/{self.batch.number}", user=user, roles=(), reason=reason)
        for _ in range(MOST_TRIES):
            try:
                expected = self.runner.ledger.position(REFUSALS)
                await self._keep(REFUSALS, _mine(fact, self.runner.clock.now()), expected=expected)
            except ConflictError:
                continue
            return

    # -- writing --------------------------------------------------------------------------------------------------

    async def _observe(self) -> None:
        for observer in self.runner.observers:
            while not await self._decided(observer(self.batch, self.runner.clock.now())):
                self._grow()

    async def _append(self, drafts: Sequence[Draft]) -> None:
        """Write what happened, behind what people entered meanwhile."""
        while not await self._decided(drafts):
            self._grow()

    async def _decided(self, drafts: Sequence[Draft]) -> bool:
        """Write what was decided on the batch as it was read; False when it grew meanwhile: decide again."""
        if not drafts:
            return True
        try:
            kept = await self._keep(f"batch/{self.batch.number}", drafts, expected=self.batch.position)
        except ConflictError:
            return False
        for recorded in kept:
            self.batch = apply(self.batch, recorded)
        return True

    def _grow(self) -> None:
        """Take in what people entered beside the run; ConflictError when somebody else carries the batch."""
        if not self._grow_if_grown():
            raise self._carried_elsewhere()

    def _grow_if_grown(self) -> bool:
        stream = f"batch/{self.batch.number}"
        if self.runner.ledger.position(stream) == self.batch.position:
            return False
        entries = list(self.runner.ledger.stream(stream, self.batch.position))
        if any(isinstance(each.fact, OWN) for each in entries):
            raise self._carried_elsewhere()
        for recorded in entries:
            self.batch = apply(self.batch, recorded)
        return True

    def _carried_elsewhere(self) -> ConflictError:
        return ConflictError(
            f"batch {self.batch.number} is carried by somebody else too: this runner stops, read it again"
        )

    async def _keep(self, stream: str, drafts: Sequence[Draft], *, expected: int) -> tuple[Recorded, ...]:
        journal = self.runner.journal or Direct(self.runner.ledger)
        return await journal.append(stream, drafts, expected=expected)


def _planned(batch: Batch, step: str) -> Planned:
    """What the recipe asks for under the name of a step that is underway."""
    steps = safe_steps(batch) if step.startswith(SAFE) else next_steps(batch)
    planned = next((each for each in steps if each.step == step), None)
    assert planned is not None, f"{step} of batch {batch.number} runs and the recipe does not ask for it"
    return planned


def _mine(fact: Fact, at: Instant) -> list[Draft]:
    return [Draft(fact=fact, actor=RUNNER, happened_at=at)]
