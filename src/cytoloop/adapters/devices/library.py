"""Library: the types of devices there are drivers and simulators for."""

from collections.abc import Mapping

from cytoloop.adapters.devices import (
    cell_counter,
    closed_processor,
    controlled_rate_freezer,
    gas_permeable_vessel,
    incubator,
    metabolite_analyser,
    perfusion_bioreactor,
)
from cytoloop.adapters.devices.model import Model
from cytoloop.core.device import DeviceType
from cytoloop.core.errors import UserError

LIBRARY: Mapping[str, Model] = {
    module.MODEL.kind.device_type: module.MODEL
    for module in (
        perfusion_bioreactor,
        gas_permeable_vessel,
        closed_processor,
        cell_counter,
        metabolite_analyser,
        incubator,
        controlled_rate_freezer,
    )
}
"""Device type -> its model."""


def model_of(device_type: str) -> Model:
    """The model of a device type; UserError when there is none."""
    found = LIBRARY.get(device_type)
    if found is None:
        raise UserError(f"there is no device type {device_type!r}; choose from {', '.join(LIBRARY)}")
    return found


def types() -> tuple[DeviceType, ...]:
    """The device types of the library."""
    return tuple(model.kind for model in LIBRARY.values())
