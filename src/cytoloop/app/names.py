"""Names and units that the record carries, as they are said to people in both languages.

A name that nobody here knows is said as it stands: a later pack or program may write others.
"""

import re
from collections.abc import Mapping

from cytoloop.core.words import Words

Names = Mapping[str, Words]


def _words(en: str, zh: str) -> Words:
    return Words(en=en, zh=zh)


DEVIATIONS: Names = {
    "out-of-specification": _words("out of specification", "超出质量标准"),
    "excursion": _words("excursion", "超限"),
    "step-failed": _words("step failed", "步骤失败"),
    "identity-mismatch": _words("identity mismatch", "身份不符"),
    "late-start": _words("late start", "超时未开始"),
    "rounds-exhausted": _words("rounds exhausted", "循环次数用尽"),
}
ALARM_KINDS: Names = {
    "low": _words("below its limit", "低于下限"),
    "high": _words("above its limit", "高于上限"),
    "missing": _words("without usable readings", "无有效读数"),
    "unreachable": _words("cannot be asked", "无法访问"),
}
ALARM_STATES: Names = {
    "active": _words("active, not acknowledged", "报警中，未确认"),
    "active-acknowledged": _words("active, acknowledged", "报警中，已确认"),
    "returned": _words("back to normal, not acknowledged", "已恢复，未确认"),
    "over": _words("over", "已结束"),
}
PRIORITIES: Names = {
    "high": _words("high", "高"),
    "medium": _words("medium", "中"),
    "low": _words("low", "低"),
}
GAP_KINDS: Names = {
    "silence": _words("silence", "无读数"),
    "sequence": _words("running numbers missing", "序号缺失"),
    "overflow": _words("readings dropped by the server", "服务器丢弃读数"),
    "unreachable": _words("out of reach", "无法访问"),
}
FINDING_KINDS: Names = {
    "range": _words("out of the probe's range", "超出量程"),
    "future": _words("stamped in the future", "时间戳超前"),
    "before": _words("stamped before the batch", "时间戳早于批次"),
    "clock": _words("clocks differ", "时钟不一致"),
    "late": _words("late readings", "迟到读数"),
    "conflict": _words("conflicting readings", "读数冲突"),
    "unit-converted": _words("unit converted", "单位已换算"),
    "unit-refused": _words("unit refused", "单位不可换算"),
}
DECISIONS: Names = {
    "continue": _words("continue", "继续"),
    "repeat": _words("repeat", "重复"),
    "rework": _words("rework", "返工"),
    "terminate": _words("terminate", "终止"),
}
VERDICTS: Names = {
    "PASS": _words("pass", "通过"),
    "FAIL": _words("fail", "不通过"),
    "NOT_APPLICABLE": _words("not applicable", "不适用"),
    "INSUFFICIENT_DATA": _words("insufficient data", "数据不足"),
    "NEEDS_HUMAN": _words("needs a person", "需人工判断"),
}
GATE_ANSWERS: Names = {
    "apply": _words("apply", "执行"),
    "refuse": _words("refuse", "拒绝"),
    "ask-a-person": _words("ask a person", "请人判断"),
    "open-a-change": _words("open a change", "发起变更"),
    "trend": _words("trend", "趋势观察"),
}
CLAIM_STATES: Names = {
    "proposed": _words("stated", "已声明"),
    "dropped": _words("dropped", "已撤下"),
    "open": _words("being tested", "检验中"),
    "kept": _words("kept", "成立"),
    "refuted": _words("refuted", "被否定"),
    "undecided": _words("undecided", "未定"),
}
CLAIM_VERDICTS: Names = {name: CLAIM_STATES[name] for name in ("kept", "refuted", "undecided")}
DISPOSITIONS: Names = {
    "released": _words("released", "放行"),
    "conditionally-released": _words("conditionally released", "有条件放行"),
    "rejected": _words("rejected", "拒绝放行"),
    "supplied-out-of-specification": _words("supplied out of specification", "超出质量标准供应"),
}
METHODS: Names = {
    "password+code": _words("password and code", "密码和动态码"),
    "passkey": _words("passkey", "通行密钥"),
    "openid": _words("the house's account", "单位账户"),
}
COMPONENTS: Names = {
    "user-id": _words("user id", "用户名"),
    "password": _words("password", "密码"),
    "one-time-code": _words("one-time code", "动态码"),
    "passkey": _words("passkey", "通行密钥"),
}
VALUES: Mapping[str, tuple[Words, str]] = {
    "code": (_words("Code scanned", "扫描码"), ""),
    "reason": (_words("Reason", "理由"), ""),
    "verified_by": (_words("Confirmed by", "复核人"), ""),
    "temperature": (_words("Temperature", "温度"), "°C"),
    "end_temperature": (_words("Temperature at the end", "终点温度"), "°C"),
    "ph": (_words("pH", "pH"), "pH"),
    "dissolved_oxygen": (_words("Dissolved oxygen", "溶解氧"), "fraction"),
    "glucose": (_words("Glucose", "葡萄糖"), "mmol/L"),
    "lactate": (_words("Lactate", "乳酸"), "mmol/L"),
    "perfusion_rate": (_words("Perfusion rate", "灌流速率"), "1/d"),
    "volume": (_words("Volume", "体积"), "mL"),
    "viable_cells": (_words("Viable cells", "活细胞数"), "1e6 cells"),
    "seeded_density": (_words("Density seeded", "实际接种密度"), "1e6 cells/mL"),
}
"""Signals of equipment and values that its programs report -> words and house unit (docs/GLOSSARY.md)."""

_UNITS: Names = {
    "": _words("", ""),
    "1": _words("", ""),
    "fraction": _words("fraction", "（比例）"),
    "1e6 cells": _words("×10⁶ cells", "×10⁶ 个细胞"),
    "1e6 cells/mL": _words("×10⁶ cells/mL", "×10⁶ 个细胞/mL"),
    "copies/cell": _words("copies/cell", "拷贝/细胞"),
    "beads/cell": _words("beads/cell", "个磁珠/细胞"),
}
_ACTS: Mapping[str, str] = {
    r"collection for order (.+)": r"订单 \1 的采集",
    r"administration for order (.+)": r"订单 \1 的给药",
    r"end of the study": "研究结束",
}


def named(names: Names, name: str) -> Words:
    """The words of a name; the name itself when it is not known."""
    return names.get(name, Words(en=name, zh=name))


def unit(name: str) -> Words:
    """A house unit as a person reads it behind a number."""
    return named(_UNITS, name)


def act(recorded: str) -> Words:
    """What a rule was read before, as the program recorded it."""
    for pattern, zh in _ACTS.items():
        if match := re.fullmatch(pattern, recorded):
            return Words(en=recorded, zh=match.expand(zh))
    return Words(en=recorded, zh=recorded)
