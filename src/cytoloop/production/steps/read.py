"""Read: take the unit's readings since the last time."""

from cytoloop.core.entry import Fact
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.facts.production import ReadingsRecorded
from cytoloop.core.recipe import Read
from cytoloop.production.walk import Planned


def command(planned: Planned, phase: Read, key: str) -> Command:
    """Ask the unit for the signals of the phase."""
    return Command(key=key, target=planned.equipment, verb="read", arguments={"signals": list(phase.signals)})


def facts(planned: Planned, outcome: Outcome) -> tuple[Fact, ...]:
    """The readings as one fact; none when the unit had nothing new."""
    if not outcome.readings:
        return ()
    return (ReadingsRecorded(step=planned.step, readings=outcome.readings),)
