"""Release: what the qualified person is shown, what stands in the way, and which dispositions may be signed.

Releasing needs an empty list of obstacles. Supply out of specification and conditional release are different
decisions with conditions of their own, never a softer release (EudraLex Vol. 4 Part IV, chapter 11).
"""

from dataclasses import dataclass
from typing import get_args

from cytoloop.core.batch import Batch, Deviation, Told
from cytoloop.core.errors import RefusedError
from cytoloop.core.facts.production import ValueCorrected
from cytoloop.core.facts.quality import DispositionKind, DispositionSigned, RecordReviewed
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Meaning, Signature
from cytoloop.core.words import Words
from cytoloop.quality.obstacles import Obstacle, obstacles
from cytoloop.quality.specification import Judged, judge

RELEASER = "qualified_person"
"""The role that signs a disposition."""
DISPOSITIONS: tuple[DispositionKind, ...] = get_args(DispositionKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A batch as the qualified person sees it before signing."""

    batch: Batch
    results: tuple[Judged, ...]
    obstacles: tuple[Obstacle, ...]

    def digest(self, disposition: DispositionKind, reason: str) -> str:
        """SHA-256 of the canonical JSON of what is shown: what the signature binds to."""
        return digest(decided(self, disposition, reason))


def review(batch: Batch, further: tuple[Obstacle, ...] = ()) -> Review:
    """The review of `batch`; `further` are obstacles other stages found (rules of law)."""
    judged = tuple(judge(told.fact, batch.master.product, batch.created.weight) for told in batch.results)
    return Review(batch=batch, results=judged, obstacles=(*obstacles(batch, judged), *further))


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
        "corrections": [_correction(told) for told in batch.corrections],
        "review": _review(batch.reviewed) if batch.reviewed else None,
        "obstacles": [{"kind": each.kind, "en": each.words.en, "zh": each.words.zh} for each in review.obstacles],
    }


def decided(review: Review, disposition: DispositionKind, reason: str) -> dict[str, JSON]:
    """What is signed: everything shown, with the disposition and its reason."""
    return {**shown(review), "disposition": disposition, "reason": reason}


def meaning_of(disposition: DispositionKind) -> Meaning:
    """What a signature under the disposition means."""
    return "rejected" if disposition == "rejected" else "released"


def allowed(review: Review) -> tuple[DispositionKind, ...]:
    """The dispositions that may be signed now.

    Rejection is always open once production is over. Release: no obstacle. Conditional release: only results are
    still missing. Supply out of specification: production finished, every obstacle a limit not met.
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


def demand_open(review: Review, disposition: DispositionKind) -> None:
    """RefusedError, with everything that stands in the way, unless `disposition` may be signed now."""
    if disposition in allowed(review):
        return
    number, words = review.batch.number, [obstacle.words for obstacle in review.obstacles]
    why = "; ".join(each.en for each in words) or "nothing hinders its release"
    raise RefusedError(
        Words(
            en=f"batch {number} cannot be {disposition}: {why}",
            zh=f"批次 {number} 不能作此处置：{'；'.join(each.zh for each in words) or '并无放行障碍'}",
        )
    )


def sign_off(review: Review, disposition: DispositionKind, reason: str, signature: Signature) -> DispositionSigned:
    """The signed disposition; RefusedError when it is not open, not reasoned or not signed as shown."""
    number = review.batch.number
    demand_open(review, disposition)
    if signature.role != RELEASER:
        raise RefusedError(f"batch {number}: a disposition is signed by a {RELEASER}, not by a {signature.role}")
    if not reason.strip():
        raise RefusedError(f"batch {number}: give a reason for the disposition")
    if signature.digest != review.digest(disposition, reason):
        raise RefusedError(f"batch {number} changed after it was shown to {signature.signer}; show it again")
    if signature.meaning != meaning_of(disposition):
        raise RefusedError(f"batch {number}: the signature means {signature.meaning!r}, not {disposition!r}")
    return DispositionSigned(disposition=disposition, reason=reason, signature=signature)


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


def _correction(told: Told[ValueCorrected]) -> JSON:
    fact = told.fact
    return {
        "corrects": fact.corrects,
        "field": fact.field,
        "old": fact.old,
        "new": fact.new,
        "reason": fact.reason,
        "signer": fact.signature.signer,
    }


def _review(told: Told[RecordReviewed]) -> JSON:
    fact = told.fact
    return {"position": fact.position, "remarks": fact.remarks, "signer": fact.signature.signer}


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
