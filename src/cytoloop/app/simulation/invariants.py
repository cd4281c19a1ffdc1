"""Invariants: what must hold after every entry, at every effect and at the end, whatever goes wrong.

Each is one small pure function with a name: it gives a sentence when it does not hold, and None when it does. Their
docstrings are the manual's list.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from cytoloop.adapters.faulty.equipment import Effect
from cytoloop.app.simulation.order import SOFTEST
from cytoloop.app.simulation.story import Story
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact, Recorded
from cytoloop.core.errors import FindingError
from cytoloop.core.facts.clinic import ProductAdministered
from cytoloop.core.facts.production import (
    BatchAborted,
    BatchFinished,
    DeadlineMissed,
    StepCompleted,
    StepFailed,
    StepResolved,
    StepStarted,
    WayTaken,
)
from cytoloop.core.facts.quality import DispositionSigned
from cytoloop.core.store import Store
from cytoloop.core.time import hours_between
from cytoloop.production.runner import RUNNER
from cytoloop.production.settle import DECISION
from cytoloop.production.walk import SAFE
from cytoloop.record.verify import verify

OnEntry: TypeAlias = Callable[[Story, Batch, Recorded], str | None]
"""Takes the story with the entry in it, the batch as it was before, and the entry."""
OnEffect: TypeAlias = Callable[[Story, Effect], str | None]
"""Takes the story with the effect in it, and the effect."""
AtEnd: TypeAlias = Callable[[Story], str | None]

BESIDE = (DECISION, SAFE)
"""Beginnings of steps that stand beside the recipe's sequences: decisions, and what makes units safe after an abort."""
REWORK = "~"
"""Stands in the id of a step of a rework, behind the step that is made good."""
WORDS = ("decide", "sign")
"""Verbs that ask a person for a word: asking again does nothing to the material."""
ENDS = (StepCompleted, StepFailed, StepResolved)


# -- at every effect ------------------------------------------------------------------------------------------------------


def intent_before_effect(story: Story, effect: Effect) -> str | None:
    """No effect without an entry: the intent stands in the record, durably, before anything is done under its key."""
    if _asks_about(effect.key) in story.intents or _decides_on_the_batch(effect.key):
        return None
    return f"{effect.target} did {effect.key}, and no entry said that it was about to be commanded"


def one_effect_per_key(story: Story, effect: Effect) -> str | None:
    """A command has one effect, however often it is sent or delivered."""
    times = len(story.effects[effect.key])
    return None if times == 1 else f"{effect.key} was done {times} times"


def no_step_twice(story: Story, effect: Effect) -> str | None:
    """A step that was done is not done again, unless a person decided that it is to be."""
    intent = story.intents.get(effect.key)
    if intent is None or effect.verb in WORDS:
        return None
    for key in story.attempts[intent.step]:
        if key != effect.key and key not in story.repeated and story.done(key):
            return f"{intent.step} was done under {key} and again under {effect.key}, and nobody decided to repeat it"
    return None


def own_material(story: Story, effect: Effect) -> str | None:
    """No mix-up of identity: what is done in a batch's name meets the batch's own material, on its own equipment."""
    if story.batch is None or effect.target.startswith("person:"):
        return None
    created = story.batch.created
    if effect.target not in created.equipment.values():
        return f"{effect.key} was done on {effect.target}, which is not allotted to {story.number}"
    for said in (effect.coi, effect.material):
        if said is not None and said != created.coi:
            return f"{effect.key} met material of {said}; the batch is {created.coi}"
    return None


def nothing_after_its_end(story: Story, effect: Effect) -> str | None:
    """Once a batch is finished or aborted, nothing more is done in its name but signing."""
    if story.batch is None or not story.batch.ended or _decides_on_the_batch(effect.key):
        return None
    return f"{effect.key} was done after {story.number} had ended"


# -- after every entry ----------------------------------------------------------------------------------------------------


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
    entering = story.order(before).needs.get(fact.step)
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
    return None


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


def the_right_patient(story: Story, given: ProductAdministered) -> str | None:
    """Nobody is given a product that was not released, or that is another patient's."""
    batch = story.batch
    if batch is None or batch.disposition is None or batch.disposition.fact.disposition != "released":
        return f"{given.batch} was given for order {given.order} and was never released"
    if (given.coi, given.order) != (batch.created.coi, batch.created.order):
        return f"{given.batch} was given as {given.coi} for {given.order}; it is {batch.created.coi} for another order"
    return None


