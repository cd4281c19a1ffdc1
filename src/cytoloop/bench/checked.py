"""Checked: readings held against what is expected of them and kept durably, as the historian does it for a batch."""

from collections import Counter
from collections.abc import Callable, Sequence

from cytoloop.adapters.intake import Intake, Taken, untold
from cytoloop.core.intake import Check
from cytoloop.core.telemetry import Readings, TelemetryStore

Expect = Callable[[Readings], Sequence[Check]]
"""What the tags of a batch are held against, asked once with its first block."""


def ranged(block: Readings) -> list[Check]:
    """A range, limits, a delay and a tolerance for every tag of the block; every reading is stored."""
    return [
        Check(tag=tag.name, unit=tag.unit, least=-1e9, most=1e9, low=-1e8, high=1e8, silence=10**9, armed=0,
              on_delay=10**7, tolerance=10**9)
        for tag in block.tags
    ]  # fmt: skip


class Keeper:
    """Takes blocks in: units, times, ranges, silence, alarms, dead-band; then writes them with what is remembered.

    A store that was not seen before begins anew.
    """

    def __init__(self, expect: Expect = ranged) -> None:
        self._expect = expect
        self._store: TelemetryStore | None = None
        self._intakes: dict[str, Intake] = {}
        self.checked = 0
        """Readings held against their checks."""
        self.moments: Counter[str] = Counter()
        """What they showed, by kind."""

    def __call__(self, store: TelemetryStore, blocks: Sequence[Readings]) -> int:
        """Check the blocks and keep them durably; how many readings were kept."""
        if store is not self._store:
            self._store, self._intakes = store, {}
        taken = [self.judge(block) for block in blocks]
        return self.write(store, taken, self.states(taken))

    def judge(self, block: Readings) -> Taken:
        """Hold the block against the checks of its batch."""
        intake = self._intakes.get(block.batch)
        if intake is None:
            intake = self._intakes[block.batch] = Intake(self._expect(block))
        taken = intake.take(block)
        self.checked += taken.checked
        self.moments.update(each.kind for each in taken.moments)
        return taken

    def states(self, taken: Sequence[Taken]) -> dict[str, bytes]:
        """What is remembered of their batches."""
        return {each.kept.batch: self._intakes[each.kept.batch].state() for each in taken}

    def write(self, store: TelemetryStore, taken: Sequence[Taken], states: dict[str, bytes]) -> int:
        """Keep what was judged, with what is remembered of it; then settle what came late."""
        kept = store.write([each.kept for each in taken], states).kept
        return kept + sum(self._settled(store, each.late) for each in taken if len(each.late))

    def _settled(self, store: TelemetryStore, late: Readings) -> int:
        intake = self._intakes[late.batch]
        at = memoryview(late.at).cast("B").cast("q").tolist()
        reach = max(intake.check(tag.name).heartbeat for tag in late.tags)
        stored = store.read(late.batch, min(at) - reach, max(at) + 1, [tag.name for tag in late.tags])
        return store.write([untold(late, stored, intake)[0]]).kept
