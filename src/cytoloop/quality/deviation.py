"""Deviation: reads a batch and says which deviations must be opened that are not open yet. Pure.

A deviation's id is made of the batch number and the position of the entry that showed it, so the same departure
gives the same id however often it is read: each is opened exactly once, after a crash too.
"""

from collections.abc import Iterator

from cytoloop.core.batch import Batch, StepRecord
from cytoloop.core.facts.quality import DeviationKind, DeviationOpened
from cytoloop.quality.answer import questions
from cytoloop.quality.excursion import excursions
from cytoloop.quality.specification import judge


def needed(batch: Batch) -> tuple[DeviationOpened, ...]:
    """Deviations to open now, in the order of the entries that showed them; none when all are known."""
    found = (*_failed_steps(batch), *_late(batch), *_corrections(batch), *_results(batch), *_excursions(batch))
    # Two excursions of one signal in one entry of readings are one deviation.
    new = {each.deviation: each for each in reversed(found) if each.deviation not in batch.deviations}
    return tuple(sorted(new.values(), key=lambda each: (each.cause, each.deviation)))


def _opened(
    batch: Batch, kind: DeviationKind, what: str, cause: int, *, step: str | None = None, suffix: str = ""
) -> DeviationOpened:
    number = f"{batch.number}-D{cause:04d}{suffix}"
    return DeviationOpened(deviation=number, kind=kind, what=what, cause=cause, step=step)


def _failed_steps(batch: Batch) -> Iterator[DeviationOpened]:
    for step in batch.steps.values():
        # An answer on a deviation that was refused is asked for again; it is no deviation of its own.
        if step.state != "failed" or step.step.startswith("deviation/"):
            continue
        kind: DeviationKind = "identity-mismatch" if _mismatched(batch, step) else "step-failed"
        what = f"step {step.step}, attempt {step.attempt}, failed: {step.reason}"
        yield _opened(batch, kind, what, step.position, step=step.step)


def _late(batch: Batch) -> Iterator[DeviationOpened]:
    """Maximum waits that were missed, and repeats whose last round was not enough."""
    for told in batch.missed.values():
        what = f"step {told.fact.step} did not start by {told.fact.deadline.isoformat()}, the end of its maximum wait"
        yield _opened(batch, "late-start", what, told.position)
    for exhausted in batch.exhausted:
        what = f"the last round {exhausted.fact.step} was not enough: {exhausted.fact.because}"
        yield _opened(batch, "rounds-exhausted", what, exhausted.position)


def _mismatched(batch: Batch, step: StepRecord) -> bool:
    """Whether a label was read and it is not this batch's."""
    codes = {name: step.values[name] for name in ("code", "to_code") if name in step.values}
    return step.verb in ("scan", "transfer", "print") and any(code != batch.created.coi for code in codes.values())


def _corrections(batch: Batch) -> Iterator[DeviationOpened]:
    """A corrected answer is held against the question again, as the first one was. The step itself stays done."""
    by_position = {step.position: step for step in batch.steps.values()}
    for told in batch.corrections:
        step, new = by_position.get(told.fact.corrects), told.fact.new
        if step is None or not isinstance(new, int | float):
            continue
        for question in questions(step):
            problem = question.problem(new) if question.name == told.fact.field else None
            if problem:
                what = f"step {step.step}, attempt {step.attempt}, was corrected: {problem}"
                yield _opened(batch, "step-failed", what, told.position)


def _results(batch: Batch) -> Iterator[DeviationOpened]:
    for told in batch.results:
        judged = judge(told.fact, batch.master.product, batch.created.weight)
        if judged.judgement in ("out", "cannot-judge"):
            yield _opened(batch, "out-of-specification", judged.reason, told.position)


def _excursions(batch: Batch) -> Iterator[DeviationOpened]:
    for each in excursions(batch):
        yield _opened(batch, "excursion", each.what, each.position, suffix=each.suffix)
