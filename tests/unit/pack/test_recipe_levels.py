"""ISA-88 levels: a site's recipe is the general one with what the site has otherwise, and says so."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.flows import World, master

from cytoloop.app.packs import read_adaptation, read_pack, read_recipe
from cytoloop.cli.main import run
from cytoloop.core.adaptation import Adaptation, Insertion, ParameterAdapted
from cytoloop.core.errors import UserError
from cytoloop.core.json import digest
from cytoloop.core.recipe import IdentityScan, Recipe, placed
from cytoloop.core.words import Words
from cytoloop.production.difference import difference, lines
from cytoloop.production.levels import control_recipe, derive
from cytoloop.production.recipe_text import read, recipe_content, recipe_yaml

W = Words(en="e", zh="z")
GENERAL = replace(read_pack("car_t_cd19").recipe, level="general", recipe="car_t_general")
SITE = Adaptation(
    recipe="car_t_here",
    level="site",
    version=3,
    words=W,
    parent="car_t_general",
    parent_version=1,
    parameters={"expansion.il2": ParameterAdapted(target=120.0, nor=(110.0, 130.0), dossier_ref="SITE-1")},
    omitted=("expansion/expand/phenotype_sample",),
    inserted=(Insertion(after="harvest/wash", steps=(IdentityScan(phase="scan_waste", words=W, label="waste"),)),),
)
MASTER = Adaptation(
    recipe="car_t_here", level="master", version=1, words=W, parent="car_t_here", parent_version=3,
    equipment={"culture": "static_vessel"},
)  # fmt: skip


def test_a_site_recipe_differs_from_the_general_one_in_what_the_site_said_and_in_nothing_else() -> None:
    site = derive(GENERAL, SITE)
    said = [each for each in lines(difference(GENERAL, site)) if not each.startswith("~ recipe ")]
    assert [each.partition(":")[0] for each in said] == [
        "~ expansion.il2 target", "~ expansion.il2 NOR", "~ expansion.il2 dossier reference",
        "- expansion/expand/phenotype_sample", "+ harvest/scan_waste",
    ]  # fmt: skip
    assert site.derived_from is not None
    assert site.derived_from.content_sha256 == digest(recipe_content(GENERAL))


def test_a_master_recipe_is_made_of_the_sites_and_names_its_equipment() -> None:
    made = derive(derive(GENERAL, SITE), MASTER)
    assert (made.level, made.derived_from and made.derived_from.level) == ("master", "site")
    assert {each.unit_procedure: each.equipment_class for each in made.procedure}["culture"] == "static_vessel"
    assert made.parameters()["expansion.il2"].target == 120.0


def test_steps_go_in_behind_the_one_named_also_inside_a_loop() -> None:
    inside = Insertion(after="expansion/expand/read", steps=(IdentityScan(phase="scan", words=W, label="vessel"),))
    made = derive(GENERAL, replace(SITE, inserted=(inside,)))
    operation = next(each for _, each in made.operations() if each.operation == "expansion")
    paths = [path for path, _ in placed("expansion", operation.steps)]
    assert paths[1:3] == ["expansion/expand/read", "expansion/expand/scan"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (replace(SITE, parent_version=2), "is of car_t_general version 2"),
        (replace(SITE, parameters={"expansion.il3": ParameterAdapted(target=1.0)}), "the parameter 'expansion.il3'"),
        (replace(SITE, omitted=("expansion/nothing",)), "the step 'expansion/nothing'"),
        (replace(SITE, equipment={"cultivation": "bioreactor"}), "the unit procedure 'cultivation'"),
    ],
)
def test_an_adaptation_that_names_what_is_not_there_is_refused(changed: Adaptation, said: str) -> None:
    with pytest.raises(UserError, match=said):
        derive(GENERAL, changed)


def test_levels_are_gone_down_and_never_up() -> None:
    with pytest.raises(UserError, match="a site recipe is not made of a master recipe"):
        derive(replace(GENERAL, level="master"), SITE)


def test_a_derived_recipe_is_written_as_a_text_that_reads_back_the_same(tmp_path: Path) -> None:
    site = derive(GENERAL, SITE)
    document = read(recipe_yaml(site), "recipe.yaml", Recipe)
    assert document.value == site


ADAPTATION = """
recipe: car_t_here
level: site
version: 3
words: {en: e, zh: z}
parent: car_t_general
parent_version: 1
parameters:
  expansion.il2: {target: 120, nor: [110, 130], dossier_ref: SITE-1}
omitted: [expansion/expand/phenotype_sample]
inserted:
  - after: harvest/wash
    steps: [{kind: identity_scan, phase: scan_waste, words: {en: e, zh: z}, label: waste}]
"""


def test_the_command_writes_the_recipe_and_shows_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    general, adaptation, made = tmp_path / "general.yaml", tmp_path / "site.yaml", tmp_path / "made.yaml"
    general.write_text(recipe_yaml(GENERAL), encoding="utf-8")
    adaptation.write_text(ADAPTATION, encoding="utf-8")
    assert read_adaptation(str(adaptation)) == SITE
    assert run(["recipe", "derive", str(general), str(adaptation), "--to", str(made)]) == 0
    assert "expansion.il2 target: 100 IU/mL -> 120 IU/mL" in capsys.readouterr().out
    assert read_recipe(str(made)) == derive(GENERAL, SITE)
    assert run(["recipe", "derive", str(general), str(adaptation), "--to", str(made)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert run(["recipe", "compare", str(general), str(made)]) == 0
    assert "- expansion/expand/phenotype_sample" in capsys.readouterr().out


def test_a_control_recipe_shows_the_units_and_the_values_in_force() -> None:
    found = control_recipe(World(master()).batch())
    assert found.equipment == {"bioreactor": "bioreactor-01", "qc_laboratory": "qc-laboratory-01"}
    assert found.parameters["work.temperature"] == (37.0, 37.0, "°C")
