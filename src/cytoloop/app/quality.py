"""Quality, as the app runs it: note deviations while a batch runs, and bring it to its disposition."""

from collections.abc import Sequence

from cytoloop.app.registrar import Registrar
from cytoloop.app.signing import signed_for, times_refused
from cytoloop.core.batch import Batch, Told
from cytoloop.core.entry import Draft
from cytoloop.core.equipment import Door
from cytoloop.core.facts.quality import DispositionKind, DispositionSigned
from cytoloop.core.time import Instant
from cytoloop.quality.deviation import needed
from cytoloop.quality.obstacles import Obstacle
from cytoloop.quality.release import RELEASER, Review, allowed, decided, meaning_of, review, sign_off


def inspect(batch: Batch, now: Instant) -> Sequence[Draft]:
    """Observer of the runner: a deviation for everything that departed from what was approved."""
    return [Draft(fact=fact, actor="system:quality", happened_at=now) for fact in needed(batch)]


async def dispose(
    registrar: Registrar, batch: Batch, door: Door, obstacles: tuple[Obstacle, ...]
) -> tuple[Review, Draft]:
    """Show the batch to the qualified person and take the signed disposition.

    Raises RefusedError, which is an entry, when what comes back is not signed as shown, or may not be signed.
    """
    seen = review(batch, obstacles)
    options = allowed(seen)
    kind: DispositionKind = "released" if "released" in options else "rejected"
    reason = _reason(seen)
    answer = await signed_for(
        "dispose",
        registrar,
        door,
        subject=(subject := f"batch/{batch.number}"),
        key=f"{batch.number}/disposition#{1 + times_refused(registrar.ledger, 'dispose', subject)}",
        role=RELEASER,
        meaning=meaning_of(kind),
        what=f"disposition of batch {batch.number}: {kind}",
        shown=decided(seen, kind, reason),
        actors=batch.people,
    )
    fact = sign_off(seen, kind, reason, answer.signature)
    return seen, Draft(fact=fact, actor=f"person:{answer.signature.signer}", happened_at=answer.at)


def released(disposition: Told[DispositionSigned] | None) -> bool:
    """Whether the batch was released in specification."""
    return disposition is not None and disposition.fact.disposition == "released"


def _reason(seen: Review) -> str:
    if seen.obstacles:
        return "; ".join(obstacle.words.en for obstacle in seen.obstacles)
    return "every release result is in specification and every deviation is closed"
