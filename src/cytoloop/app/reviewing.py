"""Reviewing, and deciding on what is still open: the acts of quality assurance between production and disposition."""

from collections.abc import Sequence
from dataclasses import dataclass

from cytoloop.app.acts import refusing
from cytoloop.app.people import People, Signer
from cytoloop.app.permissions import Circle, check
from cytoloop.app.production import read_batch
from cytoloop.app.registrar import Registrar
from cytoloop.app.signing import signed_for, times_refused
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Draft, Fact, Recorded
from cytoloop.core.equipment import Door
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.facts.production import BatchAborted
from cytoloop.core.facts.quality import Decision, DeviationClosed
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Meaning, Signature
from cytoloop.core.words import Words
from cytoloop.quality.record_review import REVIEWER, reviewable, sign_review, to_review
from cytoloop.record.ledger import Ledger

MEANING: Meaning = "reviewed"
DECISIONS: tuple[Decision, ...] = ("continue", "terminate")
"""What may be decided on a deviation once production is over: no step is left to repeat."""

CLOSED = Words(en="is closed", zh="已关闭")
WAITED_FOR = Words(en="is decided on where production runs, which waits for it", zh="由正在等待的生产程序请求决定")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What somebody is shown of a batch before they sign. Nothing is written yet."""

    batch: Batch
    content: dict[str, JSON]

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of what is shown: what the signature binds to."""
        return digest(self.content)


def record_to_review(ledger: Ledger, number: str, remarks: str) -> Shown:
    """The batch's record as its reviewer is shown it; RefusedError while it cannot be reviewed."""
    return _to_review(ledger, read_batch(ledger, number), remarks)


def _to_review(ledger: Ledger, batch: Batch, remarks: str) -> Shown:
    reviewable(batch)
    return Shown(batch=batch, content=to_review(batch, list(ledger.stream(f"batch/{batch.number}")), remarks))


def sign_off_record(people: People, by: Signer, seen: Shown) -> tuple[Recorded, ...]:
    """Have `by` sign the review as shown, and write it; refusals are entries. Raises as `review`."""
    circle = Circle(actors=seen.batch.people)
    signature = people.sign_for(
        "review-record", by, meaning=MEANING, shown=seen.content, subject=_stream(seen.batch), circle=circle
    )
    return review(people.registrar, seen, signature)


def review(registrar: Registrar, seen: Shown, signature: Signature) -> tuple[Recorded, ...]:
    """Write the signed review.

    Raises RefusedError when the signer may not (nobody reviews a batch they acted in) or signed something else;
    ConflictError when the batch grew meanwhile: show it again.
    """
    check("review-record", signature, actors=seen.batch.people)
    fact = sign_review(seen.batch, seen.content, signature)
    return write(registrar, seen.batch, fact, signer=signature.signer)


async def ask_review(registrar: Registrar, batch: Batch, door: Door, remarks: str) -> Draft:
    """Have the person behind `person:reviewer` review the batch, and give the signed review as a draft."""
    seen, subject = _to_review(registrar.ledger, batch, remarks), f"batch/{batch.number}"
    refused = times_refused(registrar.ledger, "review-record", subject)
    answer = await signed_for(
        "review-record",
        registrar,
        door,
        subject=subject,
        key=f"{batch.number}/review#{len(batch.reviews) + refused + 1}",
        role=REVIEWER,
        target="person:reviewer",
        meaning=MEANING,
        what=f"review of the record of batch {batch.number}",
        shown=seen.content,
        actors=batch.people,
    )
    fact = sign_review(batch, seen.content, answer.signature)
    return Draft(fact=fact, actor=f"person:{answer.signature.signer}", happened_at=answer.at)


