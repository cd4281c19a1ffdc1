"""Parts of the report on quality and law: results, deviations, dispositions, findings, signatures."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from cytoloop.app.names import COMPONENTS, DECISIONS, DEVIATIONS, DISPOSITIONS, GATE_ANSWERS, VERDICTS, act
from cytoloop.app.report.words import Says, cell, number, row, table
from cytoloop.app.telling import tell
from cytoloop.app.views_batch import BatchView, DeviationLine, GateLine
from cytoloop.app.views_results import ResultLine
from cytoloop.core.entry import Recorded
from cytoloop.core.facts.compliance import FindingRecorded
from cytoloop.core.facts.quality import DispositionSigned, RecordReviewed
from cytoloop.core.report import Block, Cell, Paragraph, Section
from cytoloop.core.rule import Verdict
from cytoloop.core.signature import Signature
from cytoloop.core.words import Words

STAGES: Mapping[str, tuple[str, str]] = {
    "incoming": ("incoming", "来料"),
    "in_process": ("in process", "过程"),
    "release": ("release", "放行"),
}
MEANINGS: Mapping[str, tuple[str, str]] = {
    "performed": ("performed", "执行"),
    "verified": ("verified", "复核"),
    "reviewed": ("reviewed", "审核"),
    "approved": ("approved", "批准"),
    "released": ("released", "放行"),
    "rejected": ("rejected", "拒绝"),
    "answered": ("answered", "答复"),
}


def results(says: Says, view: BatchView) -> Section:
    """Every result in order beside its limits, and the release specification with what is still missing."""
    missing = [line for line in view.specification if line.value is None]
    columns = (
        (says("Attribute", "质量属性"), 4),
        (says("Stage", "阶段"), 2),
        (says("Result", "结果"), 3),
        (says("Limits", "限度"), 3),
        (says("Judged", "判定"), 2),
        (says("Method", "方法"), 4),
        (says("Taken at", "时间"), 4),
    )
    rows = [_result(says, line) for line in (*view.results, *missing)]
    title = says("Results against the specification", "检验结果与质量标准")
    return Section(title=title, blocks=(table(columns, rows),))


def _result(says: Says, line: ResultLine) -> tuple[Cell, ...]:
    judged = {
        True: cell(says("meets", "符合"), "good"),
        False: cell(says("out of specification", "超出质量标准"), "bad"),
        None: cell(says("no limit", "无限度") if line.value is not None else says("missing", "缺失"), "quiet"),
    }
    critical = says(" (critical)", "（关键）") if line.critical else ""
    value = "–" if line.value is None else says.amount(number(line.value), line.unit)
    return row(
        f"{says.words(line.words)}{critical}",
        says(*STAGES[line.stage]),
        value,
        says.range(line.low, line.high, line.unit),
        judged[line.within],
        line.method,
        says.time(line.at),
    )


def deviations(says: Says, view: BatchView) -> Section:
    """Every deviation with the decision on it."""
    title = says("Deviations", "偏差")
    if not view.deviations:
        none = cell(says("No deviation was opened.", "没有偏差。"))
        return Section(title=title, blocks=(Paragraph(cell=none),))
    columns = (
        (says("Deviation", "偏差"), 3),
        (says("What", "内容"), 7),
        (says("Opened and closed", "打开与关闭"), 4),
        (says("Decision", "决定"), 6),
    )
    return Section(title=title, blocks=(table(columns, [_deviation(says, each) for each in view.deviations]),))


def _deviation(says: Says, line: DeviationLine) -> tuple[Cell, ...]:
    decision = cell(says("open: nobody has decided", "未关闭"), "bad")
    if line.signature is not None:
        decision = cell(
            f"{_decided(says, line)}: {line.reason} — {line.signature.printed_name} ({says.role(line.signature.role)})"
        )
    return row(
        f"{line.deviation} ({says.named(DEVIATIONS, line.kind)})",
        line.what,
        f"{says.time(line.opened_at)}\n{says.time(line.closed_at)}",
        decision,
    )


def _decided(says: Says, line: DeviationLine) -> str:
    return says.named(DECISIONS, line.decision) if line.decision else "–"


def disposition(says: Says, stream: tuple[Recorded, ...]) -> Section:
    """Reviews of the record and dispositions, in order."""
    blocks: list[Block] = []
    for each in stream:
        match each.fact:
            case DispositionSigned() as fact:
                what = says.named(DISPOSITIONS, fact.disposition)
                blocks.append(_signed(says, what, fact.reason, fact.signature))
            case RecordReviewed() as fact:
                what = says(f"{fact.position} entries reviewed", f"已审核 {fact.position} 条目")
                blocks.append(_signed(says, what, fact.remarks, fact.signature))
            case _:
                pass
    none = Paragraph(cell=cell(says("Nobody has decided on this batch yet.", "尚无人对本批作出处置。"), "bad"))
    return Section(title=says("Review and disposition", "审核与处置"), blocks=tuple(blocks) or (none,))


def _signed(says: Says, what: str, reason: str, by: Signature) -> Paragraph:
    when = says.time(by.signed_at, by.zone)
    return Paragraph(cell=cell(f"{what}: {reason} — {by.printed_name} ({says.role(by.role)}), {when} {by.zone}"))


def law(says: Says, view: BatchView, duties: Mapping[str, Words], found: tuple[Recorded, ...]) -> Section:
    """Rules of law that were read before acts on this batch and its order, and the change gate's verdicts."""
    columns = (
        (says("Rule", "规则"), 3),
        (says("Before which act", "何行为之前"), 4),
        (says("Verdict", "结论"), 3),
        (says("Why", "理由"), 9),
    )
    rows = [_finding(says, each.fact) for each in found if isinstance(each.fact, FindingRecorded)]
    blocks: list[Block] = [table(columns, rows)] if rows else []
    gates = [_gate(says, gate) for gate in view.gates]
    if gates:
        blocks.append(table(columns, gates))
    told = [row(locus, says.words(duty)) for locus, duty in sorted(duties.items())]
    if told:
        blocks.append(table(((says("Rule", "规则"), 1), (says("Duty, in our words", "义务（转述）"), 5)), told))
    none = Paragraph(cell=cell(says("No rule was read for this batch.", "本批未核查任何规则。")))
    title = says("Findings of law and of the change gate", "法规核查结论与变更关口")
    return Section(title=title, blocks=tuple(blocks) or (none,))


