"""Invariants at every effect: what must hold the moment something is done in the world."""

from cytoloop.adapters.faulty.equipment import Effect
from cytoloop.app.simulation.story import Story

WORDS = ("decide", "sign")
"""Verbs that ask a person for a word: asking again does nothing to the material."""


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


def _asks_about(key: str) -> str:
    """The key of the step that a question is about; the key itself when it is no question."""
    return key.partition("/what-happened")[0]


def _decides_on_the_batch(key: str) -> bool:
    """Whether a key is of a review or a disposition: a signature that no step of the batch asks for."""
    return key.partition("/")[2].startswith(("review", "disposition"))
