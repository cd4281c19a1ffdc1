"""The OPC UA library, which only those who speak OPC UA need, and the words that server and door share."""

from collections.abc import Mapping
from typing import Any

from cytoloop.core.errors import UserError
from cytoloop.core.reading import Quality
from cytoloop.core.telemetry import quality

HOUSE = "urn:cytoloop:plant"
"""Namespace of what LADS has no word for: keys of commands, the memory of their outcomes, the plant's clock."""
STATUS_OF: Mapping[Quality, int] = {"good": 0, "uncertain": 0x4093_0000, "bad": 0x808C_0000}
"""Quality -> Good, UncertainSensorNotAccurate, BadSensorFailure (OPC 10000-6 Annex A)."""
BAD_NOT_CONNECTED, BAD_WAITING = 0x808A_0000, 0x8032_0000
"""A value that no probe gives; a value that has not come yet."""


def library() -> Any:
    """asyncua; UserError says how to get it."""
    try:
        import asyncua  # noqa: PLC0415  (an extra, and slow to import)
    except ImportError as error:
        raise UserError("OPC UA needs a library that is not installed; run: pip install 'cytoloop[opcua]'") from error
    return asyncua


def quality_of(status: int) -> Quality:
    """The severity of a StatusCode (OPC 10000-4 §7.39)."""
    return quality(status)


def code_of(value: Any) -> int:
    """The StatusCode of a DataValue; none is Good."""
    return int(value.StatusCode.value) if value.StatusCode is not None else 0
