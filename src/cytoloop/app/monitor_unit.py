"""One unit of a monitored batch: how far it was asked, and what it means that it cannot be asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cytoloop.app.monitored import HOUR, alarm_name
from cytoloop.core.entry import Fact
from cytoloop.core.facts.monitoring import AlarmCleared, AlarmRaised, ExcursionFound, TelemetryGap
from cytoloop.core.intake import NEVER, QUIET, Check
from cytoloop.core.product import Priority
from cytoloop.core.telemetry import moment

BRIEF = 60_000_000
"""Microseconds: a unit that could not be asked for less, and whose readings came afterwards, is not told of."""
PRIORITIES: tuple[Priority, ...] = ("high", "medium", "low")


@dataclass(slots=True, kw_only=True)
class Unit:
    """All that is remembered of a unit. Times are microseconds since 1970 UTC."""

    since: int
    """Readings before it were taken in."""
    lost: int = NEVER
    """When it could not be asked for the first time, by the platform's clock; NEVER while it can."""
    lost_since: int = NEVER
    """What `since` was then."""
    raised: bool = False
    noted: bool = False
    """Whether that is an alarm, and told as an excursion."""
    filled: int = 0
    """Readings that came afterwards."""
    late: int = NEVER
    conflict: int = NEVER
    """When such a finding was seen last."""

    def away(self, unit: str, now: int, checks: Iterable[Check]) -> list[Fact]:
        """It cannot be asked: how long nobody knows what it measures is an alarm, and after that an excursion."""
        if self.lost == NEVER:
            self.lost, self.lost_since = now, self.since
        silence, tolerance, priority = patience(checks)
        lasted, told = now - self.lost_since, list[Fact]()
        about: dict[str, Any] = {
            "alarm": alarm_name(unit, "unreachable", self.lost_since), "tag": unit, "kind": "unreachable",
            "since": moment(self.lost_since), "at": moment(now), "value": None, "unit": "1", "low": None, "high": None,
        }  # fmt: skip
        if silence and lasted > silence and not self.raised:
            self.raised = True
            told.append(AlarmRaised(priority=priority, **about))
        if self.raised and tolerance >= 0 and lasted > max(silence, tolerance) and not self.noted:
            self.noted = True
            told.append(ExcursionFound(until=None, tolerance=max(silence, tolerance) / HOUR, **about))
        return told

    def back(self, unit: str, now: int, tags: Iterable[str], *, left: bool = False) -> list[Fact]:
        """It was asked again, and gave what it had; or, with `left`, nobody asks any more."""
        told = list[Fact]()
        if self.raised:
            name = alarm_name(unit, "unreachable", self.lost_since)
            told.append(AlarmCleared(alarm=name, at=moment(now), why="out-of-use" if left else "returned"))
        if self.lost != NEVER and (not self.filled or now - self.lost > BRIEF):
            told.append(
                TelemetryGap(
                    equipment=unit, tags=tuple(sorted(tags)), kind="unreachable", first=moment(self.lost_since),
                    last=moment(now), missing=None, filled=self.filled > 0 and not left,
                )
            )  # fmt: skip
        self.lost, self.lost_since, self.raised, self.noted, self.filled = NEVER, NEVER, False, False, 0
        return told

    def once(self, kind: str, at: int, fact: Fact) -> list[Fact]:
        """The finding, unless the same was seen within the hour. `kind`: "late" or "conflict"."""
        before = self.late if kind == "late" else self.conflict
        if kind == "late":
            self.late = max(before, at)
        else:
            self.conflict = max(before, at)
        return [fact] if before == NEVER or at - before > QUIET else []


def patience(checks: Iterable[Check]) -> tuple[int, int, Priority]:
    """How long a unit may be silent, how long until that is an excursion (-1: never), how soon somebody must act."""
    watched = [each for each in checks if each.silence > 0 and each.tolerance >= 0]
    priority: Priority = next((each for each in PRIORITIES if any(each == one.priority for one in watched)), "medium")
    silence = min((each.silence for each in watched), default=0)
    return silence, min((each.tolerance for each in watched), default=-1), priority
