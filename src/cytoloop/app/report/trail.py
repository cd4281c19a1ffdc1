"""Parts of the report on the record itself: readings beside it, the audit trail, what it stands on."""

from dataclasses import dataclass

from cytoloop.app.report.words import Says, cell, pairs, row, table
from cytoloop.app.telling import tell
from cytoloop.core.entry import Recorded
from cytoloop.core.facts.record import TelemetrySealed
from cytoloop.core.report import Cell, Paragraph, Section
from cytoloop.core.store import TreeHead
from cytoloop.core.time import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a report stands on, and when and where it was made."""

    origin: str
    head: TreeHead
    keys: tuple[str, ...]
    made_by: str
    made_at: Instant
    zone: str
    """IANA name of the site's zone, in which times are shown."""


def trail(says: Says, entries: tuple[Recorded, ...]) -> Section:
    """Every entry of the bundle in order: who, what, when it happened and when it was recorded."""
    columns = (
        (says("Entry", "条目"), 2),
        (says("Happened", "发生时间"), 5),
        (says("Recorded", "记录时间"), 5),
        (says("Who", "何人"), 4),
        (says("About", "关于"), 4),
        (says("What", "内容"), 11),
    )
    rows = [_entry(says, each) for each in entries]
    return Section(title=says("Audit trail", "审计追踪"), blocks=(table(columns, rows),))


def _entry(says: Says, recorded: Recorded) -> tuple[Cell, ...]:
    entry = recorded.entry
    return row(
        str(entry.sequence),
        says.time(entry.happened_at),
        says.time(entry.recorded_at),
        entry.actor,
        f"{entry.stream} #{entry.position}",
        says.words(tell(recorded.fact)),
    )


def telemetry(says: Says, entries: tuple[Recorded, ...]) -> Section:
    """The segments of readings that are sealed beside the record."""
    title = says("Readings beside the record", "记录之外的读数")
    columns = (
        (says("Segment", "数据段"), 3),
        (says("From and to", "起止"), 5),
        (says("Readings", "读数数量"), 2),
        (says("Signals", "信号"), 7),
        ("SHA-256", 8),
    )
    rows = [_segment(says, each.fact) for each in entries if isinstance(each.fact, TelemetrySealed)]
    none = Paragraph(cell=cell(says("No readings are sealed for this batch.", "本批没有封存的读数。"), "quiet"))
    return Section(title=title, blocks=(table(columns, rows) if rows else none,))


def _segment(says: Says, fact: TelemetrySealed) -> tuple[Cell, ...]:
    return row(
        fact.segment,
        f"{says.time(fact.first)}\n{says.time(fact.last)}",
        f"{fact.readings:,}",
        ", ".join(fact.tags),
        cell(fact.sha256, "code"),
    )


def stands_on(says: Says, standing: Standing) -> Section:
    """The tree head that every entry is under, the keys that sign for it, and how to check all of it."""
    keys = "; ".join(standing.keys)
    by_hand = says(
        "Each entry of this report stands in entries.jsonl of the bundle, exactly as it was hashed; proofs.json leads "
        "from each to the tree head below, and checkpoint.txt holds that tree head under the record's signature. Check "
        "the bundle with `cytoloop verify FILE`, or without our program with `python verify.py FILE`; README.en.md in "
        "the bundle says how to do it by hand. Compare the key below with the one you were given by another way.",
        "本报告的每个条目都按其哈希时的原样保存在数据包的 entries.jsonl 中；proofs.json 将每个条目连到下列树首，"
        "checkpoint.txt 以记录的签名载明该树首。可用 `cytoloop verify FILE` 核验数据包；不用本程序时用 "
        "`python verify.py FILE`；手工核验方法见数据包内的 README.zh.md。请将下列密钥与您从其他途径取得的密钥比对。",
    )
    rows = pairs(
        (says("Record", "记录"), cell(standing.origin, "code")),
        (says("Entries under the tree head", "树首下的条目数"), f"{standing.head.size:,}"),
        (says("Tree head", "树首"), cell(standing.head.root.hex(), "code")),
        (says("Keys of the record", "记录的密钥"), cell(keys, "code")),
        (says("Exported", "导出时间"), says.time(standing.made_at)),
        (says("Exported by", "导出程序"), standing.made_by),
    )
    title = says("What this report stands on", "本报告的依据")
    return Section(title=title, blocks=(rows, Paragraph(cell=cell(by_hand))))
