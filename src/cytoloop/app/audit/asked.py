"""What of the audit trail is asked for: filter, order, zone."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cytoloop.app.settings import ZONE
from cytoloop.core.errors import UserError
from cytoloop.core.time import Instant
from cytoloop.core.words import Words

Sort = Literal["time", "who", "what"]
SORTS: tuple[Sort, ...] = get_args(Sort)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which entries, in which order. What is left empty lets everything through."""

    who: str = ""
    """User id."""
    role: str = ""
    batch: str = ""
    """Batch number: entries of the batch and of its order."""
    stream: str = ""
    """Beginning of the stream's name."""
    name: str = ""
    """Entry name."""
    since: Instant | None = None
    until: Instant | None = None
    """Happened at or after `since` and before `until`."""
    changes: bool = False
    """Only entries that changed something that stood before."""
    text: str = ""
    """Stands in the sentence, the reason, the stream or the actor; capital or small, English or Chinese."""
    sort: Sort = "time"
    descending: bool = True
    """Newest (or last in the alphabet) first."""


def sort_named(text: str) -> Sort:
    """The order that `text` names; UserError for another word."""
    found = next((each for each in SORTS if each == text), None)
    if found is None:
        raise UserError(f"{text!r} is no order of the audit trail; choose from {', '.join(SORTS)}")
    return found


def zone_named(text: str) -> ZoneInfo:
    """The zone of that IANA name, the house's when empty; UserError for one there is not."""
    try:
        return ZoneInfo(text or ZONE)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UserError(
            Words(
                en=f"{text!r} is no time zone; name one as Asia/Shanghai, Europe/Berlin or UTC",
                zh=f"{text!r} 不是时区；请填写例如 Asia/Shanghai、Europe/Berlin 或 UTC",
            )
        ) from error


def moment(text: str, zone: ZoneInfo, *, end: bool = False) -> Instant | None:
    """The instant that a day or a time names, in `zone` unless it says its own; None for an empty text.

    A day as the `end` of a period is meant whole: its end is the next midnight.
    """
    written = text.strip()
    if not written:
        return None
    try:
        if len(written) == len("2026-06-01"):
            day = date.fromisoformat(written) + timedelta(days=1 if end else 0)
            return datetime.combine(day, time(), zone)
        found = datetime.fromisoformat(written)
    except (ValueError, OverflowError) as error:
        raise UserError(
            Words(
                en=f"{text!r} is no day or time; write 2026-06-01 or 2026-06-01T08:00:00+08:00",
                zh=f"{text!r} 不是日期或时间；请填写例如 2026-06-01 或 2026-06-01T08:00:00+08:00",
            )
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=zone)


def stamp(when: Instant, zone: ZoneInfo) -> str:
    """The instant in `zone`, to the second, with its offset from UTC: "2026-06-01 09:00:00 +08:00"."""
    local = when.astimezone(zone)
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]}"
