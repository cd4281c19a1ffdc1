"""Checks, for the signatures of a batch, that each is over exactly what its signer was shown (21 CFR 11.70).

What was asked by the runner stands in the entry before the answer, with its hash: that must fit. What was shown for a
review or a disposition is put together again from the entries before it, as this version shows it; an entry of a
version that showed something else cannot be rebuilt here, and is counted so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cytoloop.app.correcting import Correction
from cytoloop.app.report.quality import signatures_in
from cytoloop.core.batch import Batch, apply, begin
from cytoloop.core.entry import Recorded
from cytoloop.core.errors import FindingError
from cytoloop.core.facts.production import RecipeApproved, StepStarted, ValueCorrected
from cytoloop.core.facts.quality import DeviationClosed, DispositionSigned, RecordReviewed
from cytoloop.core.json import digest
from cytoloop.core.signature import answered
from cytoloop.production.recipe_text import from_content
from cytoloop.quality.answer import questions
from cytoloop.quality.record_review import to_review
from cytoloop.quality.release import review, shown

ASIDE = frozenset({"options", "digest", "meaning"})
"""What stands beside what is shown in the arguments of a question."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Of the signatures in the batch's stream, how many were found to be over what was shown."""

    fitting: int
    signatures: int


def check_bound(entries: Sequence[Recorded], number: str) -> Bound:
    """Check the signatures in the stream of batch `number`; FindingError with the first that is over something else."""
    stream = [each for each in entries if each.entry.stream == f"batch/{number}"]
    signed = [(place, each, by) for place, each in enumerate(stream) for by in signatures_in(each)]
    asked = dict(_asked(stream))
    states = _states(entries, stream)
    fitting = 0
    for place, each, by in signed:
        wanted = _wanted(each, place, stream, asked, states)
        if isinstance(each.fact, DeviationClosed) and wanted and by.digest not in wanted:
            raise FindingError(
                f"the signature of {by.signer} under entry {each.entry.sequence} ({each.entry.name}) is over something "
                "else than what was shown"
            )
        fitting += by.digest in wanted
    return Bound(fitting, len(signed))


def _asked(stream: Sequence[Recorded]) -> Iterator[tuple[str, str]]:
    """Deviation -> hash of what was shown when a decision on it was asked for last; what stands there must have it."""
    for each in stream:
        if isinstance(fact := each.fact, StepStarted) and "deviation" in fact.arguments and "digest" in fact.arguments:
            shown = {name: value for name, value in fact.arguments.items() if name not in ASIDE}
            if digest(shown) != fact.arguments["digest"]:
                number = each.entry.sequence
                raise FindingError(f"entry {number} asks for a signature over something else than it shows")
            yield str(fact.arguments["deviation"]), str(fact.arguments["digest"])


def _states(entries: Sequence[Recorded], stream: Sequence[Recorded]) -> list[Batch]:
    """The batch as it was before each entry of its stream but the first."""
    masters = {each.fact.content_sha256: each.fact for each in entries if isinstance(each.fact, RecipeApproved)}
    first = stream[0].fact
    approved = masters[getattr(first, "recipe_sha256", "")]
    states = [begin(stream[0], from_content(approved.content))]
    for each in stream[1:]:
        states.append(apply(states[-1], each))
    return states


def _wanted(
    recorded: Recorded, place: int, stream: Sequence[Recorded], asked: Mapping[str, str], states: Sequence[Batch]
) -> tuple[str, ...]:
    """Hashes that the signature may be over; none when what was shown cannot be rebuilt.

    Version 0.1.0 had a decision signed over the question alone and a disposition over the batch alone; later ones
    over the answer as well.
    """
    match recorded.fact:
        case DeviationClosed(deviation=deviation) as fact if not states[place - 1].ended and deviation in asked:
            return (answered(asked[deviation], fact.decision, fact.reason), asked[deviation])
        case ValueCorrected() as fact:
            corrected = _corrected(states[place - 1], fact, stream)
            return (corrected,) if corrected else ()
        case RecordReviewed() as fact:
            return (digest(to_review(states[place - 1], stream[:place], fact.remarks)),)
        case DispositionSigned(disposition=disposition, reason=reason):
            seen = review(states[place - 1])
            return (seen.digest(disposition, reason), digest(shown(seen)))
        case _:
            return ()


def _corrected(batch: Batch, fact: ValueCorrected, stream: Sequence[Recorded]) -> str | None:
    step = next((each for each in batch.steps.values() if each.position == fact.corrects), None)
    question = next((each for each in questions(step) if each.name == fact.field), None) if step else None
    if step is None or question is None or not isinstance(fact.new, int | float):
        return None
    return Correction(
        batch=batch,
        entry=stream[fact.corrects].entry.sequence,
        corrects=fact.corrects,
        step=step.step,
        question=question,
        old=fact.old,
        new=fact.new,
        reason=fact.reason,
    ).digest
