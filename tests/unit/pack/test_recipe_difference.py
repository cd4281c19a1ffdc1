"""The difference of two recipe versions, as a reviewer reads it."""

from dataclasses import replace
from importlib.resources import files as package_files

from cytoloop.core.recipe import Loop, Recipe
from cytoloop.production.difference import difference, lines
from cytoloop.production.recipe_text import read


def recipe() -> Recipe:
    text = (package_files("cytoloop") / "packs" / "car_t_cd19" / "recipe.yaml").read_text(encoding="utf-8")
    value = read(text, "recipe.yaml", Recipe).value
    assert value is not None
    return value


def changed(old: str, new: str) -> list[str]:
    text = (package_files("cytoloop") / "packs" / "car_t_cd19" / "recipe.yaml").read_text(encoding="utf-8")
    assert old in text
    value = read(text.replace(old, new, 1), "recipe.yaml", Recipe).value
    assert value is not None
    return lines(difference(recipe(), value))


def test_the_same_recipe_has_no_difference() -> None:
    assert difference(recipe(), recipe()) == ()
    assert lines(()) == ["no difference in what a batch would do"]


def test_a_target_is_shown_with_its_unit() -> None:
    assert changed("target: 192", "target: 190") == ["~ expansion.culture_duration target: 192 h -> 190 h"]


def test_ranges_are_shown_with_their_unit() -> None:
    assert changed("par: [20, 400]", "par: [20, 300]") == ["~ activation.il2 PAR: 20 to 400 IU/mL -> 20 to 300 IU/mL"]


def test_a_sampling_step_made_rarer_is_shown() -> None:
    found = changed("every_nth: 8", "every_nth: 12")
    assert len(found) == 1
    assert "expansion/expand/phenotype_sample" in found[0]
    assert "round 8" in found[0]
    assert "round 12" in found[0]


def test_a_removed_step_and_an_operation_on_other_equipment_are_shown() -> None:
    old = recipe()
    culture = old.procedure[2]
    expansion = culture.operations[2]
    loop = expansion.steps[0]
    assert isinstance(loop, Loop)
    shorter = replace(expansion, steps=(replace(loop, steps=loop.steps[:1]),))
    moved = replace(culture, equipment_class="shaker", operations=(*culture.operations[:2], shorter))
    new = replace(old, version=2, procedure=(*old.procedure[:2], moved, *old.procedure[3:]))
    found = lines(difference(old, new))
    assert "~ recipe version: 1 -> 2" in found
    assert "~ expansion: culture on bioreactor -> culture on shaker" in found
    assert sum(line.startswith("- expansion/expand/") for line in found) == 3


def test_steps_put_in_another_order_are_shown() -> None:
    old = recipe()
    first = old.procedure[0]
    receipt = first.operations[0]
    turned = replace(receipt, steps=tuple(reversed(receipt.steps)))
    new = replace(old, procedure=(replace(first, operations=(turned,)), *old.procedure[1:]))
    assert [each.what for each in difference(old, new)] == ["moved"]


def test_what_is_added_one_way_is_removed_the_other_way() -> None:
    old = recipe()
    new = replace(old, procedure=old.procedure[:-1])
    assert [each.what for each in difference(old, new)].count("removed") == 2
    assert [each.what for each in difference(new, old)].count("added") == 2
