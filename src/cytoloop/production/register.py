"""Register: equipment, its use and who is qualified for it, as the record tells. What entries add up to. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from cytoloop.core.entry import Recorded
from cytoloop.core.facts.equipment import (
    EquipmentCalibrated,
    EquipmentCleaned,
    EquipmentRegistered,
    EquipmentReturnedToService,
    EquipmentTakenOutOfService,
    PersonQualified,
    QualificationWithdrawn,
)
from cytoloop.core.facts.production import StepStarted
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant

BATCH = "batch/"
NO_EQUIPMENT = ("person:", "system:")
"""Beginnings of targets that are none."""


@dataclass(frozen=True, slots=True)
class Use:
    """When a batch last used a unit, and who used it last before that batch."""

    batch: str
    at: Instant
    other: "Use | None" = None
    """The last use by another batch than this one; nothing older is needed."""

    def by_other_than(self, batch: str) -> "Use | None":
        """The last use by a batch that is not `batch`."""
        return self if self.batch != batch else self.other


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit of equipment, as its stream tells."""

    registered: EquipmentRegistered
    position: int
    """Where its stream ends."""
    calibrated: EquipmentCalibrated | None = None
    cleaned: EquipmentCleaned | None = None
    cleaned_at: Instant | None = None
    out_of_service: EquipmentTakenOutOfService | None = None
    out_since: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Every registered unit, when batches used it, and every qualification."""

    units: Mapping[str, Unit] = field(default_factory=dict, hash=False)
    used: Mapping[str, Use] = field(default_factory=dict, hash=False)
    """Equipment id -> its last use, whether or not it is registered."""
    qualified: Mapping[tuple[str, str], PersonQualified] = field(default_factory=dict, hash=False)
    """(user id, subject) -> the qualification said last, whether or not it still holds."""
    subjects: frozenset[str] = frozenset()
    """What anybody was ever qualified for: from then on everybody must be."""


def fold(register: Register, entries: Iterable[Recorded]) -> Register:
    """The register after these entries, in order of the record."""
    for recorded in entries:
        register = _after(register, recorded)
    return register


def touched(target: str, verb: str, arguments: Mapping[str, JSON]) -> tuple[str, ...]:
    """The units that a command works on: its target, and where a person adds or brings something to."""
    units = [] if target.startswith(NO_EQUIPMENT) else [target]
    if verb in ("add", "transfer") and isinstance(arguments.get("to"), str):
        units.append(str(arguments["to"]))
    return tuple(units)


def _after(register: Register, recorded: Recorded) -> Register:
    stream, at = recorded.entry.stream, recorded.entry.happened_at
    match recorded.fact:
        case StepStarted() as fact if stream.startswith(BATCH):
            for unit in touched(fact.target, fact.verb, fact.arguments):
                register = _used(register, unit, stream.removeprefix(BATCH), at)
            return register
        case PersonQualified() as fact:
            qualified = {**register.qualified, (fact.user, fact.subject): fact}
            return replace(register, qualified=qualified, subjects=register.subjects | {fact.subject})
        case QualificationWithdrawn() as fact:
            kept = {key: held for key, held in register.qualified.items() if key != (fact.user, fact.subject)}
            return replace(register, qualified=kept)
        case EquipmentRegistered() | EquipmentCalibrated() | EquipmentCleaned() as fact:
            return _unit(register, recorded, fact.equipment)
        case EquipmentTakenOutOfService() | EquipmentReturnedToService() as fact:
            return _unit(register, recorded, fact.equipment)
        case _:
            return register


def _used(register: Register, equipment: str, batch: str, at: Instant) -> Register:
    before = register.used.get(equipment)
    other = None if before is None else before.by_other_than(batch)
    alone = None if other is None else replace(other, other=None)
    return replace(register, used={**register.used, equipment: Use(batch, at, alone)})


def _unit(register: Register, recorded: Recorded, equipment: str) -> Register:
    changed = _changed(register.units.get(equipment), recorded)
    return register if changed is None else replace(register, units={**register.units, equipment: changed})


def _changed(unit: Unit | None, recorded: Recorded) -> Unit | None:
    """The unit after one more entry of its stream; None when the stream does not begin with its registration."""
    position, at = recorded.entry.position + 1, recorded.entry.happened_at
    match recorded.fact:
        case EquipmentRegistered() as fact:
            if unit is None:
                return Unit(registered=fact, position=position)
            return replace(unit, registered=fact, position=position)
        case _ if unit is None:
            return None
        case EquipmentCalibrated() as fact:
            return replace(unit, calibrated=fact, position=position)
        case EquipmentCleaned() as fact:
            return replace(unit, cleaned=fact, cleaned_at=at, position=position)
        case EquipmentTakenOutOfService() as fact:
            return replace(unit, out_of_service=fact, out_since=at, position=position)
        case EquipmentReturnedToService():
            return replace(unit, out_of_service=None, out_since=None, position=position)
        case _:
            return unit
