"""Timeline: how long a patient waits, from collection to administration ("vein to vein"), and where the days go."""

from dataclasses import dataclass

from cytoloop.clinic.order import Order
from cytoloop.core.time import Instant, hours_between


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Days of an order; None where that part has not ended."""

    order_to_collection: float | None
    collection_to_release: float | None
    release_to_administration: float | None
    vein_to_vein: float | None


def timeline(order: Order, released_at: Instant | None) -> Timeline:
    """The days of `order`, whose batch was released at `released_at`."""
    return Timeline(
        order_to_collection=_days(order.placed_at, order.collected_at),
        collection_to_release=_days(order.collected_at, released_at),
        release_to_administration=_days(released_at, order.administered_at),
        vein_to_vein=_days(order.collected_at, order.administered_at),
    )


def _days(start: Instant | None, end: Instant | None) -> float | None:
    return None if start is None or end is None else hours_between(start, end) / 24.0
