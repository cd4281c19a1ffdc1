"""Record review: somebody who did not act in a batch reads its record with its audit trail, and signs what was shown.

Production and control records are reviewed before a batch is released (21 CFR 211.192), audit trails with them (EU GMP
Annex 11 §9). What was entered after a review asks for a new one.
"""

from collections.abc import Sequence

from cytoloop.core.batch import Batch
from cytoloop.core.entry import Recorded, document
from cytoloop.core.errors import RefusedError
from cytoloop.core.facts.quality import RecordReviewed
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Signature
from cytoloop.core.words import Words
from cytoloop.quality.release import review, shown

REVIEWER = "qa"
"""The role that reviews a record."""


def to_review(batch: Batch, stream: Sequence[Recorded], remarks: str) -> dict[str, JSON]:
    """Everything the reviewer is shown, as plain JSON: the batch as for its release, and every entry by its hash.

    `stream` is the batch's whole stream: what `batch` was folded from.
    """
    whole: list[JSON] = [document(each.entry) for each in stream]
    people: list[JSON] = [*sorted(batch.people)]
    return {
        **shown(review(batch)),
        "people": people,
        "entries": len(whole),
        "entries_sha256": digest(whole),
        "remarks": remarks,
    }


def reviewable(batch: Batch) -> None:
    """RefusedError while there is nothing to review: production runs, a deviation is open, the batch is decided on."""
    if batch.disposition is not None and batch.disposition.fact.disposition != "conditionally-released":
        raise RefusedError(
            Words(
                en=f"batch {batch.number} is {batch.disposition.fact.disposition}: no review follows that",
                zh=f"批次 {batch.number} 已处置，不再审核",
            )
        )
    if not batch.ended:
        raise RefusedError(
            Words(
                en=f"batch {batch.number} is in production; its record is reviewed when that is over",
                zh=f"批次 {batch.number} 仍在生产；生产结束后方可审核批记录",
            )
        )
    if batch.open_deviations:
        number = batch.open_deviations[0].opened.fact.deviation
        raise RefusedError(
            Words(
                en=f"batch {batch.number}: deviation {number} is open; decide on it, then review the record",
                zh=f"批次 {batch.number}：偏差 {number} 尚未关闭；请先作出决定，再审核批记录",
            )
        )


def sign_review(batch: Batch, seen: dict[str, JSON], signature: Signature) -> RecordReviewed:
    """The signed review of what `to_review` showed; RefusedError when it may not be, or is not signed as shown."""
    reviewable(batch)
    number, signer = batch.number, signature.signer
    if signature.role != REVIEWER:
        raise RefusedError(f"batch {number}: a record is reviewed by {REVIEWER}, not by a {signature.role}")
    if signer in batch.people:
        raise RefusedError(f"batch {number}: {signer} took part in it and may not review its record; ask somebody else")
    if signature.digest != digest(seen) or seen["position"] != batch.position:
        raise RefusedError(f"batch {number} changed after it was shown to {signer}; show it again")
    if signature.meaning != "reviewed":
        raise RefusedError(f"batch {number}: the signature means {signature.meaning!r}, not 'reviewed'")
    return RecordReviewed(batch=number, position=batch.position, remarks=str(seen["remarks"]), signature=signature)
