"""Facts about equipment and who may work with it: what makes a unit and a person fit for a step.

Streams: "equipment/<id>" for one unit, "qualification/<user id>" for what one person is qualified for. They are the
equipment's log (21 CFR 211.182) and the record of training (211.25(a)).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant

Need = Literal["calibration", "cleaning", "cleaning-between-batches", "qualification"]
"""calibration               a calibration that is in force (21 CFR 211.68(a); EU GMP Part I 3.41)
cleaning                  a cleaning that has not run out (211.67(a); EU GMP Part I 3.36)
cleaning-between-batches  a cleaning since which no other batch has used it, and which had not run out when this one
                          began to
qualification             somebody who is qualified for its class; who answers at it must be (211.25(a))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentRegistered:
    """A unit is in the register: from here on it is looked at before a step may start on it. Said anew, it replaces."""

    NAME: ClassVar[str] = "equipment-registered/1"
    equipment: str
    """Equipment id: "bioreactor-03"."""
    equipment_class: str
    device_type: str
    """Of the device library; empty when no driver of it is used."""
    serial: str
    """Maker's serial number or the house's inventory number."""
    door: str
    """Address at which it is reached; empty: by hand, or in the same process."""
    needs: tuple[Need, ...]
    """What must hold before a step starts on it."""
    unverified: str
    """That its driver has never met a real device, as a sentence; empty when it has."""
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentCalibrated:
    """The unit was calibrated."""

    NAME: ClassVar[str] = "equipment-calibrated/1"
    equipment: str
    certificate: str
    """Reference of the certificate."""
    valid_until: Instant
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentCleaned:
    """The unit was cleaned."""

    NAME: ClassVar[str] = "equipment-cleaned/1"
    equipment: str
    procedure: str
    """Reference of the cleaning procedure."""
    valid_until: Instant | None
    """Until when it counts as clean when nothing uses it; None: until something does."""
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentTakenOutOfService:
    """The unit may not be used."""

    NAME: ClassVar[str] = "equipment-taken-out-of-service/1"
    equipment: str
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentReturnedToService:
    """The unit may be used again."""

    NAME: ClassVar[str] = "equipment-returned-to-service/1"
    equipment: str
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonQualified:
    """A person is qualified to work with a class of equipment, or to follow a procedure."""

    NAME: ClassVar[str] = "person-qualified/1"
    user: str
    subject: str
    """An equipment class, or the reference of a procedure."""
    evidence: str
    """Reference of the training record."""
    valid_until: Instant
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class QualificationWithdrawn:
    """A person is qualified for it no longer."""

    NAME: ClassVar[str] = "qualification-withdrawn/1"
    user: str
    subject: str
    reason: str
    signature: Signature


FACTS = (
    EquipmentRegistered, EquipmentCalibrated, EquipmentCleaned, EquipmentTakenOutOfService, EquipmentReturnedToService,
    PersonQualified, QualificationWithdrawn,
)  # fmt: skip
