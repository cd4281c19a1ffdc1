"""A pack whose recipe has every form that a recipe may have, for worlds in which everything may go wrong."""

from collections.abc import Mapping
from dataclasses import replace

from tests.flows import SAFE, W, parameter

from cytoloop.app.packs import read_pack
from cytoloop.core.product import EquipmentClass
from cytoloop.core.recipe import (
    Answer,
    Branch,
    Calculation,
    Decision,
    Hold,
    IdentityScan,
    Incubation,
    Instruction,
    Item,
    LabelPrint,
    Loop,
    MaterialAddition,
    Operation,
    Option,
    Parallel,
    Parameter,
    Program,
    Ramp,
    Read,
    Repeat,
    Rework,
    Sample,
    Selection,
    SetPoint,
    Sign,
    Transfer,
    UnitProcedure,
    Wait,
    Way,
    Within,
)
from cytoloop.production.pack import Pack

PARAMETERS: Mapping[str, Parameter] = {
    "hours": parameter(6.0),
    "long": parameter(24.0),
    "temperature": parameter(37.0, "°C"),
    "il2": parameter(100.0, "IU/mL"),
    "volume": parameter(200.0, "mL"),
    "seeding_density": parameter(1.0, "1e6 cells/mL"),
}
DENSE = 'result("viable_cell_density") > quantity(0.5, "1e6 cells/mL")'
STEPS: tuple[Item, ...] = (
    IdentityScan(phase="scan", words=W, label="culture_vessel"),
    Program(phase="seed", words=W, program="seed", parameters=("volume", "seeding_density"), rework="warm"),
    Ramp(phase="warm_up", words=W, parameter="temperature", begin=30.0, over="hours", moves=4),
    Parallel(
        parallel="both",
        words=W,
        branches=(
            Branch(
                branch="cells",
                words=W,
                steps=(
                    Hold(phase="settle", words=W, duration="hours"),
                    Sample(phase="count", words=W, plan="daily", rework="warm"),
                    Read(phase="look", words=W, signals=("temperature", "ph")),
                ),
            ),
            Branch(
                branch="feed",
                words=W,
                steps=(
                    MaterialAddition(phase="add_il2", words=W, material="il2", quantity="il2", verified=True),
                    SetPoint(phase="set_il2", words=W, parameters=("il2",)),
                    Loop(
                        loop="follow", words=W, every=4.0, until="long",
                        steps=(Read(phase="read", words=W, signals=("temperature", "glucose")),),
                    ),
                ),
            ),
        ),
    ),
    Selection(
        selection="density",
        words=W,
        ways=(
            Way(
                way="dense", words=W, when=DENSE,
                steps=(SetPoint(phase="cool", words=W, parameters=("temperature",)),),
            ),
            Way(
                way="thin", words=W, when="otherwise",
                steps=(Incubation(phase="grow", words=W, parameters=("temperature",), duration="hours",
                                  signals=("temperature",)),),
            ),
        ),
    ),
    Repeat(
        repeat="until_dense", words=W, until=DENSE, at_most=3,
        steps=(Hold(phase="more", words=W, duration="hours"), Sample(phase="again", words=W, plan="daily")),
    ),
    Calculation(phase="twice", words=W, value='2 * parameter("work.volume")', unit="mL"),
    Wait(phase="ready", words=W, until='result("viability") > 0', at_most=5.0),
    Decision(
        phase="choose", words=W, role="qa",
        options=(Option(option="go", words=W), Option(option="rest", words=W)),
    ),
    Instruction(
        phase="inspect", words=W, verified=True, within=Within(hours=72.0, after="work/choose"),
        answers=(Answer(name="clear", words=W, type="yes_no", expected=("yes",)),
                 Answer(name="volume", words=W, unit="mL", low=1.0, high=9.0)),
    ),
    LabelPrint(phase="label", words=W, label="final_bag", copies=3),
    Transfer(phase="move", words=W, to="controlled_rate_freezer"),
    Sign(phase="signed", words=W, role="qa", meaning="reviewed"),
)  # fmt: skip
FINISH: tuple[Item, ...] = (
    Program(phase="wash", words=W, program="wash_and_harvest"),
    Sample(phase="release_sample", words=W, plan="release"),
)


def every_form() -> Pack:
    """The CAR-T pack with that recipe in the place of its own."""
    pack = read_pack("car_t_cd19")
    warm = Rework(words=W, at_most=2, steps=(SetPoint(phase="warm", words=W, parameters=("temperature",)),))
    work = Operation(operation="work", words=W, parameters=PARAMETERS, steps=STEPS, reworks={"warm": warm})
    finish = Operation(operation="finish", words=W, steps=FINISH)
    procedure = (
        UnitProcedure(
            unit_procedure="culture", words=W, equipment_class="bioreactor", operations=(work,), safe_state=SAFE
        ),
        UnitProcedure(unit_procedure="end", words=W, equipment_class="closed_processor", operations=(finish,)),
    )
    classes = tuple(_with_safe_temperature(each) for each in pack.plant.classes)
    return replace(pack, recipe=replace(pack.recipe, procedure=procedure), plant=replace(pack.plant, classes=classes))


def _with_safe_temperature(kind: EquipmentClass) -> EquipmentClass:
    if kind.equipment_class != "bioreactor":
        return kind
    return replace(kind, set_points={**kind.set_points, "safe_temperature": "°C"})