# -- at the end, on the batch read back from its bytes ------------------------------------------------------------------------


def every_effect_is_told(story: Story) -> str | None:
    """Every effect is in the record as the end of its step, or its step is in doubt and a person is waited for."""
    for key in story.effects:
        intent = story.intents.get(key)
        if intent is None or key in story.ended:
            continue
        step = story.batch.steps[intent.step] if story.batch else None
        if step is None or step.key != key or step.state not in ("running", "in-doubt"):
            return f"{key} was done and no entry tells of it"
    return None


def comes_to_an_end(story: Story) -> str | None:
    """A batch is finished or aborted and then decided on, or it stands held and says why: it never just stops."""
    batch = story.batch
    if batch is None:
        return f"{story.number} was never created"
    if batch.ended:
        return None if batch.disposition is not None else f"{story.number} ended and nobody decided on it"
    return None if batch.held is not None else f"{story.number} neither ended nor is held: entry {batch.position}"


def same_fold(story: Story, again: Batch) -> str | None:
    """The batch as it was followed entry by entry equals the batch folded anew from the bytes of the record."""
    if again == story.batch:
        return None
    return f"the batch folded from the record is not the batch that was followed, at position {again.position}"


def nothing_lost(acknowledged: Mapping[int, bytes], store: Store) -> str | None:
    """What was acknowledged as kept is there for good, at its place and with its hash, whatever died since."""
    kept = list(store.leaf_hashes())
    for sequence, leaf in acknowledged.items():
        if sequence >= len(kept) or kept[sequence] != leaf:
            return f"entry {sequence} was acknowledged and is not in the record as it was"
    return None


def record_is_sound(store: Store) -> str | None:
    """The record verifies: every entry fits its place, its stream, the tree and every tree head kept."""
    try:
        verify(store)
    except FindingError as found:
        return str(found)
    return None


# -- on a history that is read again -----------------------------------------------------------------------------------


def decides_again(decided: Sequence[Fact], following: Sequence[Recorded]) -> str | None:
    """The stored history replayed gives the decisions that were made: `advance` is a function of the record alone."""
    if decided and list(decided) == [each.fact for each in following[: len(decided)]]:
        return None
    first = following[0]
    now = ", ".join(f"{fact.NAME} {getattr(fact, 'step', '')}" for fact in decided) or "nothing"
    return f"{first.entry.name} {getattr(first.fact, 'step', '')} stands at {first.entry.position}; now it is {now}"


def decided_by_advance(before: Batch, recorded: Recorded) -> bool:
    """Whether an entry is a decision of `advance`: what begins, what the platform does by itself, and the end."""
    fact = recorded.fact
    if recorded.entry.actor != RUNNER:
        return False
    if isinstance(fact, StepCompleted | StepFailed):
        step = before.steps.get(fact.step)
        return step is not None and step.target == RUNNER
    return isinstance(fact, StepStarted | WayTaken | DeadlineMissed | BatchFinished | BatchAborted)


AT_EVERY_EFFECT: tuple[OnEffect, ...] = (
    intent_before_effect, one_effect_per_key, no_step_twice, own_material, nothing_after_its_end,
)  # fmt: skip
AFTER_EVERY_ENTRY: tuple[OnEntry, ...] = (
    one_end_per_attempt, completed_means_done, recipe_order, not_too_early, nothing_skipped, one_running_step,
    a_deviation_blocks, wrong_label_stops, ended_is_ended, no_release_with_open_deviation, readings_once,
    times_in_order,
)  # fmt: skip
AT_THE_END: tuple[AtEnd, ...] = (every_effect_is_told, comes_to_an_end)
OF_PATIENTS = (the_right_patient,)
OF_THE_RECORD = (same_fold, decides_again, nothing_lost, record_is_sound)
"""Asked of the record once a world has ended, and of each batch whenever the platform starts again (`same_fold`)."""


def _done(batch: Batch, step: str) -> bool:
    record = batch.steps.get(step)
    return record is not None and record.state == "done"


def _asks_about(key: str) -> str:
    """The key of the step that a question is about; the key itself when it is no question."""
    return key.partition("/what-happened")[0]


def _decides_on_the_batch(key: str) -> bool:
    """Whether a key is of a review or a disposition: a signature that no step of the batch asks for."""
    return key.partition("/")[2].startswith(("review", "disposition"))
