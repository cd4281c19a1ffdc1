"""Telling facts about equipment and qualifications: one sentence each, in both languages."""

from cytoloop.core.entry import Fact
from cytoloop.core.facts import equipment
from cytoloop.core.time import Instant


def tell_equipment(fact: Fact) -> tuple[str, str] | None:
    """The sentence of a fact of `core.facts.equipment`; None for another."""
    return _unit(fact) or _person(fact)


def _unit(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case equipment.EquipmentRegistered() as f:
            kind = f.device_type or f.equipment_class
            doubt = ("; its driver is unverified", "；其驱动未经实机验证") if f.unverified else ("", "")
            by = f.signature.printed_name
            return (
                f"{f.equipment} ({kind}) registered by {by}{doubt[0]}",
                f"{f.equipment}（{kind}）由 {by} 登记{doubt[1]}",
            )
        case equipment.EquipmentCalibrated() as f:
            return (
                f"{f.equipment} calibrated, certificate {f.certificate}, valid until {_day(f.valid_until)}",
                f"{f.equipment} 已校准，证书 {f.certificate}，有效期至 {_day(f.valid_until)}",
            )
        case equipment.EquipmentCleaned() as f:
            until = (f", valid until {_day(f.valid_until)}", f"，有效期至 {_day(f.valid_until)}")
            until = until if f.valid_until else ("", "")
            return (
                f"{f.equipment} cleaned by procedure {f.procedure}{until[0]}",
                f"{f.equipment} 已按规程 {f.procedure} 清洁{until[1]}",
            )
        case equipment.EquipmentTakenOutOfService() as f:
            return f"{f.equipment} taken out of service: {f.reason}", f"{f.equipment} 停用：{f.reason}"
        case equipment.EquipmentReturnedToService() as f:
            return f"{f.equipment} returned to service: {f.reason}", f"{f.equipment} 恢复使用：{f.reason}"
        case _:
            return None


def _person(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case equipment.PersonQualified() as f:
            return (
                f"{f.user} qualified for {f.subject} until {_day(f.valid_until)} ({f.evidence})",
                f"{f.user} 具备 {f.subject} 的资格，有效期至 {_day(f.valid_until)}（{f.evidence}）",
            )
        case equipment.QualificationWithdrawn() as f:
            return (
                f"qualification of {f.user} for {f.subject} withdrawn: {f.reason}",
                f"{f.user} 的 {f.subject} 资格已撤销：{f.reason}",
            )
        case _:
            return None


def _day(moment: Instant | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""
