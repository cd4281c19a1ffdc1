"""Correcting: a value that somebody typed wrong gets its right one, with a reason and a signature.

The first value stays where it stands and is shown beside the new one (21 CFR 11.10(e): changes do not obscure what was
recorded before; EU GMP Annex 11 §9: with a reason). What equipment measured and what a laboratory found is never
corrected here: a wrong result is a matter for a deviation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cytoloop.app.people import People, Signer
from cytoloop.app.permissions import check
from cytoloop.app.production import read_batch
from cytoloop.app.quality import inspect
from cytoloop.app.registrar import Registrar
from cytoloop.core.batch import Batch, StepRecord, apply
from cytoloop.core.entry import Draft, Entry, Recorded
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.facts.production import ValueCorrected
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Meaning, Signature
from cytoloop.core.words import Words
from cytoloop.quality.answer import Question, questions
from cytoloop.record.ledger import Ledger

MEANING: Meaning = "answered"
"""A correction answers the recipe's question anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A correction as it is shown to who signs it. Nothing is written yet."""

    batch: Batch
    entry: int
    """Sequence of the entry that holds the wrong value."""
    corrects: int
    """Its position in the batch's stream."""
    step: str
    question: Question
    old: JSON
    new: float
    reason: str

    @property
    def shown(self) -> dict[str, JSON]:
        """Everything the signer is shown, as plain JSON."""
        asked = self.question
        return {
            "batch": self.batch.number,
            "position": self.batch.position,
            "entry": self.entry,
            "step": self.step,
            "field": asked.name,
            "unit": asked.unit,
            "low": asked.low,
            "high": asked.high,
            "old": self.old,
            "new": self.new,
            "reason": self.reason,
            "problem": asked.problem(self.new),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of what is shown: what the signature binds to."""
        return digest(self.shown)


def propose(ledger: Ledger, number: str, *, entry: int, field: str, to: str, reason: str) -> Correction:
    """The correction of the value `field` of the entry with sequence `entry`, to be shown and signed.

    UserError for a place or value that cannot be meant; RefusedError for one that may not be corrected.
    """
    batch = read_batch(ledger, number)
    step, corrects = _typed(batch, ledger, entry)
    question = next((each for each in questions(step) if each.name == field), None)
    if question is None:
        names = ", ".join(each.name for each in questions(step)) or "nothing"
        raise UserError(f"entry {entry} holds no typed value {field!r}; {step.step} asked for {names}")
    new, old = _number(to, question.unit), step.values.get(field)
    if new == old:
        raise UserError(
            Words(
                en=f"{field} of entry {entry} is {new:g} {question.unit} already; there is nothing to correct",
                zh=f"条目 {entry} 的 {field} 已是 {new:g} {question.unit}，无需更正",
            )
        )
    if not reason.strip():
        raise UserError(
            Words(
                en="a correction needs a reason: say in a sentence what was wrong and how it is known",
                zh="更正须有理由：请用一句话说明错在何处、如何得知",
            )
        )
    return Correction(
        batch=batch,
        entry=entry,
        corrects=corrects,
        step=step.step,
        question=question,
        old=old,
        new=new,
        reason=reason.strip(),
    )


def sign_correction(people: People, by: Signer, correction: Correction) -> tuple[Recorded, ...]:
    """Have `by` sign the correction as shown, and write it; refusals are entries. Raises as `correct`."""
    subject = f"batch/{correction.batch.number}"
    signature = people.sign_for("correct-value", by, meaning=MEANING, shown=correction.shown, subject=subject)
    return correct(people.registrar, correction, signature)


def correct(registrar: Registrar, correction: Correction, signature: Signature) -> tuple[Recorded, ...]:
    """Write the signed correction, and the deviation that it shows when the new value is out of the question's range.

    Raises RefusedError when the signer may not or signed something else; ConflictError when the batch grew meanwhile:
    propose it again. Nothing is written then.
    """
    check("correct-value", signature)
    number, now = correction.batch.number, registrar.clock.now()
    if signature.digest != correction.digest or signature.meaning != MEANING:
        raise RefusedError(f"{signature.signer} signed something else than the correction of {number}; show it again")
    corrected = ValueCorrected(
        corrects=correction.corrects,
        field=correction.question.name,
        old=correction.old,
        new=correction.new,
        reason=correction.reason,
        signature=signature,
    )
    draft = Draft(fact=corrected, actor=f"person:{signature.signer}", happened_at=now)
    drafts = [draft, *_consequences(correction.batch, draft)]
    return registrar.ledger.append(f"batch/{number}", drafts, expected=correction.batch.position)


def _typed(batch: Batch, ledger: Ledger, sequence: int) -> tuple[StepRecord, int]:
    """The step whose values entry `sequence` holds, and the entry's position; RefusedError when nobody typed them."""
    number = batch.number
    if batch.disposition is not None:
        kind = batch.disposition.fact.disposition
        raise RefusedError(
            Words(
                en=f"batch {number} is {kind}: its record is closed to corrections; open a deviation instead",
                zh=f"批次 {number} 已处置，其记录不再接受更正；请改为发起偏差",
            )
        )
    stream = ledger.stream(f"batch/{number}")
    found = next((each.entry for each in stream if each.entry.sequence == sequence), None)
    if found is None:
        raise UserError(
            Words(
                en=f"entry {sequence} is not of batch {number}; `cytoloop batch show {number}` numbers them",
                zh=f"条目 {sequence} 不属于批次 {number}；条目号见该批次的记录",
            )
        )
    step = next((each for each in batch.steps.values() if each.position == found.position), None)
    typed = step is not None and step.state == "done" and step.verb == "ask" and found.actor.startswith("person:")
    if step is None or not typed:
        raise RefusedError(
            Words(
                en=f"entry {sequence} ({found.name} by {found.actor}) holds nothing that a person typed, or its step "
                "was done again since; only typed values that stand are corrected",
                zh=f"条目 {sequence}（{found.name}，{found.actor}）没有人工录入的数值，"
                "或其步骤已重做；只能更正仍有效的录入值",
            )
        )
    return step, found.position


def _number(text: str, unit: str) -> float:
    """The number that `text` writes, alone or with the question's unit behind it."""
    written = text.strip().removesuffix(unit).strip() if unit != "1" else text.strip()
    try:
        number = float(written)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(
            Words(
                en=f"{text!r} is no number in {unit}; write for example 5.2, or '5.2 {unit}'",
                zh=f"{text!r} 不是以 {unit} 为单位的数值；请填写例如 5.2 或 '5.2 {unit}'",
            )
        )
    return number


def _consequences(batch: Batch, corrected: Draft) -> Sequence[Draft]:
    """Deviations that the correction shows: those of the batch as it will be."""
    at = corrected.happened_at
    entry = Entry(
        sequence=-1,
        stream=f"batch/{batch.number}",
        position=batch.position,
        name=corrected.fact.NAME,
        actor=corrected.actor,
        happened_at=at,
        recorded_at=at,
        data={},
    )
    return inspect(apply(batch, Recorded(entry, corrected.fact)), at)
