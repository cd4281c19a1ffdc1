"""Invariants of what remains: of patients, of a batch at its end, of the record read again from its bytes."""

from collections.abc import Mapping, Sequence

from cytoloop.app.simulation.story import Story
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Recorded
from cytoloop.core.errors import FindingError
from cytoloop.core.facts.clinic import ProductAdministered
from cytoloop.core.master import MasterRecipe
from cytoloop.core.store import Store
from cytoloop.production.replay import replay
from cytoloop.record.verify import verify


def the_right_patient(story: Story, given: ProductAdministered) -> str | None:
    """Nobody is given a product that was not released, or that is another patient's."""
    batch = story.batch
    if batch is None or batch.disposition is None or batch.disposition.fact.disposition != "released":
        return f"{given.batch} was given for order {given.order} and was never released"
    if (given.coi, given.order) != (batch.created.coi, batch.created.order):
        return f"{given.batch} was given as {given.coi} for {given.order}; it is {batch.created.coi} for another order"
    return None


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


def decides_again(history: Sequence[Recorded], master: MasterRecipe) -> str | None:
    """The stored history replayed gives the decisions that were made: `advance` is a function of the record alone."""
    return replay(history, master).differs or None


def runs_without_mistake(error: Exception) -> str | None:
    """The platform stops for what it knows (a full disk, another runner, equipment out of reach) and nothing else."""
    return f"{type(error).__name__}: {error}"
