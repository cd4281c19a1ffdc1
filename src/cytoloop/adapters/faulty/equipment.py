"""Equipment: every unit of a plant without its biology. It counts what it does, and fails by seeded dice.

What it did it did, whoever asks: its outcomes outlive the platform, and a key seen before gets its first outcome.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from cytoloop.adapters.faulty.dice import Dice
from cytoloop.adapters.faulty.faults import Rates
from cytoloop.adapters.faulty.network import SLOT, Note
from cytoloop.adapters.faulty.telemetry import FaultyReadings
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.json import JSON
from cytoloop.core.product import Plant, Product
from cytoloop.core.reading import Reading
from cytoloop.core.time import Clock, Instant, after

HOURS: Mapping[str, float] = {"scan": 0.05, "set": 0.0, "read": 0.0, "program": 2.0, "sample": 3.0}
"""How long each verb takes. A program on shared equipment waits for the one before it."""
ONE_BATCH = "bioreactor"
"""The class whose units hold one batch's material from its seeding to its harvest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Something that was done to the world: by equipment, or by a person."""

    key: str
    target: str
    verb: str
    at: Instant
    """True time of the world, whatever the equipment's clock said."""
    coi: str | None = None
    """The material the command named."""
    material: str | None = None
    """The material that was really there; None where there was none."""
    ok: bool = True


Told = Callable[[Effect], None]


