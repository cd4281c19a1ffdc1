"""Invariants after every entry. Each takes the story with the entry in it, the batch as it was before, the entry."""

from cytoloop.app.simulation.order import SOFTEST, UNDECIDED
from cytoloop.app.simulation.story import Story
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Recorded
from cytoloop.core.facts.production import BatchFinished, StepCompleted, StepFailed, StepResolved, StepStarted
from cytoloop.core.facts.quality import DispositionSigned, ResultRecorded
from cytoloop.core.time import hours_between
from cytoloop.production.settle import DECISION
from cytoloop.production.walk import SAFE

BESIDE = (DECISION, SAFE)
"""Beginnings of steps that stand beside the recipe's sequences: decisions, and what makes units safe after an abort."""
REWORK = "~"
"""Stands in the id of a step of a rework, behind the step that is made good."""
ENDS = (StepCompleted, StepFailed, StepResolved)


def one_end_per_attempt(story: Story, before: Batch, recorded: Recorded) -> str | None:
    """An attempt of a step ends once, and only after it began."""
    fact = recorded.fact
    if not isinstance(fact, ENDS):
        return None
    step = before.steps.get(fact.step)
    if step is None or step.attempt != fact.attempt or step.state not in ("running", "in-doubt"):
        state = f"attempt {step.attempt} is {step.state}" if step else "it never began"
        return f"attempt {fact.attempt} of {fact.step} ended ({recorded.entry.name}), and {state}"
    return None


def completed_means_done(story: Story, before: Batch, recorded: Recorded) -> str | None:
    """A step that stands as completed, or resolved as done, was really done, once; one that never arrived was not."""
    fact = recorded.fact
    if not isinstance(fact, StepCompleted | StepResolved):
        return None
    step = before.steps[fact.step]
    if step.target.startswith("system:"):
        return None
    done = story.done(step.key)
    wanted = 1 if isinstance(fact, StepCompleted) or fact.resolution == "done" else 0
    if done == wanted:
        return None
    return f"{fact.step} stands as {recorded.entry.name}, and {step.key} was done {done} times"


def recipe_order(story: Story, before: Batch, recorded: Recorded) -> str | None:
    """No step begins before those that the recipe puts before it are done, nor again after it is done."""
    fact = recorded.fact
    if not isinstance(fact, StepStarted) or fact.step.startswith(BESIDE) or REWORK in fact.step:
        return None
    if _done(before, fact.step):
        return f"{fact.step} began again after it was done"
    needs = story.order(before).needs
    entering = needs.get(fact.step) or needs.get(f"{fact.step}{UNDECIDED}")  # a way that could not be chosen is a step
    if entering is None:
        return f"{fact.step} began, and the recipe does not ask for it"
    missing = next((step for step in entering.done if not _done(before, step)), None)
    return f"{fact.step} began, and {missing} before it is not done" if missing else None


def not_too_early(story: Story, before: Batch, recorded: Recorded) -> str | None:
    """No step begins before its time, and no hold ends before its hours are over."""
    fact, at = recorded.fact, recorded.entry.happened_at
    if isinstance(fact, StepCompleted) and before.steps[fact.step].verb == "hold":
        began, hours = before.steps[fact.step].started_at, fact.values.get("hours")
        early = isinstance(hours, int | float) and hours_between(began, at) < hours - SOFTEST
        return f"the hold {fact.step} of {hours} h ended after {hours_between(began, at):.3f} h" if early else None
    if isinstance(fact, StepStarted) and (entering := story.order(before).needs.get(fact.step)):
        for step, hours in entering.passed:
            if hours_between(before.steps[step].started_at, at) < hours - SOFTEST:
                return f"{fact.step} began at {at}, not {hours:g} h after {step} began"
    return None


