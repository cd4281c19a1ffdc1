"""Obstacles: what stands in the way of releasing a batch, each in words for the person who decides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cytoloop.core.batch import Batch
from cytoloop.core.words import Words
from cytoloop.quality.specification import Judged

ObstacleKind = Literal[
    "already-signed",
    "not-finished",
    "aborted",
    "open-deviation",
    "identity",
    "out-of-specification",
    "cannot-judge",
    "result-missing",
    "not-reviewed",
    "law",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """One thing that stands in the way of releasing a batch."""

    kind: ObstacleKind
    words: Words


def obstacles(batch: Batch, judged: Sequence[Judged]) -> tuple[Obstacle, ...]:
    """Everything in the way that the batch itself shows; none when it may be released."""
    return (*_progress(batch), *_deviations(batch), *_specification(batch, judged), *_unreviewed(batch))


def _progress(batch: Batch) -> Iterator[Obstacle]:
    """A conditional release is the one disposition that another may follow."""
    if batch.disposition is not None and batch.disposition.fact.disposition != "conditionally-released":
        kind = batch.disposition.fact.disposition
        yield _obstacle("already-signed", f"the batch is already {kind}", f"该批已签署处置：{kind}")
    if batch.aborted is not None:
        yield _obstacle("aborted", "production was ended before its recipe", "生产在配方完成前终止")
    elif batch.finished_at is None:
        yield _obstacle("not-finished", "production is not finished", "生产尚未完成")


def _deviations(batch: Batch) -> Iterator[Obstacle]:
    for each in batch.deviations.values():
        fact = each.opened.fact
        if each.closed is None:
            en, zh = f"deviation {fact.deviation} is open: {fact.what}", f"偏差 {fact.deviation} 未关闭：{fact.what}"
            yield _obstacle("open-deviation", en, zh)
        elif fact.kind == "identity-mismatch" and each.closed.fact.decision == "continue":
            en = f"deviation {fact.deviation}: the batch went on although a label was not this patient's"
            yield _obstacle("identity", en, f"偏差 {fact.deviation}：标签与患者不符，批次仍继续")


def _specification(batch: Batch, judged: Sequence[Judged]) -> Iterator[Obstacle]:
    """Any release result out of specification stands: a later, better one does not wash it away."""
    release = [each for each in judged if each.result.stage == "release"]
    for each in release:
        if each.judgement == "out":
            yield _obstacle("out-of-specification", each.reason, f"不符合放行标准：{each.reason}")
        elif each.judgement == "cannot-judge":
            yield _obstacle("cannot-judge", each.reason, f"无法判定：{each.reason}")
    tested = {each.result.attribute for each in release}
    for attribute in batch.master.product.at("release"):
        if attribute.critical and attribute.attribute not in tested:
            en = f"there is no release result of {attribute.words.en} ({attribute.attribute})"
            yield _obstacle("result-missing", en, f"缺少放行检验结果：{attribute.words.zh}")


def _unreviewed(batch: Batch) -> Iterator[Obstacle]:
    """A batch is released on a record that somebody else has read since its last entry (21 CFR 211.192)."""
    if not batch.ended or batch.reviewed is not None:
        return
    if not batch.reviews:
        yield _obstacle("not-reviewed", "nobody has reviewed the record", "批记录尚未审核")
        return
    seen, now = batch.reviews[-1].fact.position, batch.position
    en = f"the record was reviewed up to entry {seen} of {now}: review it again"
    yield _obstacle("not-reviewed", en, f"批记录仅审核至第 {seen} 条（共 {now} 条），须重新审核")


def _obstacle(kind: ObstacleKind, en: str, zh: str) -> Obstacle:
    return Obstacle(kind=kind, words=Words(en=en, zh=zh))
