"""Working days of the People's Republic of China, with swapped rest days, from a versioned calendar.

Named assumption: the day of the trigger is not counted (the general rule for periods; the Decree does not say it).
Zone: Asia/Shanghai. A year whose calendar was not published when the package was made has no answer.
"""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import chinese_calendar

from cytoloop.core.time import Instant

ZONE = "Asia/Shanghai"
CALENDAR = f"chinesecalendar {chinese_calendar.__version__}"
"""Package and version of the calendar: evidence of every verdict that counts days."""
TRIGGER_DAY = "the day of the trigger is not counted"

_ZONE = ZoneInfo(ZONE)


def local_day(moment: Instant) -> date:
    """The calendar day of `moment` in China."""
    return moment.astimezone(_ZONE).date()


def workdays_after(trigger: date, end: date) -> int | None:
    """Working days after `trigger` up to and including `end`; 0 when `end` is not later; None without calendar."""
    days = (end - trigger).days
    counted = 0
    for offset in range(1, days + 1):
        working = _is_workday(trigger + timedelta(days=offset))
        if working is None:
            return None
        counted += working
    return counted


def deadline(trigger: date, workdays: int) -> date | None:
    """The last day of a period of `workdays` (at least 1) working days after `trigger`; None without calendar."""
    day, left = trigger, workdays
    while left > 0:
        day += timedelta(days=1)
        working = _is_workday(day)
        if working is None:
            return None
        left -= working
    return day


def _is_workday(day: date) -> bool | None:
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return None
