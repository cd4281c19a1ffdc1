"""Telemetry: what becomes of readings on their way: some come again, some come later and out of order."""

from dataclasses import dataclass, field

from cytoloop.adapters.faulty.dice import Dice
from cytoloop.adapters.faulty.faults import Rates, some
from cytoloop.adapters.faulty.network import Note
from cytoloop.core.reading import Reading


@dataclass(slots=True, kw_only=True)
class FaultyReadings:
    """The readings of each material in each unit, as they come out at the platform's end."""

    dice: Dice
    rates: Rates
    note: Note = field(default=lambda _kind, _what: None)
    _given: dict[str, tuple[Reading, ...]] = field(default_factory=dict)
    _withheld: dict[str, tuple[Reading, ...]] = field(default_factory=dict)
    _odds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._odds = some(self.rates, "duplicated-telemetry", "late-telemetry")

    def passed(self, key: str, source: str, readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
        """What arrives of `readings`, which the command `key` asked `source` (a unit and what is in it) for."""
        if not readings:
            return readings
        whole = (*readings, *self._withheld.pop(source, ()))
        before, self._given[source] = self._given.get(source, ()), readings
        match self.dice.pick(self._odds, "readings", key):
            case "duplicated-telemetry":
                self.note("duplicated-telemetry", key)
                return (*whole, *before, *readings)
            case "late-telemetry":
                self.note("late-telemetry", key)
                half = len(whole) // 2
                self._withheld[source] = whole[:half]
                return whole[half:]
            case _:
                return whole
