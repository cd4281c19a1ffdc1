# ruff: noqa: E501  (recipe texts are as long as they are)
"""Static checks of how steps follow one another: what a batch would run into after days is found before approval."""

from textwrap import indent

import pytest
from tests.unit.pack.test_pack_check import shipped

from cytoloop.production.pack import Pack, load_pack

WORDS = "words: {en: e, zh: z}"
BEHIND = "            program: wash_and_harvest\n"
"""The last line of the operation "harvest", behind which steps are written."""


def loaded(steps: str = "", operation: str = "") -> Pack | list[str]:
    """The shipped pack with more steps behind the harvest, and more of the operation: the pack, or its mistakes."""
    texts = shipped()
    more = indent(steps.replace("WORDS", WORDS), 10 * " ") + indent(operation.replace("WORDS", WORDS), 8 * " ")
    assert BEHIND in texts["recipe.yaml"]
    found = load_pack({**texts, "recipe.yaml": texts["recipe.yaml"].replace(BEHIND, BEHIND + more, 1)})
    return found if isinstance(found, Pack) else [str(each) for each in found]


ASK = """- {kind: instruction, phase: look, WORDS, answers: [
    {name: colour, WORDS, type: choice, choices: [clear, turbid]}, {name: volume, WORDS, unit: mL, low: 0, high: 200}]}
"""
USABLE = {
    "a selection with a way out": ASK
    + """- {kind: selection, selection: which, WORDS, ways: [
    {way: a, WORDS, when: 'value("harvest/look", "colour") == "turbid"', steps: [
        {kind: identity_scan, phase: again, WORDS, label: bag}]},
    {way: b, WORDS, when: otherwise}]}
""",
    "a repeat with a bound": """- {kind: repeat, repeat: rounds, WORDS, until: 'value("harvest/rounds/look", "volume") > 5', at_most: 3,
   steps: [{kind: instruction, phase: look, WORDS, answers: [{name: volume, WORDS, unit: mL}]}]}
""",
    "branches": """- {kind: parallel, parallel: both, WORDS, branches: [
    {branch: a, WORDS, steps: [{kind: identity_scan, phase: one, WORDS, label: bag}]},
    {branch: b, WORDS, steps: [{kind: label_print, phase: two, WORDS, label: bag, copies: 2}]}]}
""",
    "a maximum wait": """- {kind: identity_scan, phase: soon, WORDS, label: bag, within: {hours: 6, after: harvest/wash}}
""",
    "a calculation": """- {kind: calculation, phase: rest, WORDS, unit: 1e6 cells, low: 0,
   value: 'result("viable_cell_density") * quantity(10, "mL")'}
""",
    "a wait": """- {kind: wait, phase: until_counted, WORDS, until: 'result("viability") > 0.5', at_most: 4}
""",
}


@pytest.mark.parametrize("steps", USABLE.values(), ids=USABLE)
def test_a_recipe_with_it_can_be_used(steps: str) -> None:
    pack = loaded(steps)
    assert isinstance(pack, Pack), pack


