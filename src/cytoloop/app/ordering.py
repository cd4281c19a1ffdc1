"""Ordering: a person holds a batch, lets it go on, or ends it; each order is shown, signed and entered.

The commands HOLD, RESTART and ABORT of ISA-88's procedural states. Whoever carries the batch finds the order in its
stream: a hold starts no more steps, an abort first brings the units into their safe state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from cytoloop.app.acts import refusing
from cytoloop.app.people import People, Signer
from cytoloop.app.permissions import Act, check
from cytoloop.app.production import read_batch
from cytoloop.app.registrar import Registrar
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Draft, Recorded
from cytoloop.core.errors import ConflictError, RefusedError, UserError
from cytoloop.core.facts.production import AbortOrdered, HoldLifted, HoldOrdered
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Meaning, Signature
from cytoloop.core.words import Words
from cytoloop.record.ledger import Ledger

Order = Literal["hold", "resume", "abort"]
MEANING: Meaning = "approved"
MOST_TRIES = 100
"""Times an order is entered again when others wrote into the batch first."""
ACTS: Mapping[Order, Act] = {"hold": "hold-batch", "resume": "lift-hold", "abort": "abort-batch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """An order as it is shown to who signs it. Nothing is written yet."""

    batch: Batch
    order: Order
    reason: str

    @property
    def shown(self) -> dict[str, JSON]:
        """Everything the signer is shown, as plain JSON."""
        underway: list[JSON] = [step.step for step in self.batch.underway]
        return {"batch": self.batch.number, "order": self.order, "reason": self.reason, "underway": underway}

    @property
    def digest(self) -> str:
        """SHA-256 of what is shown."""
        return digest(self.shown)


def to_order(ledger: Ledger, number: str, order: str, reason: str) -> Ordered:
    """The order on a batch, to be shown and signed.

    UserError for a word that is none, or without a reason; RefusedError when the batch cannot take it.
    """
    named = next((each for each in get_args(Order) if each == order), None)
    if named is None:
        raise UserError(f"{order!r} is no order; choose one of {', '.join(get_args(Order))}")
    if not reason.strip():
        raise UserError(
            Words(en="an order needs a reason: say why in a sentence", zh="指令须有理由：请用一句话说明原因")
        )
    batch = read_batch(ledger, number)
    why = _not_now(batch, named)
    if why is not None:
        raise RefusedError(why)
    return Ordered(batch=batch, order=named, reason=reason.strip())


def sign_order(people: People, by: Signer, seen: Ordered) -> Recorded:
    """Have `by` sign the order as shown, and enter it behind whatever the stream holds; refusals are entries."""
    subject, act = f"batch/{seen.batch.number}", ACTS[seen.order]
    signature = people.sign_for(act, by, meaning=MEANING, shown=seen.shown, subject=subject)
    with refusing(people.registrar, act, subject, user=signature.signer, roles=(signature.role,)):
        return enter(people.registrar, seen, signature)


def enter(registrar: Registrar, seen: Ordered, signature: Signature) -> Recorded:
    """Enter the signed order; RefusedError when the signer may not, or signed something else."""
    check(ACTS[seen.order], signature)
    if signature.digest != seen.digest or signature.meaning != MEANING:
        raise RefusedError(f"{signature.signer} signed something else than this order; show it again")
    kinds: Mapping[Order, type[HoldOrdered | HoldLifted | AbortOrdered]] = {
        "hold": HoldOrdered,
        "resume": HoldLifted,
        "abort": AbortOrdered,
    }
    fact = kinds[seen.order](reason=seen.reason, signature=signature)
    draft = Draft(fact=fact, actor=f"person:{signature.signer}", happened_at=registrar.clock.now())
    stream, ledger = f"batch/{seen.batch.number}", registrar.ledger
    for _ in range(MOST_TRIES):
        try:
            return ledger.append(stream, [draft], expected=ledger.position(stream))[0]
        except ConflictError:
            continue  # the batch goes on while a person signs: an order stands behind whatever came meanwhile
    raise ConflictError(
        f"the order on batch {seen.batch.number} could not be entered: its record grows too fast; again"
    )


def _not_now(batch: Batch, order: Order) -> Words | None:
    number = batch.number
    if batch.ended:
        return Words(
            en=f"production of batch {number} is over: nothing is left to {order}", zh=f"批次 {number} 生产已结束"
        )
    if batch.abort is not None:
        return Words(en=f"batch {number} is being aborted already", zh=f"批次 {number} 已在中止")
    if order == "hold" and batch.on_hold is not None:
        return Words(en=f"batch {number} is on hold already", zh=f"批次 {number} 已被暂停")
    if order == "resume" and batch.on_hold is None:
        return Words(
            en=f"batch {number} is not on hold: there is nothing to resume", zh=f"批次 {number} 未被暂停，无需恢复"
        )
    return None
