"""History of nodes, answered from what the devices themselves keep: nothing is kept twice."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cytoloop.adapters.opcua.library import STATUS_OF, library
from cytoloop.core.device import Device
from cytoloop.core.reading import Reading
from cytoloop.core.time import Instant

TICK = timedelta(microseconds=1)
MOST = 5000
"""Values of one answer; a continuation point leads to the rest."""


def data_value(reading: Reading) -> Any:
    """A reading as DataValue: value, source time and status; the server time is when it is written."""
    ua = library().ua
    return ua.DataValue(
        ua.Variant(reading.value, ua.VariantType.Double),
        StatusCode=ua.StatusCode(STATUS_OF[reading.quality]),
        SourceTimestamp=reading.at,
    )


def device_history(signals: Mapping[Any, tuple[Device, str]]) -> Any:
    """A history storage of the library. `signals`: NodeId -> device and its signal."""
    asyncua = library()

    class DeviceHistory(asyncua.server.history.HistoryStorageInterface):  # type: ignore[misc, name-defined]  # asyncua has no types
        """HistoryRead of raw values. Times are inclusive; oldest first, as asked with a start (OPC 10000-11 §6.5.3)."""

        async def init(self) -> None:
            pass

        async def new_historized_node(self, node_id: Any, period: Any, count: int = 0) -> None:
            pass

        async def save_node_value(self, node_id: Any, datavalue: Any) -> None:
            pass

        async def read_node_history(
            self, node_id: Any, start: Instant | None, end: Instant | None, nb_values: int
        ) -> tuple[list[Any], Instant | None]:
            if node_id not in signals:
                return [], None
            device, signal = signals[node_id]
            found = _between(device, signal, _given(start), _given(end))
            most = min(nb_values or MOST, MOST)
            rest = found[most].at if len(found) > most and not nb_values else None
            return [data_value(reading) for reading in found[:most]], rest

        async def new_historized_event(self, source_id: Any, evtypes: Any, period: Any, count: int = 0) -> None:
            pass

        async def save_event(self, event: Any) -> None:
            pass

        async def read_event_history(self, *_: Any) -> tuple[list[Any], None]:
            return [], None

        async def stop(self) -> None:
            pass

    return DeviceHistory()


def _given(moment: Instant | None) -> Instant | None:
    """A time of a HistoryRead; the beginning of Windows' time means that none was given."""
    if moment is None or moment <= library().ua.get_win_epoch():
        return None
    return moment


def _between(device: Device, signal: str, start: Instant | None, end: Instant | None) -> list[Reading]:
    kept = device.measured(start - TICK if start else None)
    found = [each for each in kept if each.signal == signal and (end is None or each.at <= end)]
    return sorted(found, key=lambda reading: reading.at)  # pages are cut by time
