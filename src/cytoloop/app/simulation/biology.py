"""Biology: the simulated facility with its cells, in the place of the light equipment: every effect is told."""

from dataclasses import dataclass, field, replace

from cytoloop.adapters.faulty.equipment import Effect, Told
from cytoloop.adapters.faulty.faults import Rates
from cytoloop.adapters.faulty.network import Note
from cytoloop.adapters.faulty.telemetry import FaultyReadings
from cytoloop.adapters.plant.facility import Facility
from cytoloop.adapters.plant.faults import Faults
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.time import Clock


def faults_of(rates: Rates) -> Faults:
    """The facility's own faults at these rates."""
    return Faults(
        temperature_excursion=rates.get("sensor-drift", 0.0),
        ph_drift=rates.get("sensor-drift", 0.0),
        glucose_stuck=rates.get("sensor-drift", 0.0),
        pump_slip=rates.get("stuck-pump", 0.0),
        program_failure=rates.get("program-fails", 0.0),
        wrong_label=0.0,  # who fetches a bag is among the people here
        contamination=0.006 if rates else 0.0,
    )


@dataclass(slots=True, kw_only=True)
class CountedFacility:
    """The facility as a door. What it did outlives the platform; a key that was asked about too early is void."""

    facility: Facility
    clock: Clock
    readings: FaultyReadings
    told: Told
    note: Note = field(default=lambda _kind, _what: None)
    at_hand: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    _given: dict[str, Outcome] = field(default_factory=dict)

    @property
    def holds(self) -> dict[str, str]:
        """Unit -> whose culture is in it."""
        return {unit: vessel.coi for unit, vessel in self.facility.vessels.items() if vessel.coi is not None}

    async def perform(self, command: Command) -> Outcome:
        if command.key in self.refused:
            return Outcome(key=command.key, ok=False, at=self.clock.now(), by=f"equipment:{command.target}",
                           note="it came after it had been said never to have come")  # fmt: skip
        if not self.facility.seen(command.key):
            material = self._material(command)
            self.facility.submit(command)
            self.told(self._effect(command, material))
        return self._passed(command.target, await self.facility.perform(command))

    async def recall(self, key: str) -> Outcome | None:
        if not self.facility.seen(key):
            self.refused.add(key)
            return None
        outcome = await self.facility.recall(key)
        assert outcome is not None, "it was seen"
        return self._passed(outcome.by.removeprefix("equipment:"), outcome)

    def worked(self, key: str) -> bool:
        """Whether a person who looks sees that this was done, or is being done."""
        outcome = self.facility.outcome(key)
        return self.facility.seen(key) and (outcome is None or outcome.ok)

    def clear(self, coi: str) -> None:
        """People empty the unit that holds what is left of an aborted batch."""
        for vessel in self.facility.vessels.values():
            if vessel.coi == coi:
                vessel.empty()

    def _effect(self, command: Command, material: str | None) -> Effect:
        named = command.arguments.get("coi")
        return Effect(
            key=command.key, target=command.target, verb=command.verb, at=self.clock.now(),
            coi=named if isinstance(named, str) else None, material=material, ok=self.worked(command.key),
        )  # fmt: skip

    def _material(self, command: Command) -> str | None:
        source = str(command.arguments.get("from", command.target))
        named = command.arguments.get("coi")
        held = self.holds.get(source)
        return held or (self.at_hand.get(named, named) if isinstance(named, str) else None)

    def _passed(self, unit: str, outcome: Outcome) -> Outcome:
        """The outcome as it comes out of the network, the same each time it is asked for."""
        if outcome.key not in self._given:
            source = f"{unit}/{self.holds.get(unit)}"
            readings = self.readings.passed(outcome.key, source, outcome.readings)
            self._given[outcome.key] = replace(outcome, readings=readings)
        return self._given[outcome.key]
