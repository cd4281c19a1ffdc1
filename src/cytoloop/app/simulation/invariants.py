"""Invariants: what must hold at every effect, after every entry and at the end, whatever goes wrong.

Each is one small pure function with a name: it gives a sentence when it does not hold, and None when it does. Their
docstrings are the manual's list.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from cytoloop.adapters.faulty.equipment import Effect
from cytoloop.app.simulation import after_entries, at_effects, at_the_end
from cytoloop.app.simulation.story import Story
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Recorded

OnEffect: TypeAlias = Callable[[Story, Effect], str | None]
"""Takes the story with the effect in it, and the effect."""
OnEntry: TypeAlias = Callable[[Story, Batch, Recorded], str | None]
"""Takes the story with the entry in it, the batch as it was before, and the entry."""
AtEnd: TypeAlias = Callable[[Story], str | None]

AT_EVERY_EFFECT: tuple[OnEffect, ...] = (
    at_effects.intent_before_effect,
    at_effects.one_effect_per_key,
    at_effects.no_step_twice,
    at_effects.own_material,
    at_effects.nothing_after_its_end,
)
AFTER_EVERY_ENTRY: tuple[OnEntry, ...] = (
    after_entries.one_end_per_attempt,
    after_entries.completed_means_done,
    after_entries.recipe_order,
    after_entries.not_too_early,
    after_entries.nothing_skipped,
    after_entries.one_running_step,
    after_entries.a_deviation_blocks,
    after_entries.wrong_label_stops,
    after_entries.ended_is_ended,
    after_entries.no_release_with_open_deviation,
    after_entries.readings_once,
    after_entries.times_in_order,
)
AT_THE_END: tuple[AtEnd, ...] = (at_the_end.every_effect_is_told, at_the_end.comes_to_an_end)
BESIDES: tuple[Callable[..., str | None], ...] = (
    at_the_end.the_right_patient,
    at_the_end.same_fold,
    at_the_end.decides_again,
    at_the_end.nothing_lost,
    at_the_end.record_is_sound,
    at_the_end.runs_without_mistake,
)
"""Asked where there is occasion: when a product is given, when the platform reads a batch, of the record at the end."""

ALL: Mapping[str, tuple[Callable[..., str | None], ...]] = {
    "At every effect": AT_EVERY_EFFECT,
    "After every entry": AFTER_EVERY_ENTRY,
    "At the end of every batch": AT_THE_END,
    "Whenever there is occasion": BESIDES,
}
