"""Story: one batch as seen from outside the platform: its entries as they are kept, and what was really done."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from cytoloop.adapters.faulty.equipment import Effect
from cytoloop.app.simulation.order import Order, order_of
from cytoloop.core.batch import Batch, apply, begin
from cytoloop.core.entry import Recorded
from cytoloop.core.facts.production import (
    ReadingsRecorded,
    StepCompleted,
    StepFailed,
    StepResolved,
    StepStarted,
)
from cytoloop.core.facts.quality import DeviationClosed
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Instant


@dataclass(slots=True)
class Story:
    """One batch: the batch as its kept entries add up to, and every effect in the world that was made in its name."""

    master: MasterRecipe
    number: str
    batch: Batch | None = None
    """None before its creation is kept."""
    effects: dict[str, list[Effect]] = field(default_factory=lambda: defaultdict(list))
    """Key -> what was done under it, in order."""
    intents: dict[str, StepStarted] = field(default_factory=dict)
    """Key -> the intent that stands in the record."""
    attempts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Step -> keys of its attempts, in order."""
    ended: set[str] = field(default_factory=set)
    """Keys whose end stands in the record."""
    repeated: set[str] = field(default_factory=set)
    """Keys of attempts after which a person decided that the step is done again."""
    readings: set[tuple[str, str, Instant]] = field(default_factory=set)
    """Source, signal and source time of every reading in the record."""
    retells: int = 0
    """Readings that the newest entry holds a second time."""
    looked: Callable[[str], bool] | None = None
    """Look at the equipment whether what a key began came to its end; None where each effect says so at once."""
    _order: Order | None = None

    @property
    def acts(self) -> int:
        """Effects there were in all."""
        return sum(len(done) for done in self.effects.values())

    def take(self, recorded: Recorded) -> Batch | None:
        """One more entry was kept; gives the batch as it was before."""
        before, fact = self.batch, recorded.fact
        if before is None:
            self.batch = begin(recorded, self.master)
        else:
            self.batch = apply(before, recorded)
        self.retells = 0
        match fact:
            case StepStarted():
                self.intents[fact.key] = fact
                self.attempts[fact.step].append(fact.key)
            case StepCompleted() | StepFailed() | StepResolved():
                self.ended.add(self.key_of(fact.step, fact.attempt))
            case DeviationClosed(decision="repeat" | "rework"):
                self._repeats(fact.deviation)
            case ReadingsRecorded():
                places = {(each.source, each.signal, each.at) for each in fact.readings}
                self.retells = len(fact.readings) - len(places - self.readings)
                self.readings |= places
            case _:
                pass
        return before

    def key_of(self, step: str, attempt: int) -> str:
        """The key under which this attempt of the step was commanded; "" when no intent of it stands."""
        keys = self.attempts.get(step, [])
        return next((key for key in reversed(keys) if self.intents[key].attempt == attempt), "")

    def done(self, key: str) -> int:
        """How often what the key commanded was really done."""
        effects = [each for each in self.effects.get(key, ()) if each.ok]
        if self.looked is None or not effects or effects[0].target.startswith("person:"):
            return len(effects)
        return len(effects) if self.looked(key) else 0

    def order(self, batch: Batch) -> Order:
        """The order of the batch's steps; worked out anew when a parameter was moved or a way taken."""
        known = self._order
        if known is None or known.parameters is not batch.parameters or known.ways is not batch.ways:
            known = self._order = order_of(batch)
        return known

    def _repeats(self, deviation: str) -> None:
        assert self.batch is not None, "a deviation is closed in a batch that exists"
        step = self.batch.deviations[deviation].opened.fact.step
        if step is not None:
            self.repeated.update(self.attempts.get(step, [])[-1:])


@dataclass(slots=True)
class Stories:
    """Every batch of a world."""

    master: MasterRecipe
    looked: Callable[[str], bool] | None = None
    by_number: dict[str, Story] = field(default_factory=dict)

    def of(self, number: str) -> Story:
        """The story of a batch, begun when it is not there."""
        found = self.by_number.get(number)
        if found is None:
            found = self.by_number[number] = Story(self.master, number, looked=self.looked)
        return found