def deviation_to_decide(ledger: Ledger, number: str, deviation: str, decision: str, reason: str) -> Shown:
    """An open deviation of a batch whose production is over, as quality assurance is shown it with the decision made.

    While production runs, the runner asks for decisions and waits for them. UserError for a deviation or decision that
    there is not; RefusedError when it is not open or production runs.
    """
    batch = read_batch(ledger, number)
    found = batch.deviations.get(deviation)
    if found is None:
        known = ", ".join(batch.deviations) or "none"
        raise UserError(
            Words(
                en=f"batch {number} has no deviation {deviation!r}; it has {known}",
                zh=f"批次 {number} 没有偏差 {deviation!r}；该批次的偏差见批次页面",
            )
        )
    if found.closed is not None or not batch.ended:
        why = CLOSED if found.closed is not None else WAITED_FOR
        raise RefusedError(Words(en=f"deviation {deviation} {why.en}", zh=f"偏差 {deviation} {why.zh}"))
    if decision not in DECISIONS or not reason.strip():
        raise UserError(
            Words(
                en=f"decide on {deviation} with one of {', '.join(DECISIONS)}, and say why in a sentence",
                zh=f"请对 {deviation} 选择一项决定，并用一句话说明理由",
            )
        )
    opened = found.opened.fact
    return Shown(
        batch=batch,
        content={
            "batch": number,
            "position": batch.position,
            "deviation": deviation,
            "kind": opened.kind,
            "what": opened.what,
            "step": opened.step,
            "decision": decision,
            "reason": reason.strip(),
        },
    )


def sign_decision(people: People, by: Signer, seen: Shown) -> tuple[Recorded, ...]:
    """Have `by` sign the decision as shown, and write it; refusals are entries. Raises as `decide`."""
    subject = _stream(seen.batch)
    signature = people.sign_for("close-deviation", by, meaning=MEANING, shown=seen.content, subject=subject)
    with refusing(people.registrar, "close-deviation", subject, user=signature.signer, roles=(signature.role,)):
        return decide(people.registrar, seen, signature)


def decide(registrar: Registrar, seen: Shown, signature: Signature) -> tuple[Recorded, ...]:
    """Write the signed decision on a deviation; "terminate" ends the batch as well.

    Raises RefusedError when the signer may not, corrected the value that showed the deviation, or signed something
    else; ConflictError when the batch grew meanwhile.
    """
    deviation = str(seen.content["deviation"])
    check("close-deviation", signature)
    if signature.signer in _showed(seen.batch, deviation):
        raise RefusedError(
            Words(
                en=f"{signature.signer} made the correction that {deviation} is about; ask somebody else",
                zh=f"{deviation} 涉及的更正由 {signature.signer} 作出；请由他人决定",
            )
        )
    if signature.digest != seen.digest or signature.meaning != MEANING:
        raise RefusedError(f"{signature.signer} signed something else than the decision on {deviation}; show it again")
    decision: Decision = "terminate" if seen.content["decision"] == "terminate" else "continue"
    reason = str(seen.content["reason"])
    closed = DeviationClosed(deviation=deviation, decision=decision, reason=reason, signature=signature)
    aborted = BatchAborted(deviation=deviation, reason=reason)
    facts: Sequence[Fact] = (closed, aborted) if decision == "terminate" and not seen.batch.aborted else (closed,)
    return write(registrar, seen.batch, *facts, signer=signature.signer)


def _showed(batch: Batch, deviation: str) -> set[str]:
    """Who made the correction that showed the deviation."""
    cause = batch.deviations[deviation].opened.fact.cause
    return {told.fact.signature.signer for told in batch.corrections if told.position == cause}


def write(registrar: Registrar, batch: Batch, *facts: Fact, signer: str) -> tuple[Recorded, ...]:
    """Append what `signer` signed to the batch as it was shown; ConflictError when it grew meanwhile."""
    now = registrar.clock.now()
    drafts = [Draft(fact=fact, actor=f"person:{signer}", happened_at=now) for fact in facts]
    return registrar.ledger.append(_stream(batch), drafts, expected=batch.position)


def _stream(batch: Batch) -> str:
    return f"batch/{batch.number}"
