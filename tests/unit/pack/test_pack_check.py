"""Static checks across the files of a pack."""

from importlib.resources import files as package_files

import pytest

from cytoloop.production.pack import PACK_FILES, Pack, load_pack


def shipped() -> dict[str, str]:
    folder = package_files("cytoloop") / "packs" / "car_t_cd19"
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in PACK_FILES[:4]}
    return {**texts, "twin.yaml": "twin: stand-in", "donors.yaml": "donors: stand-in"}


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("recipe.yaml", "target: 200", "target: 250", "outside the normal operating range"),
        ("recipe.yaml", "par: [100, 400]", "par: [195, 400]", "narrower than the normal operating range"),
        ("recipe.yaml", "nor: [190, 210]", "nor: [210, 190]", "low is above its high"),
        ("recipe.yaml", "target: 200", "target: 1e999", "not a finite number"),
        ("recipe.yaml", "parameters: [moi]", "parameters: [mio]", "expected a parameter of transduction"),
        ("recipe.yaml", "until: duration", "until: volume", "expected a parameter in h"),
        ("recipe.yaml", "until: culture_duration", "until: forever", "expected a parameter of expansion"),
        ("recipe.yaml", "every: 6", "every: 0", "more than 0 h"),
        ("recipe.yaml", "                every_nth: 4", "                every_nth: 0", "expected 1 or more"),
        ("recipe.yaml", "equipment_class: bioreactor", "equipment_class: shaker", "expected a class of plant.yaml"),
        ("recipe.yaml", "program: add_vector", "program: add_vektor", "expected a program of bioreactor"),
        ("recipe.yaml", "parameters: [temperature, il2]", "parameters: [temperature, volume]", "a set-point of"),
        ("recipe.yaml", "signals: [temperature, ph,", "signals: [temperature, colour,", "expected a signal of"),
        ("recipe.yaml", "plan: daily", "plan: weekly", "expected a plan of sampling.yaml"),
        ("recipe.yaml", "plan: release", "plan: daily", "no sample step tests"),
        ("recipe.yaml", "operation: harvest", "operation: formulation", "more than once"),
        ("recipe.yaml", "phase: seed", "phase: activate", "a second time in this sequence"),
        ("recipe.yaml", "product: car_t_cd19", "product: other", "expected 'car_t_cd19'"),
        ("plant.yaml", "il2: IU/mL", "il2: mmol/L", "expected mmol/L as bioreactor has it"),
        ("plant.yaml", "{signal: ph, unit: pH", "{signal: ph, unit: °C", "as the signal has"),
        ("plant.yaml", "{signal: ph,", "{signal: smell,", "expected a signal"),
        ("plant.yaml", "{signal: ph, unit: pH, low: 6.7", "{signal: temperature, unit: °C, low: 6.7", "more than once"),
        ("plant.yaml", "deadband: 0.05", "deadband: 0.6", "leaves no value that counts as back inside"),
        ("plant.yaml", "on_delay: 0.1", "on_delay: -0.1", "a negative delay"),
        ("plant.yaml", "low: 0, high: 60, silence: 1.0", "low: 60, high: 0", "expected low < high"),
        ("plant.yaml", "high: 60, silence: 1.0", "high: 60, deadband: 0.1", "a deadband without a heartbeat"),
        ("plant.yaml", "high: 60, silence: 1.0", "high: 60, silence: 1.0, heartbeat: 2.0", "longer than the silence"),
        ("plant.yaml", "silence: 1.0", "silence: -1.0", "expected 0 or more"),
        ("plant.yaml", "equipment_class: qc_laboratory", "equipment_class: laboratory", "needs the class"),
        ("plant.yaml", "count: 12", "count: 0", "at least 1 unit"),
        ("sampling.yaml", "attributes: [car_fraction,", "attributes: [colour,", "expected an attribute"),
        ("sampling.yaml", "    - endotoxin\n", "", "no sampling plan with stage release tests endotoxin"),
        ("sampling.yaml", "plan: daily", "plan: phenotype", "a second time"),
        ("product.yaml", "dose_attribute: viable_car_cells", "dose_attribute: dose", "stage release"),
        ("product.yaml", "high: 30", "high: 30\n    low: 40", "low 40 above high 30"),
    ],
)
def test_files_that_disagree_are_told_with_their_place(file: str, old: str, new: str, said: str) -> None:
    texts = shipped()
    assert old in texts[file]
    loaded = load_pack({**texts, file: texts[file].replace(old, new, 1)})
    assert not isinstance(loaded, Pack)
    assert any(said in each.message and each.line > 1 for each in loaded), [str(each) for each in loaded]


def test_a_critical_parameter_without_a_dossier_is_a_warning_and_the_pack_is_usable() -> None:
    texts = shipped()
    reference = "            dossier_ref: DEMO-DOSSIER 3.2.S.2.2 (demonstration)\n"
    before, after = texts["recipe.yaml"].split("target: 3.0", 1)
    pack = load_pack({**texts, "recipe.yaml": before + "target: 3.0" + after.replace(reference, "", 1)})
    assert isinstance(pack, Pack)
    assert [each.path for each in pack.warnings] == ["procedure[2].operations[1].parameters.moi"]
    assert "warning: transduction.moi is critical" in str(pack.warnings[0])
