"""Facts of allotment: which equipment is whose until a batch ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from cytoloop.core.signature import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentAllotted:
    """Somebody had a batch created, and equipment became its own until it ends."""

    NAME: ClassVar[str] = "equipment-allotted/1"
    batch: str
    order: str
    plant: str
    equipment: Mapping[str, str] = field(hash=False)
    """Equipment class -> equipment id. Classes that serve one batch after the other are named, and nobody's own."""
    signature: Signature
    """Of who had the batch created."""


FACTS = (EquipmentAllotted,)
