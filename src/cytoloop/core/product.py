"""Product: what the therapy is, and by which attributes its quality is judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cytoloop.core.words import Words

Stage = Literal["incoming", "in_process", "release"]
Priority = Literal["high", "medium", "low"]
"""How soon somebody must act on an alarm (ISA-18.2 §6.2.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A quality attribute with its specification at one stage (ICH Q6B)."""

    attribute: str
    words: Words
    stage: Stage
    unit: str
    low: float | None = None
    high: float | None = None
    per_kg: bool = False
    """Whether the limits are per kilogram of the patient's weight."""
    critical: bool
    """Whether it is a critical quality attribute (ICH Q8(R2))."""
    method: str
    source: str
    """Where the limit comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingPlan:
    """What one sample is tested for."""

    plan: str
    words: Words
    stage: Stage
    volume: float
    """mL taken from the culture or the product."""
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A therapy as data."""

    product: str
    words: Words
    autologous: bool
    dose_attribute: str
    """The attribute that holds the dose's viable cells."""
    attributes: tuple[Attribute, ...]
    sampling: Mapping[str, SamplingPlan] = field(default_factory=dict, hash=False)

    def at(self, stage: Stage) -> tuple[Attribute, ...]:
        """The attributes with a specification at `stage`."""
        return tuple(attribute for attribute in self.attributes if attribute.stage == stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLimit:
    """What a monitored signal may do before it is an alarm, and before it is an excursion (IEC 62682, ISA-18.2)."""

    signal: str
    unit: str
    low: float
    high: float
    tolerance: float
    """Hours outside the limits before it is an excursion."""
    priority: Priority = "medium"
    on_delay: float = 0.0
    """Hours outside the limits before the alarm is raised."""
    off_delay: float = 0.0
    """Hours back inside them before it is cleared."""
    deadband: float = 0.0
    """How far inside a limit the signal must come before it counts as back (hysteresis), in its unit."""
    par: bool = False
    """Whether the limits narrow to the PAR of the parameter by which the recipe set this signal last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeCheck:
    """What readings of a signal are held against as they come in, besides their unit."""

    signal: str
    unit: str
    low: float | None = None
    high: float | None = None
    """What the probe can show at all: a value outside is kept and called bad."""
    deadband: float = 0.0
    """A change of at most so much, in its unit, is not stored again; 0: every reading is stored."""
    heartbeat: float = 0.0
    """Hours after which a reading is stored although it changed less, so that silence stays visible; 0: never."""
    silence: float = 0.0
    """Hours without a usable reading before that is an alarm, while the unit is in use; 0: nobody waits for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentClass:
    """A class of equipment that a recipe may ask for."""

    equipment_class: str
    words: Words
    count: int
    programs: tuple[str, ...] = ()
    set_points: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Set-point -> house unit."""
    signals: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Signal -> house unit."""
    alarms: tuple[AlarmLimit, ...] = ()
    checks: tuple[IntakeCheck, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """The equipment of a site, by class."""

    plant: str
    words: Words
    classes: tuple[EquipmentClass, ...]
