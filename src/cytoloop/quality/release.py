"""Release: what the qualified person is shown, what stands in the way, and which dispositions may be signed.

Releasing needs an empty list of obstacles. Supply out of specification and conditional release are different
decisions with conditions of their own, never a softer release (EudraLex Vol. 4 Part IV, chapter 11).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from cytoloop.core.batch import Batch, Deviation
from cytoloop.core.errors import RefusedError
from cytoloop.core.facts.quality import DispositionKind, DispositionSigned
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Signature
from cytoloop.core.words import Words
from cytoloop.quality.specification import Judged, judge

ObstacleKind = Literal[
    "already-signed",
    "not-finished",
    "aborted",
    "open-deviation",
    "identity",
    "out-of-specification",
    "cannot-judge",
    "result-missing",
    "law",
]

RELEASER = "qualified_person"
"""The role that signs a disposition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """One thing that stands in the way of releasing a batch."""

    kind: ObstacleKind
    words: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A batch as the qualified person sees it before signing."""

    batch: Batch
    results: tuple[Judged, ...]
    obstacles: tuple[Obstacle, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of what is shown: what the signature binds to."""
        return digest(shown(self))


def review(batch: Batch, further: tuple[Obstacle, ...] = ()) -> Review:
    """The review of `batch`; `further` are obstacles other stages found (rules of law)."""
    judged = tuple(judge(told.fact, batch.master.product, batch.created.weight) for told in batch.results)
    obstacles = (*_progress(batch), *_deviations(batch), *_specification(batch, judged), *further)
    return Review(batch=batch, results=judged, obstacles=obstacles)


def shown(review: Review) -> dict[str, JSON]:
    """Everything the qualified person is shown, as plain JSON."""
    batch, created = review.batch, review.batch.created
    return {
        "batch": batch.number,
        "order": created.order,
        "subject": created.subject,
        "coi": created.coi,
        "product": created.product,
        "recipe": created.recipe,
        "recipe_version": created.recipe_version,
        "recipe_sha256": created.recipe_sha256,
        "weight": created.weight,
        "position": batch.position,
        "finished_at": batch.finished_at.isoformat() if batch.finished_at else None,
        "moves": [
            {"parameter": move.fact.parameter, "old": move.fact.old, "new": move.fact.new, "unit": move.fact.unit}
            for move in batch.moves
        ],
        "results": [_result(judged) for judged in review.results],
        "deviations": [_deviation(each) for each in batch.deviations.values()],
        "obstacles": [{"kind": each.kind, "en": each.words.en, "zh": each.words.zh} for each in review.obstacles],
    }


def allowed(review: Review) -> tuple[DispositionKind, ...]:
    """The dispositions that may be signed now.

    Rejection is always open once production is over. Release: no obstacle. Conditional release: only results
    are still missing. Supply out of specification: production finished, every obstacle a limit not met.
    """
    kinds = {obstacle.kind for obstacle in review.obstacles}
    if "already-signed" in kinds or not review.batch.ended:
        return ()
    if not kinds:
        return ("released", "rejected")
    if kinds == {"result-missing"}:
        return ("conditionally-released", "rejected")
    if kinds == {"out-of-specification"}:
        return ("supplied-out-of-specification", "rejected")
    return ("rejected",)


def sign_off(review: Review, disposition: DispositionKind, reason: str, signature: Signature) -> DispositionSigned:
    """The signed disposition; RefusedError when it is not open, not reasoned or not signed as shown."""
    number = review.batch.number
    if disposition not in allowed(review):
        why = "; ".join(obstacle.words.en for obstacle in review.obstacles) or "nothing hinders its release"
        raise RefusedError(f"batch {number} cannot be {disposition}: {why}")
    if signature.role != RELEASER:
        raise RefusedError(f"batch {number}: a disposition is signed by a {RELEASER}, not by a {signature.role}")
    if signature.digest != review.digest:
        raise RefusedError(f"batch {number} changed after it was shown to {signature.signer}; show it again")
    if signature.meaning != ("rejected" if disposition == "rejected" else "released"):
        raise RefusedError(f"batch {number}: the signature means {signature.meaning!r}, not {disposition!r}")
    if not reason.strip():
        raise RefusedError(f"batch {number}: give a reason for the disposition")
    return DispositionSigned(disposition=disposition, reason=reason, signature=signature)


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


def _specification(batch: Batch, judged: tuple[Judged, ...]) -> Iterator[Obstacle]:
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


def _obstacle(kind: ObstacleKind, en: str, zh: str) -> Obstacle:
    return Obstacle(kind=kind, words=Words(en=en, zh=zh))


def _result(judged: Judged) -> JSON:
    result = judged.result
    return {
        "sample": result.sample,
        "attribute": result.attribute,
        "stage": result.stage,
        "value": result.value,
        "unit": result.unit,
        "low": judged.low,
        "high": judged.high,
        "judgement": judged.judgement,
    }


def _deviation(deviation: Deviation) -> JSON:
    fact, closed = deviation.opened.fact, deviation.closed
    return {
        "deviation": fact.deviation,
        "kind": fact.kind,
        "what": fact.what,
        "decision": closed.fact.decision if closed else None,
        "reason": closed.fact.reason if closed else None,
        "signer": closed.fact.signature.signer if closed else None,
    }
