"""Telling of what readings showed: alarms, excursions, gaps, findings of the intake."""

from cytoloop.app.names import ALARM_KINDS, FINDING_KINDS, GAP_KINDS, PRIORITIES, named
from cytoloop.core.entry import Fact
from cytoloop.core.facts import monitoring
from cytoloop.core.facts.monitoring import AlarmRaised, ExcursionFound


def tell_monitoring(fact: Fact) -> tuple[str, str] | None:
    """The sentence of a fact of monitoring, in English and Chinese; None for any other fact."""
    return _alarms(fact) or _intake(fact)


def _alarms(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case monitoring.AlarmRaised() as f:
            kind, priority = named(ALARM_KINDS, f.kind), named(PRIORITIES, f.priority)
            en, zh = _numbers(f)
            return (
                f"alarm, {priority.en} priority: {f.tag} {kind.en} since {f.since.isoformat()}{en}",
                f"报警（{priority.zh}优先级）：{f.tag} {kind.zh}，自 {f.since.isoformat()} 起{zh}",
            )
        case monitoring.AlarmCleared() as f:
            left = f.why == "out-of-use"
            return (
                f"alarm {f.alarm} is over{': the batch has left the unit' if left else ''}",
                f"报警 {f.alarm} 已解除{'：批次已离开该设备' if left else ''}",
            )
        case monitoring.AlarmAcknowledged() as f:
            by = f.signature.printed_name
            return f"alarm {f.alarm} acknowledged by {by}: {f.reason}", f"报警 {f.alarm} 由 {by} 确认：{f.reason}"
        case monitoring.ExcursionFound() as f:
            kind = named(ALARM_KINDS, f.kind)
            en, zh = _numbers(f)
            return (
                f"excursion: {f.tag} {kind.en} since {f.since.isoformat()}, for longer than {f.tolerance:g} h{en}",
                f"超限：{f.tag} {kind.zh}，自 {f.since.isoformat()} 起，超过 {f.tolerance:g} h{zh}",
            )
        case _:
            return None


def _intake(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case monitoring.TelemetryGap() as f:
            kind = named(GAP_KINDS, f.kind)
            lost = (f", {f.missing} readings missing", f"，缺失 {f.missing} 个读数") if f.missing else ("", "")
            later = ("; what it measured meanwhile came afterwards", "；其间读数已补录") if f.filled else ("", "")
            span = f"{f.first.isoformat()} – {f.last.isoformat()}"
            return (
                f"{f.equipment}: {kind.en} of {len(f.tags)} signals, {span}{lost[0]}{later[0]}",
                f"{f.equipment}：{len(f.tags)} 个信号{kind.zh}，{span}{lost[1]}{later[1]}",
            )
        case monitoring.IntakeFinding() as f:
            kind = named(FINDING_KINDS, f.kind)
            return f"{kind.en}: {f.what}", f"{kind.zh}（{f.of}）：{f.what}"
        case _:
            return None


def _numbers(fact: AlarmRaised | ExcursionFound) -> tuple[str, str]:
    """The value against its limits, where there are any."""
    if fact.value is None:
        return "", ""
    within = " – ".join("" if each is None else f"{each:g}" for each in (fact.low, fact.high))
    value = f"{fact.value:.4g} {fact.unit}"
    return f" ({value}, limits {within})", f"（{value}，限度 {within}）"