def _gate(says: Says, gate: GateLine) -> tuple[Cell, ...]:
    answer = says.named(GATE_ANSWERS, gate.answer)
    return row(says(f"gate row {gate.row}", f"第 {gate.row} 行"), gate.subject, answer, gate.reason)


def _finding(says: Says, fact: FindingRecorded) -> tuple[Cell, ...]:
    fine = fact.verdict in {Verdict.PASS, Verdict.NOT_APPLICABLE}
    verdict = cell(says.named(VERDICTS, str(fact.verdict)), "good" if fine else "bad")
    return row(fact.locus, says.words(act(fact.act)), verdict, fact.reason)


def signatures(says: Says, entries: tuple[Recorded, ...]) -> Section:
    """Who signed what, in which role, with which meaning, when and where (21 CFR 11.50)."""
    columns = (
        (says("Entry", "条目"), 2),
        (says("Name", "姓名"), 4),
        (says("Role", "角色"), 3),
        (says("Meaning", "含义"), 3),
        (says("When", "时间"), 5),
        (says("Given again at signing", "签名时再次出示"), 4),
        (says("What", "内容"), 8),
    )
    rows = [_signature(says, each, by) for each in entries for by in signatures_in(each)]
    none = Paragraph(cell=cell(says("Nobody has signed yet.", "尚无签名。"), "bad"))
    return Section(title=says("Signatures", "签名"), blocks=(table(columns, rows) if rows else none,))


def signatures_in(recorded: Recorded) -> Iterator[Signature]:
    """The signatures that a fact carries."""
    fact: Any = recorded.fact
    values = (getattr(fact, each.name) for each in fields(fact))
    yield from (value for value in values if isinstance(value, Signature))


def _signature(says: Says, recorded: Recorded, by: Signature) -> tuple[Cell, ...]:
    return row(
        str(recorded.entry.sequence),
        by.printed_name,
        says.role(by.role),
        says(*MEANINGS[by.meaning]),
        f"{says.time(by.signed_at, by.zone)} {by.zone}",
        says(", ", "、").join(says.named(COMPONENTS, each) for each in by.components),
        says.words(tell(recorded.fact)),
    )
