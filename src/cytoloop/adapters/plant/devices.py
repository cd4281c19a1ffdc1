"""The units of the facility as devices: what a server can put on a network, each with its own memory of commands."""

from collections.abc import Mapping
from dataclasses import dataclass

from cytoloop.adapters.plant import laboratory
from cytoloop.adapters.plant.facility import Facility
from cytoloop.adapters.plant.programs import PROGRAMS
from cytoloop.adapters.plant.vessel import RANGES, SIGNALS
from cytoloop.core.device import Device, DeviceState, DeviceType, Quantity
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.product import EquipmentClass, Plant
from cytoloop.core.reading import Reading
from cytoloop.core.time import Instant

LIMITS: Mapping[str, tuple[float, float]] = {
    "temperature": (0.0, 60.0),
    "ph": (0.0, 14.0),
    "dissolved_oxygen": (0.0, 1.0),
    "glucose": (0.0, 100.0),
    "perfusion_rate": (0.0, 3.0),
}
"""What each probe of a bioreactor can show."""
SET_UNITS = {"temperature": "°C", "perfusion_rate": "1/d", "il2": "IU/mL"}


@dataclass(frozen=True, slots=True)
class UnitDevice:
    """One unit of the facility. Satisfies `core.device.Device`."""

    facility: Facility
    unit: str
    kind: DeviceType

    def state(self) -> DeviceState:
        """Running while a program is underway here; the facility has no other."""
        return "running" if self.facility.runs(self.unit) else "idle"

    def targets(self) -> Mapping[str, float]:
        """Set-points in force."""
        vessel = self.facility.vessels.get(self.unit)
        return dict(vessel.set_points) if vessel else {}

    def submit(self, command: Command) -> None:
        """Begin the command and do not wait."""
        self.facility.submit(command)

    def seen(self, key: str) -> bool:
        """Whether a command with this key ever arrived here."""
        return self.facility.target_of(key) == self.unit

    def outcome(self, key: str) -> Outcome | None:
        """The outcome if the command was for this unit and has ended."""
        return self.facility.outcome(key) if self.seen(key) else None

    def measured(self, since: Instant | None) -> tuple[Reading, ...]:
        """What the probes measured each hour, as far as it is still kept."""
        return self.facility.measured(self.unit, since)


def devices(facility: Facility, plant: Plant) -> tuple[Device, ...]:
    """Every unit of the facility as a device of its class in `plant`."""
    kinds = {each.equipment_class: _kind(each) for each in plant.classes}
    return tuple(UnitDevice(facility, unit, kinds[kind]) for unit, kind in facility.units.items())


def _kind(each: EquipmentClass) -> DeviceType:
    cultures = each.equipment_class == "bioreactor"
    return DeviceType(
        device_type=f"simulated_{each.equipment_class}",
        words=each.words,
        equipment_class=each.equipment_class,
        signals={name: Quantity(unit=unit, low=LIMITS[name][0], high=LIMITS[name][1]) for name, unit in SIGNALS.items()}
        if cultures
        else {},
        set_points={name: Quantity(unit=SET_UNITS[name], low=low, high=high) for name, (low, high) in RANGES.items()}
        if cultures
        else {},
        programs={
            name: program.needs
            for name, program in PROGRAMS.items()
            if program.equipment_class in (None, each.equipment_class)
        },
        attributes=tuple(laboratory.ASSAYS) if each.equipment_class == "qc_laboratory" else (),
    )