@dataclass(slots=True, kw_only=True)
class CountedEquipment:
    """The equipment of a plant: a Door of which every effect is told."""

    plant: Plant
    product: Product
    clock: Clock
    dice: Dice
    rates: Rates
    begins: Instant
    readings: FaultyReadings
    told: Told = field(default=lambda _: None)
    note: Note = field(default=lambda _kind, _what: None)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    at_hand: dict[str, str] = field(default_factory=dict)
    """Chain of identity of a batch -> whose bag really lies at its place; left out: its own."""
    holds: dict[str, str] = field(default_factory=dict)
    """Unit -> whose culture is in it."""
    ends: dict[str, Instant] = field(default_factory=dict)
    """Key -> when its work ends, in true time."""
    refused: set[str] = field(default_factory=set)
    """Keys that were asked about before they came."""
    _free_at: dict[str, Instant] = field(default_factory=dict)
    _read_at: dict[str, Instant] = field(default_factory=dict)
    _classes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in self.plant.classes:
            for number in range(1, each.count + 1):
                self._classes[f"{each.equipment_class.replace('_', '-')}-{number:02d}"] = each.equipment_class

    # -- the door ----------------------------------------------------------------------------------------------------

    async def perform(self, command: Command) -> Outcome:
        if command.key in self.refused:
            return _too_late(command, self.clock.now())
        if command.key not in self.outcomes:
            self.act(command)
        return await self._ended(command.key)

    async def recall(self, key: str) -> Outcome | None:
        """What became of the key. One that never came is refused should it come later: None is the last word."""
        if key in self.outcomes:
            return await self._ended(key)
        self.refused.add(key)
        return None

    def worked(self, key: str) -> bool:
        """Whether a person who looks sees that this was done."""
        return key in self.outcomes and self.outcomes[key].ok

    def clear(self, coi: str) -> None:
        """People empty the unit that holds what is left of an aborted batch."""
        self.holds = {unit: whose for unit, whose in self.holds.items() if whose != coi}

    async def _ended(self, key: str) -> Outcome:
        await self.clock.until(self.ends[key])
        return self.outcomes[key]

    # -- what it does ------------------------------------------------------------------------------------------------

    def act(self, command: Command) -> None:
        """Do it: the outcome is settled now and is there when the work has ended."""
        now, unit = self.clock.now(), command.target
        fails = self._fails(command)
        end = self._end(command, now)
        named = command.arguments.get("coi")
        coi = named if isinstance(named, str) else None
        material = self._material(command, coi)
        outcome = Outcome(key=command.key, ok=fails is None, at=self._said(unit, end), by=f"equipment:{unit}",
                          note=fails or "")  # fmt: skip
        if fails is None:
            outcome = self._done(command, outcome, material)
        self.outcomes[command.key], self.ends[command.key] = outcome, end
        self.told(
            Effect(key=command.key, target=unit, verb=command.verb, at=now, coi=coi, material=material,
                   ok=fails is None)
        )  # fmt: skip

    def _fails(self, command: Command) -> str | None:
        if command.target not in self._classes:
            return f"there is no {command.target} in this facility"
        rate = self.rates.get("program-fails", 0.0)
        if rate and self.dice.draw("program-fails", command.key) < rate:
            self.note("program-fails", command.key)
            return "it stopped with an alarm before its end; the material is unharmed"
        return None

    def _end(self, command: Command, now: Instant) -> Instant:
        unit, hours = command.target, HOURS.get(command.verb, 0.0)
        if command.verb != "program":
            return after(now, hours)
        end = after(max(now, self._free_at.get(unit, now)), hours)
        if self._classes.get(unit) != ONE_BATCH:
            self._free_at[unit] = end
        return end

    def _material(self, command: Command, coi: str | None) -> str | None:
        """Whose material the command really meets."""
        source = command.arguments.get("from", command.target)
        held = self.holds.get(str(source))
        if held is not None:
            return held
        return self.at_hand.get(coi, coi) if coi is not None else None

    def _done(self, command: Command, outcome: Outcome, material: str | None) -> Outcome:
        match command.verb:
            case "program":
                return replace(outcome, values=self._program(command, material))
            case "sample":
                return replace(outcome, values={"results": self._results(command, material)})
            case "read":
                return replace(outcome, readings=self._read(command, material))
            case "set":
                return replace(outcome, values=dict(command.arguments))
            case _:
                return outcome

    def _program(self, command: Command, material: str | None) -> dict[str, JSON]:
        unit, program = command.target, command.arguments.get("program")
        if program == "seed" and material is not None:
            self.holds[unit] = material
        if program in ("wash_and_harvest", "discard"):
            self.holds = {where: whose for where, whose in self.holds.items() if whose != material}
        return {"ended": str(program)}

    def _results(self, command: Command, material: str | None) -> dict[str, JSON]:
        """Every attribute near the middle of its limits; one beyond them when the batch's pump stood still."""
        plan = self.product.sampling[str(command.arguments["plan"])]
        limits = {each.attribute: each for each in self.product.at(plan.stage)}
        stuck = self._met("stuck-pump", material) and plan.stage != "incoming"
        results: dict[str, JSON] = {}
        for attribute in plan.attributes:
            each = limits[attribute]
            times = 70.0 if each.per_kg else 1.0
            low = 0.0 if each.low is None else each.low * times
            high = (2.0 * low or 1.0) if each.high is None else each.high * times
            value = low + (high - low) * self.dice.between(0.4, 0.6, "result", command.key, attribute)
            if stuck and each.low is not None:
                self.note("stuck-pump", f"{attribute} in {command.key}")
                stuck, value = False, 0.9 * low
            results[attribute] = {"value": value, "unit": each.unit, "method": each.method}
        return results

    def _read(self, command: Command, material: str | None) -> tuple[Reading, ...]:
        unit, now = command.target, self.clock.now()
        if self._read_at.get(f"{unit}/{material}") == now:
            return ()  # nothing new since the last time
        self._read_at[f"{unit}/{material}"] = now
        kind = next(each for each in self.plant.classes if each.equipment_class == self._classes[unit])
        asked = command.arguments.get("signals")
        signals = [str(signal) for signal in asked] if isinstance(asked, list) else []
        at, drifts = self._said(unit, now), self._drifts(command, material, now)
        alarms = {alarm.signal: alarm for alarm in kind.alarms}
        found = []
        for signal in signals:
            alarm = alarms.get(signal)
            value = 1.0 if alarm is None else (alarm.high * 1.05 if drifts else (alarm.low + alarm.high) / 2)
            drifts = drifts and alarm is None
            found.append(Reading(signal=signal, value=value, unit=kind.signals[signal], at=at, source=unit))
        return self.readings.passed(command.key, f"{unit}/{material}", tuple(found))

    def _drifts(self, command: Command, material: str | None, now: Instant) -> bool:
        """Whether a probe on this material reads beyond its limits by now."""
        if not self._met("sensor-drift", material):
            return False
        begins = self.begins + timedelta(hours=60 + 240 * self.dice.draw("drift begins", material))
        if now >= begins:
            self.note("sensor-drift", command.key)
        return now >= begins

    def _met(self, kind: str, material: str | None) -> bool:
        rate = self.rates.get(kind, 0.0)
        return rate > 0 and material is not None and self.dice.draw(kind, material) < rate

    def _said(self, unit: str, at: Instant) -> Instant:
        """What the unit's own clock says at this moment."""
        rate = self.rates.get("clock-stepped", 0.0)
        if not rate:
            return at
        slot = (at - self.begins) // SLOT
        if self.dice.draw("clock-stepped", unit, slot) >= rate:
            return at
        self.note("clock-stepped", f"{unit} at {at:%m-%d %H:%M}")
        return at + timedelta(hours=self.dice.between(-3.0, 3.0, "clock by", unit, slot))


def _too_late(command: Command, now: Instant) -> Outcome:
    """What who sends a command after it was asked about is told: nothing was done."""
    note = "it came after it had been said never to have come"
    return Outcome(key=command.key, ok=False, at=now, by=f"equipment:{command.target}", note=note)
