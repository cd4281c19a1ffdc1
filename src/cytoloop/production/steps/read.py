"""Read: take the unit's readings since the last time."""

from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.facts.production import ReadingsRecorded
from cytoloop.core.reading import Reading
from cytoloop.core.recipe import Read
from cytoloop.core.time import Instant
from cytoloop.production.walk import Planned


def command(planned: Planned, phase: Read, key: str) -> Command:
    """Ask the unit for the signals of the phase."""
    return Command(key=key, target=planned.equipment, verb="read", arguments={"signals": list(phase.signals)})


def facts(batch: Batch, planned: Planned, outcome: Outcome) -> tuple[Fact, ...]:
    """The readings as one fact, those left out that the batch has already; none when the unit had nothing new."""
    times = {reading.at for reading in outcome.readings}
    have = (reading for told in batch.readings for reading in told.fact.readings if reading.at in times)
    known, new = {_place(reading) for reading in have}, dict[tuple[str, str, Instant], Reading]()
    for reading in outcome.readings:
        if _place(reading) not in known:
            new.setdefault(_place(reading), reading)
    return (ReadingsRecorded(step=planned.step, readings=tuple(new.values())),) if new else ()


def _place(reading: Reading) -> tuple[str, str, Instant]:
    """What names a reading: it stands in the record once, however often the network brings it."""
    return reading.source, reading.signal, reading.at
