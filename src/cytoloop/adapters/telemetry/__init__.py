"""Telemetry in a file of columns: `open_telemetry`, `copy_telemetry`."""

from cytoloop.adapters.telemetry.file import copy_telemetry
from cytoloop.adapters.telemetry.store import SqliteTelemetry, open_telemetry

__all__ = ["SqliteTelemetry", "copy_telemetry", "open_telemetry"]
