"""Static checks of what a plant expects of its signals: alarm limits, and what readings are held against."""

from collections.abc import Iterator, Sequence

from cytoloop.core.product import AlarmLimit, EquipmentClass, IntakeCheck
from cytoloop.production.pack_files import listed
from cytoloop.production.yaml_text import Mistake, Path, Text


def check_signals(text: Text, each: EquipmentClass, where: Path) -> Iterator[Mistake]:
    """Mistakes in the alarms and checks of one equipment class."""
    kinds: dict[str, Sequence[AlarmLimit | IntakeCheck]] = {"alarms": each.alarms, "checks": each.checks}
    for name, kept in kinds.items():
        for place, one in enumerate(kept):
            at: Path = (*where, name, place)
            unit = each.signals.get(one.signal)
            if unit is None:
                yield text.mistake(at, f"found {one.signal!r}, expected a signal ({listed(each.signals)})")
            elif unit != one.unit:
                yield text.mistake(at, f"found unit {one.unit!r}, expected {unit!r} as the signal has")
            if sum(other.signal == one.signal for other in kept) > 1:
                yield text.mistake(at, f"found {one.signal!r} more than once in {name}; expected it once")
            problem = _alarm(one) if isinstance(one, AlarmLimit) else _check(one)
            if problem:
                yield text.mistake(at, problem)


def _alarm(alarm: AlarmLimit) -> str:
    if alarm.low > alarm.high or alarm.tolerance < 0:
        return "found limits that nothing can meet; expected low <= high, tolerance >= 0"
    if alarm.on_delay < 0 or alarm.off_delay < 0 or alarm.deadband < 0:
        return "found a negative delay or deadband; expected 0 or more"
    if 2 * alarm.deadband > alarm.high - alarm.low:
        return f"found a deadband of {alarm.deadband:g} that leaves no value that counts as back inside the limits"
    return ""


def _check(check: IntakeCheck) -> str:
    if check.low is not None and check.high is not None and check.low >= check.high:
        return f"found low {check.low:g} and high {check.high:g}; expected low < high"
    if min(check.deadband, check.heartbeat, check.silence) < 0:
        return "found a negative deadband, heartbeat or silence; expected 0 or more"
    if check.deadband > 0 and check.heartbeat == 0:
        return "found a deadband without a heartbeat: silence would not be seen in what is stored; expected hours"
    if 0 < check.silence < check.heartbeat:
        return f"found a heartbeat of {check.heartbeat:g} h, longer than the silence allowed; expected less"
    return ""