def nothing_skipped(story: Story, before: Batch, recorded: Recorded) -> str | None:
    """A batch is finished when every step that its recipe asks for is done, and not before."""
    if not isinstance(recorded.fact, BatchFinished):
        return None
    missing = [step for step in story.order(before).steps if not _done(before, step)]
    return f"the batch was finished without {', '.join(missing[:3])}" if missing else None


def one_running_step(story: Story, before: Batch, recorded: Recorded) -> str | None:
    """At most one step of a sequence runs at a time, and none a second time while it runs."""
    fact = recorded.fact
    if not isinstance(fact, StepStarted):
        return None
    for step in before.underway:
        if step.step == fact.step or (step.step.startswith(DECISION) and fact.step.startswith(DECISION)):
            return f"{fact.step} began while {step.step} was {step.state}"
    return None


def a_deviation_blocks(story: Story, before: Batch, recorded: Recorded) -> str | None:
    """While a deviation is open nothing begins but the decision on it."""
    fact = recorded.fact
    if not isinstance(fact, StepStarted) or fact.step.startswith(BESIDE) or not before.open_deviations:
        return None
    return f"{fact.step} began while deviation {before.open_deviations[0].opened.fact.deviation} was open"


def wrong_label_stops(story: Story, before: Batch, recorded: Recorded) -> str | None:
    """A scan that read another chain of identity than the batch's never stands as completed."""
    fact = recorded.fact
    if not isinstance(fact, StepCompleted):
        return None
    code = fact.values.get("code")
    if before.steps[fact.step].verb != "scan" or code == before.created.coi:
        return None
    return f"{fact.step} is completed with the label {code}; the batch is {before.created.coi}"


def ended_is_ended(story: Story, before: Batch, recorded: Recorded) -> str | None:
    """After its end a batch begins no step and does not end again."""
    if before.ended and isinstance(recorded.fact, StepStarted | BatchFinished):
        return f"{recorded.entry.name} was entered after the batch had ended"
    return None


def no_release_with_open_deviation(story: Story, before: Batch, recorded: Recorded) -> str | None:
    """Nothing is released with an open deviation, unfinished, aborted, or with a result out of specification."""
    fact = recorded.fact
    if not isinstance(fact, DispositionSigned) or fact.disposition != "released":
        return None
    if before.open_deviations:
        return f"released with deviation {before.open_deviations[0].opened.fact.deviation} open"
    if before.finished_at is None or before.aborted is not None:
        return "released before production was finished"
    out = next((told.fact for told in before.results if _out(before, told.fact)), None)
    return f"released with {out.attribute} at {out.value:g} {out.unit}, out of specification" if out else None


def readings_once(story: Story, before: Batch, recorded: Recorded) -> str | None:
    """A reading (source, signal, source time) stands in the record once, however often it came."""
    if story.retells == 0:
        return None
    return f"{story.retells} readings of {recorded.entry.name} at {recorded.entry.position} were in the record already"


def times_in_order(story: Story, before: Batch, recorded: Recorded) -> str | None:
    """Nothing is recorded before it happened, and no step ends before it began."""
    entry, fact = recorded.entry, recorded.fact
    if entry.happened_at > entry.recorded_at:
        return f"{entry.name} happened at {entry.happened_at} and was recorded before, at {entry.recorded_at}"
    if isinstance(fact, ENDS) and entry.happened_at < before.steps[fact.step].started_at:
        began = before.steps[fact.step].started_at
        return f"{fact.step} ended at {entry.happened_at}, before it began at {began}"
    return None


def _done(batch: Batch, step: str) -> bool:
    record = batch.steps.get(step)
    return record is not None and record.state == "done"


def _out(batch: Batch, result: ResultRecorded) -> bool:
    """Whether a release result is beyond the limits of the batch's own product."""
    if result.stage != "release":
        return False
    limits = next(each for each in batch.master.product.at("release") if each.attribute == result.attribute)
    times = batch.created.weight if limits.per_kg else 1.0
    low, high = limits.low, limits.high
    return (low is not None and result.value < low * times) or (high is not None and result.value > high * times)