REFUSED = [
    ("- {kind: repeat, repeat: r, WORDS, until: '1 > 0', steps: []}\n", "found no 'at_most', expected it here"),
    ("- {kind: repeat, repeat: r, WORDS, until: '1 > 0', at_most: 0, steps: []}\n", "found 0, expected 1 to"),
    ("- {kind: repeat, repeat: r, WORDS, until: '1 > 0', at_most: 2, steps: []}\n", "speaks of nothing in the batch"),
    ("- {kind: wait, phase: w, WORDS, until: 'result(\"viability\") > 1'}\n", "found no 'at_most', expected it here"),
    ("- {kind: wait, phase: w, WORDS, until: 'result(\"viability\") > 1', at_most: 0}\n", "more than 0 h"),
    ("- {kind: wait, phase: w, WORDS, until: 'result(\"weight\") > 1', at_most: 9}\n", "no sample before tests 'weight'"),
    ("- {kind: wait, phase: w, WORDS, until: 'parameter(\"expansion.il2\") > quantity(1, \"mL\")', at_most: 9}\n",
     "do not go together"),
    ("- {kind: wait, phase: w, WORDS, until: 'reading(\"bioreactor\", \"weight\") > 1', at_most: 9}\n",
     "bioreactor has no signal 'weight'"),
    ("- {kind: wait, phase: w, WORDS, until: 'reading(\"shaker\", \"ph\") > 1', at_most: 9}\n", "no equipment class 'shaker'"),
    ("- {kind: wait, phase: w, WORDS, until: 'result(\"viability\" > 1', at_most: 9}\n", "cannot be read"),
    ("- {kind: calculation, phase: c, WORDS, unit: mL, value: 'parameter(\"expansion.il2\")'}\n", "does not convert to mL"),
    ("- {kind: calculation, phase: c, WORDS, unit: mL, value: 'open(\"x\")'}\n", "is no function of an expression"),
    ("- {kind: selection, selection: s, WORDS, ways: [{way: a, WORDS, when: 'result(\"viability\") > 0.5'}]}\n",
     "no way out when no condition holds"),
    (ASK + "- {kind: selection, selection: s, WORDS, ways: [{way: a, WORDS, when: 'value(\"harvest/look\", \"colour\") == "
     "\"blue\"'}, {way: b, WORDS, when: otherwise}]}\n", "is never 'blue'; expected one of clear, turbid"),
    ("- {kind: selection, selection: s, WORDS, ways: [{way: a, WORDS, when: otherwise}, "
     "{way: b, WORDS, when: 'result(\"viability\") > 0.5'}]}\n", "way 'b' is never taken"),
    ("- {kind: selection, selection: s, WORDS, ways: [{way: a, WORDS, when: 'value(\"fill/fill_bags\", \"bags\") > 1'}, "
     "{way: b, WORDS, when: otherwise}]}\n", "no step 'fill/fill_bags' stands before harvest/s"),
    ("- {kind: parallel, parallel: p, WORDS, branches: [{branch: a, WORDS, steps: []}]}\n", "fewer than two branches"),
    ("- {kind: parallel, parallel: p, WORDS, branches: [{branch: a, WORDS, steps: []}, {branch: a, WORDS, steps: []}]}\n",
     "found branch 'a' a second time"),
    ("- {kind: identity_scan, phase: late, WORDS, label: b, within: {hours: 6, after: fill/fill_bags}}\n",
     "expected a step that stands before this one"),
    ("- {kind: identity_scan, phase: late, WORDS, label: b, within: {hours: 0, after: harvest/wash}}\n", "more than 0 h"),
    ("- {kind: identity_scan, phase: a/b, WORDS, label: b}\n", "expected one without /"),
    ("- {kind: identity_scan, phase: a, WORDS, label: b, every_nth: 2}\n", "every_nth says something in a loop only"),
    ("- {kind: identity_scan, phase: a, WORDS, label: b, rework: rinse}\n", "expected a rework of harvest"),
    ("- {kind: transfer, phase: t, WORDS, to: fridge}\n", "expected a class of plant.yaml"),
    ("- {kind: label_print, phase: l, WORDS, label: b, copies: 0}\n", "found 0, expected 1 or more"),
    ("- {kind: ramp, phase: r, WORDS, parameter: x, begin: 1, over: y, moves: 0}\n", "found 0, expected 1 or more"),
    ("- {kind: decision, phase: d, WORDS, role: qa, options: [{option: go, WORDS}]}\n", "fewer than two options"),
    ("- {kind: material_addition, phase: m, WORDS, material: v, quantity: v}\n", "expected a parameter of harvest"),
    ("- {kind: instruction, phase: i, WORDS, answers: [{name: a, WORDS, type: choice}]}\n", "fewer than two choices"),
    ("- {kind: instruction, phase: i, WORDS, answers: [{name: a, WORDS, low: 2, high: 1}]}\n", "low 2 above high 1"),
    ("- {kind: instruction, phase: i, WORDS, answers: [{name: a, WORDS, type: yes_no, expected: [maybe]}]}\n",
     "expected some of no, yes"),
    ("- {kind: instruction, phase: i, WORDS, answers: [{name: signature, WORDS}]}\n", "a name that the platform uses"),
    ("- {kind: dance, phase: d, WORDS}\n", "found 'dance', expected one of"),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "said"), REFUSED, ids=range(len(REFUSED)))
def test_a_recipe_with_it_is_refused_with_one_sentence_and_its_place(steps: str, said: str) -> None:
    mistakes = loaded(steps)
    assert not isinstance(mistakes, Pack)
    found = [each for each in mistakes if said in each]
    assert len(found) == 1, mistakes
    assert found[0].startswith("recipe.yaml:")


REWORK = "reworks: {rinse: {WORDS, at_most: N, steps: [{kind: identity_scan, phase: again, WORDS, label: b}]}}\n"


@pytest.mark.parametrize(
    ("most", "said"), [("1", "rework 'rinse' is never taken"), ("0", "found 0, expected 1 or more")]
)
def test_a_rework_that_nobody_takes_or_that_never_may_be_is_refused(most: str, said: str) -> None:
    mistakes = loaded("", REWORK.replace("N", most))
    assert not isinstance(mistakes, Pack)
    assert any(said in each for each in mistakes)


def test_a_critical_parameter_that_no_step_uses_is_refused() -> None:
    texts = shipped()
    recipe = texts["recipe.yaml"].replace("            parameters: [moi]\n", "", 1)
    found = load_pack({**texts, "recipe.yaml": recipe})
    assert not isinstance(found, Pack)
    assert any("transduction.moi is critical and no step uses it" in each.message for each in found)


def test_a_safe_state_holds_only_steps_that_send_a_command() -> None:
    texts = shipped()
    safe = f"""    safe_state:
      operation: make_safe
      {WORDS}
      parameters: {{rest: {{{WORDS}, unit: h, target: 1, nor: [1, 1], par: [0, 2], criticality: non-critical}}}}
      steps: [{{kind: hold, phase: rest, {WORDS}, duration: rest}}]
"""
    place = "    equipment_class: controlled_rate_freezer\n"
    assert place in texts["recipe.yaml"]
    found = load_pack({**texts, "recipe.yaml": texts["recipe.yaml"].replace(place, place + safe, 1)})
    assert not isinstance(found, Pack)
    assert any("a safe state is reached by steps that send a command" in each.message for each in found)


def test_a_recipe_of_another_level_is_no_master_recipe() -> None:
    texts = shipped()
    found = load_pack(
        {**texts, "recipe.yaml": texts["recipe.yaml"].replace("version: 1\n", "version: 1\nlevel: site\n", 1)}
    )
    assert not isinstance(found, Pack)
    assert any("found a site recipe, expected a master recipe" in each.message for each in found)
