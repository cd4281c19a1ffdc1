"""Disposing: the qualified person decides on a batch, with everything in view that stands in the way."""

from cytoloop.app.acts import refusing
from cytoloop.app.people import People, Signer
from cytoloop.app.permissions import Circle
from cytoloop.app.production import read_batch
from cytoloop.app.reviewing import Shown, write
from cytoloop.core.entry import Recorded
from cytoloop.core.errors import UserError
from cytoloop.core.facts.quality import DispositionKind
from cytoloop.core.words import Words
from cytoloop.quality.release import DISPOSITIONS, decided, demand_open, meaning_of, review, sign_off
from cytoloop.record.ledger import Ledger


def batch_to_dispose(ledger: Ledger, number: str, disposition: str, reason: str) -> Shown:
    """The batch as the qualified person is shown it, with the disposition made.

    UserError for a disposition that there is not, or without a reason; RefusedError while it may not be signed.
    """
    kind = next((each for each in DISPOSITIONS if each == disposition), None)
    if kind is None or not reason.strip():
        raise UserError(
            Words(
                en=f"decide on batch {number} with one of {', '.join(DISPOSITIONS)}, and say why in a sentence",
                zh=f"请对批次 {number} 选择一项处置，并用一句话说明理由",
            )
        )
    seen = review(read_batch(ledger, number))
    demand_open(seen, kind)
    return Shown(batch=seen.batch, content=decided(seen, kind, reason.strip()))


def sign_disposition(people: People, by: Signer, seen: Shown) -> tuple[Recorded, ...]:
    """Have `by` sign the disposition as shown, and write it; refusals are entries.

    Raises RefusedError when the signer may not (nobody releases a batch they acted in) or signed something else;
    ConflictError when the batch grew meanwhile: show it again.
    """
    kind, reason, subject = kind_of(seen), str(seen.content["reason"]), f"batch/{seen.batch.number}"
    circle = Circle(actors=seen.batch.people)
    signature = people.sign_for(
        "dispose", by, meaning=meaning_of(kind), shown=seen.content, subject=subject, circle=circle
    )
    with refusing(people.registrar, "dispose", subject, user=signature.signer, roles=(signature.role,)):
        fact = sign_off(review(seen.batch), kind, reason, signature)
    return write(people.registrar, seen.batch, fact, signer=signature.signer)


def kind_of(seen: Shown) -> DispositionKind:
    """The disposition that is shown."""
    return next(each for each in DISPOSITIONS if each == seen.content["disposition"])
