"""A pack is data: a mistake in it gives file, line, path and what was expected."""

from importlib.resources import files as package_files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.recipe import Recipe
from cytoloop.production.pack import PACK_FILES, Pack, load_pack, pack_or_error
from cytoloop.production.recipe_text import content, content_sha256, from_content, read
from cytoloop.production.yaml_text import Mistake


def shipped() -> dict[str, str]:
    folder = package_files("cytoloop") / "packs" / "car_t_cd19"
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in PACK_FILES[:4]}
    return {**texts, "twin.yaml": "twin: stand-in", "donors.yaml": "donors: stand-in"}


def broken(file: str, old: str, new: str) -> tuple[Mistake, ...]:
    texts = shipped()
    assert old in texts[file]
    loaded = load_pack({**texts, file: texts[file].replace(old, new, 1)})
    assert not isinstance(loaded, Pack)
    return loaded


def line_of(file: str, old: str) -> int:
    return shipped()[file].split(old, 1)[0].count("\n") + 1


def test_the_shipped_pack_is_sound() -> None:
    pack = load_pack(shipped())
    assert isinstance(pack, Pack)
    assert pack.warnings == ()
    assert set(pack.product.sampling) == {"incoming", "selected", "daily", "phenotype", "release"}
    assert pack.recipe.parameters()["expansion.perfusion_rate"].par == (0.0, 2.0)


def test_a_recipe_comes_back_from_its_content_with_the_same_hash() -> None:
    pack = load_pack(shipped())
    assert isinstance(pack, Pack)
    again = from_content(content(pack.master))
    assert again == pack.master
    assert content_sha256(again) == content_sha256(pack.master)


def test_a_recorded_recipe_that_lost_a_part_is_a_finding() -> None:
    pack = load_pack(shipped())
    assert isinstance(pack, Pack)
    with pytest.raises(FindingError, match="product"):
        from_content({key: value for key, value in content(pack.master).items() if key != "product"})


@pytest.mark.parametrize(
    ("old", "new", "path", "said"),
    [
        ("unit: 1e6 cells/mL", "unit: 1e6 cell/ml", "seeding_density.unit", "did you mean '1e6 cells/mL'"),
        ("target: 200", "target: plenty", "volume.target", "found 'plenty', expected a valid number"),
        ("target: 200", 'target: "200"', "volume.target", "found '200', expected a valid number"),
        ("target: 200", "target: yes", "volume.target", "found 'yes'"),
        ("target: 200", "target: .nan", "volume.target", "found '.nan', expected a valid number"),
        ("criticality: KPP", "criticality: KP", "volume.criticality", "expected 'CPP', 'KPP'"),
        ("every: 6", "evry: 6", "steps[4].evry", "did you mean 'every'"),
        ("kind: program", "kind: programme", "steps[0].kind", "expected one of identity_scan"),
        ("nor: [190, 210]", "nor: [190]", "volume.nor", "expected it here"),
        ("version: 1", "version: 1\nversion: 2", "version", "already given on line"),
        ("version: 1", "version: 1.5", "version", "expected a valid integer"),
    ],
)
def test_a_mistake_names_its_line_path_and_expectation(old: str, new: str, path: str, said: str) -> None:
    mistakes = broken("recipe.yaml", old, new)
    found = next(each for each in mistakes if said in each.message)
    assert path in found.path
    assert abs(found.line - line_of("recipe.yaml", old)) <= 1
    assert str(found).startswith(f"recipe.yaml:{found.line}: ")


def test_every_mistake_is_told_at_once() -> None:
    texts = shipped()
    texts["recipe.yaml"] = texts["recipe.yaml"].replace("version: 1", "version: one").replace("par: [100, 400]", "")
    texts["plant.yaml"] = texts["plant.yaml"].replace("count: 12", "count: many")
    loaded = load_pack(texts)
    assert not isinstance(loaded, Pack)
    assert {(each.file, each.path.split(".")[-1]) for each in loaded} == {
        ("plant.yaml", "count"),
        ("recipe.yaml", "version"),
        ("recipe.yaml", "par"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("a:\n\t- b", "tab"),
        ("a: [1, 2", "cut off"),
        ('a: "x', "cut off"),
        ("a: &x 1\nb: *x", "anchor"),
        ("? [a]\n: 1", "key that is a list"),
        ("- 1", "expected a mapping"),
        ("\x00", "not YAML"),
        ("[" * 3000 + "]" * 3000, "too many levels"),
    ],
)
def test_text_that_is_no_recipe_is_told_in_a_sentence(text: str, said: str) -> None:
    document = read(text, "recipe.yaml", Recipe)
    assert document.value is None
    assert any(said in each.message for each in document.mistakes)


@settings(deadline=None, max_examples=20)
@given(st.integers(min_value=1, max_value=12_000))
def test_a_recipe_cut_off_anywhere_is_never_read_as_whole(cut: int) -> None:
    text = shipped()["recipe.yaml"].rstrip()
    whole = read(text, "recipe.yaml", Recipe).value
    document = read(text[: len(text) - min(cut, len(text) - 1)], "recipe.yaml", Recipe)
    assert document.value != whole
    assert (document.value is None) == bool(document.mistakes)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_makes_the_reader_fall_over(text: str) -> None:
    document = read(text, "recipe.yaml", Recipe)
    assert document.value is None
    assert document.mistakes


def test_a_missing_file_is_named() -> None:
    texts = {name: text for name, text in shipped().items() if name != "plant.yaml"}
    with pytest.raises(UserError, match=r"my-pack.*\n.*plant\.yaml:1: the file is missing"):
        pack_or_error(texts, "my-pack")
