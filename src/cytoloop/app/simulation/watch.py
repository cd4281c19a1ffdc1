"""Watch: follows a world from outside, entry by entry and effect by effect, and holds it to the invariants."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cytoloop.adapters.faulty.equipment import Effect
from cytoloop.app.simulation import at_the_end, invariants
from cytoloop.app.simulation.story import Stories
from cytoloop.core.batch import Batch, fold
from cytoloop.core.entry import Recorded
from cytoloop.core.facts.clinic import ProductAdministered
from cytoloop.core.store import Store
from cytoloop.core.time import Clock
from cytoloop.record.codec import Codec
from cytoloop.record.group import Answer, Request
from cytoloop.record.ledger import Ledger
from cytoloop.record.rows import entry_of, sound_entry_of

BATCH = "batch/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """An invariant that did not hold."""

    invariant: str
    batch: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}" + (f" (batch {self.batch})" if self.batch else "")


@dataclass(slots=True, kw_only=True)
class Watch:
    """What is seen of a world. `violated` is told of the first invariant that does not hold."""

    store: Store
    codec: Codec
    stories: Stories
    clock: Clock
    violated: Callable[[Violation], None]
    trace: Callable[[str], None] | None = None
    acknowledged: dict[int, bytes] = field(default_factory=dict)
    """Sequence -> leaf hash of every entry that was said to be kept."""
    seen: int = 0
    """Entries of the record that were looked at."""
    faults: Counter[str] = field(default_factory=Counter)

    # -- what happens ------------------------------------------------------------------------------------------------

    def effect(self, effect: Effect) -> None:
        """Something was done in the world."""
        self.catch_up()
        story = self.stories.of(effect.key.partition("/")[0])
        story.effects[effect.key].append(effect)
        if self.trace is not None:
            self.trace(f"effect  {effect.target} {effect.verb} {effect.key}{'' if effect.ok else ' (not done)'}")
        for invariant in invariants.AT_EVERY_EFFECT:
            self._judge(invariant.__name__, story.number, invariant(story, effect))

    def acknowledge(self, answer: Sequence[Recorded]) -> None:
        """These entries were acknowledged to whoever asked for them."""
        for each in answer:
            sequence = each.entry.sequence
            if sequence > self.seen:
                self.catch_up()
            if sequence == self.seen:
                self._look(each)
            self.acknowledged[sequence] = self.leaf_of(sequence)

    def catch_up(self) -> None:
        """Look at what was kept and never acknowledged: whoever asked for it died."""
        for row in self.store.rows(self.seen):
            self._look(self.codec.decode(entry_of(row)))

    def leaf_of(self, sequence: int) -> bytes:
        """The leaf hash of an entry as it is kept now; nothing when it is not there."""
        return next((row.leaf_hash for row in self.store.rows(sequence, sequence + 1)), b"")

    def fault(self, kind: str, what: str) -> None:
        """A fault was injected."""
        self.faults[kind] += 1
        if self.trace is not None:
            self.trace(f"FAULT   {kind}: {what}")

    def said(self, what: str) -> None:
        """Something of note, for the trace."""
        if self.trace is not None:
            self.trace(what)

    def violate(self, invariant: str, what: str, batch: str = "") -> None:
        """An invariant does not hold."""
        self._judge(invariant, batch, what)

    # -- judging -----------------------------------------------------------------------------------------------------

    def _look(self, recorded: Recorded) -> None:
        self.seen += 1
        entry = recorded.entry
        if self.trace is not None:
            step = getattr(recorded.fact, "step", None) or getattr(recorded.fact, "deviation", "")
            self.trace(
                f"entry   {entry.sequence} {entry.stream}[{entry.position}] {entry.name} {step} by {entry.actor}"
            )
        if isinstance(recorded.fact, ProductAdministered):
            story = self.stories.of(recorded.fact.batch)
            self._judge("the_right_patient", story.number, at_the_end.the_right_patient(story, recorded.fact))
        if not entry.stream.startswith(BATCH):
            return
        story = self.stories.of(entry.stream.removeprefix(BATCH))
        before = story.take(recorded)
        if before is None:
            return
        for invariant in invariants.AFTER_EVERY_ENTRY:
            self._judge(invariant.__name__, story.number, invariant(story, before, recorded))

    def _judge(self, invariant: str, batch: str, what: str | None) -> None:
        if what is not None:
            violation = Violation(invariant=invariant, batch=batch, what=what)
            if self.trace is not None:
                self.trace(f"VIOLATED {violation}")
            self.violated(violation)

    # -- looking back ------------------------------------------------------------------------------------------------

    def folded(self, again: Batch) -> None:
        """The platform folded a batch from the record."""
        self.catch_up()
        story = self.stories.of(again.number)
        if story.batch is None or again.position == story.batch.position:
            self._judge("same_fold", again.number, at_the_end.same_fold(story, again))

    def conclude(self, *, replay: bool = True) -> None:
        """Everything that is asked of a world once it has ended."""
        self.catch_up()
        self._judge("nothing_lost", "", at_the_end.nothing_lost(self.acknowledged, self.store))
        self._judge("record_is_sound", "", at_the_end.record_is_sound(self.store))
        for story in self.stories.by_number.values():
            for invariant in invariants.AT_THE_END:
                self._judge(invariant.__name__, story.number, invariant(story))
            if replay and story.batch is not None:
                self._read_again(story.number)

    def _read_again(self, number: str) -> None:
        """Fold the batch from its bytes, and make each decision of the runner again."""
        history = [self.codec.decode(sound_entry_of(row)) for row in self.store.stream(f"{BATCH}{number}")]
        self.folded(fold(history, self.stories.master))
        self._judge("decides_again", number, at_the_end.decides_again(history, self.stories.master))


class WatchedLedger(Ledger):
    """A ledger whose acknowledged entries are told."""

    def __init__(self, store: Store, clock: Clock, codec: Codec, watch: Watch) -> None:
        super().__init__(store, clock, codec)
        self._watch = watch

    def append_all(self, requests: Sequence[Request]) -> list[Answer]:
        answers = super().append_all(requests)
        for answer in answers:
            if not isinstance(answer, Exception):
                self._watch.acknowledge(answer)
        return answers
