"""The dataset's tables as text and back, and tables of one's own as histories."""

import pytest

from cytoloop.core.errors import UserError
from cytoloop.feedback.dataset import Control
from cytoloop.feedback.joined.csv import cells_of, csv_of
from cytoloop.feedback.joined.forms import DEVIATIONS, LINEAGE, MATERIAL, PARAMETERS
from cytoloop.feedback.joined.history import read_batches
from cytoloop.feedback.joined.tables import Source, TidyRow, lineage_of, sources_of, table_of

HERE, THERE = Source("batch/B-1", 3, "ab" * 32), Source("batch/B-1", 9, "cd" * 32)
PARAMETER_ROWS = """batch,parameter,executed,unit,hours
B1,activation.seeding_density,1e6,cells/mL,0
B1,volume,0.2,liter,0
B1,moi,3,TU/cell,24
B1,activation.il2,100,IU/mL,0
B1,expansion.perfusion_rate,0.5,1/d,48
B1,expansion.il2,80,IU/mL,60
B1,expansion.culture_duration,8,d,
B2,activation.seeding_density,0.8,1e6 cells/mL,0
B2,volume,200,mL,0
B2,moi,3,TU/cell,24
"""
TRAJECTORY_ROWS = """batch,attribute,hours,value,unit
B1,viability,-2,93,%
B1,viable_cell_density,72,1.5e6,cells/mL
B1,glucose,72,12,mmol/L
B1,colour,72,3,1
B2,viable_cell_density,72,0.9,1e6 cells/mL
"""


def tables(**changed: str) -> dict[str, str]:
    """Tables of one's own, some of them changed; an empty one is left out."""
    given = {"parameters": PARAMETER_ROWS, "trajectories": TRAJECTORY_ROWS} | changed
    return {f"{name}.csv": text for name, text in given.items() if text}


def test_a_table_comes_back_from_its_text_cell_by_cell() -> None:
    cells = {"batch": "B-1", "deviation": 'D "1", late', "kind": "excursion", "step": None, "hours": -0.1}
    rows = [
        TidyRow(cells=cells, source=HERE, others={"decision": (THERE,)}),
        TidyRow(cells={"batch": "Ü\n2", "hours": 1e-7}, source=THERE),
    ]
    table = table_of(DEVIATIONS, rows)
    assert csv_of(table) == csv_of(table)
    assert cells_of(DEVIATIONS, "d.csv", csv_of(table).decode()) == list(table.values())
    assert sources_of([table]) == {HERE, THERE}
    told = list(lineage_of([table], LINEAGE).values())
    assert told == [("deviations", 1, "decision", "batch/B-1", 9, "cd" * 32)]


def test_a_cell_that_the_form_does_not_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no column colour"):
        table_of(MATERIAL, [TidyRow(cells={"colour": "red"}, source=HERE)])


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [("hours", "soon", "a finite number"), ("hours", "nan", "a finite number"), ("position", "1.5", "a whole number"),
     ("moved", "yes", "true or false")],
)  # fmt: skip
def test_a_wrong_cell_is_named_by_file_line_and_column(column: str, text: str, expected: str) -> None:
    cells = dict.fromkeys(PARAMETERS.names, "") | {column: text}
    body = "\n".join([",".join(PARAMETERS.names), ",".join(cells.values())])
    with pytest.raises(UserError, match=rf"p\.csv, line 2, column '{column}': '{text}'; expected {expected}"):
        cells_of(PARAMETERS, "p.csv", body)


def test_tables_of_ones_own_become_histories_in_house_units() -> None:
    first, second = read_batches(tables()).batches
    assert (first.start.seeding_density, first.start.volume, first.start.viability) == (1.0, 200.0, 0.93)
    assert first.start.expansion_at == 48.0
    assert first.observations == {"viable_cell_density": ((72.0, 1.5),), "glucose": ((72.0, 12.0),)}
    assert first.controls[0] == Control(at=0.0, perfusion_rate=0.0, il2=100.0)
    assert first.controls[1:] == (
        Control(at=48.0, perfusion_rate=0.5, il2=100.0), Control(at=60.0, perfusion_rate=0.5, il2=80.0),
    )  # fmt: skip
    assert first.harvest_at == 48.0 + 192.0
    assert second.harvest_at is None


def test_what_the_batches_cannot_teach_is_said() -> None:
    never = "B3,activation.volume,200,mL,0\n"
    notes = [note.en for note in read_batches(tables(parameters=PARAMETER_ROWS + never)).notes]
    assert any("B3" in note and "never seeded" in note for note in notes)
    assert any("2 batches are too few" in note for note in notes)
    assert any("transduction.moi" in note and "cannot be learned" in note for note in notes)
    assert not any("activation.seeding_density" in note for note in notes[1:])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"parameters": PARAMETER_ROWS.replace("1e6,cells/mL", "1,mmol/L")},
         r"parameters\.csv, line 2, column 'unit': 'mmol/L'; expected a unit that can be turned into 1e6 cells/mL"),
        ({"trajectories": TRAJECTORY_ROWS.replace("93,%", "93,fraction")},
         r"trajectories\.csv, line 2, column 'value': '93'; expected a fraction from 0 to 1"),
        ({"trajectories": TRAJECTORY_ROWS.replace("72,12,", "72,-12,")},
         r"trajectories\.csv, line 4, column 'value'.*from 0 up"),
        ({"trajectories": TRAJECTORY_ROWS.replace("72,12,", "72,nan,")}, r"line 4, column 'value'.*finite"),
        ({"batches": "batch,product\nB1,car_t\nB2,msc\n"},
         r"batches\.csv, line 3, column 'product': batch B2 is of 'msc', others are of 'car_t'"),
        ({"trajectories": TRAJECTORY_ROWS.replace("0.9,1e6 cells/mL", "0.9,")},
         r"csv, line 6, column 'unit': ''; expected a unit in every row of viable_cell_density or in none"),
        ({"trajectories": ""}, "needs a parameters table and a trajectories table"),
        ({"parameters": "batch,parameter,executed\nM1,bioreactor.agitation,60\n"}, "another therapy"),
        ({"trajectories": TRAJECTORY_ROWS.replace("batch,attribute", "lot,attribute")}, "column 'batch' is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_by_its_place(changed: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_batches(tables(**changed))


def test_one_product_is_chosen_by_name() -> None:
    batches = "batch,product\nB1,car_t\nB2,msc\n"
    assert [each.batch for each in read_batches(tables(batches=batches), "car_t").batches] == ["B1"]
    with pytest.raises(UserError, match="no batch is of product 'mrna'; it has car_t, msc"):
        read_batches(tables(batches=batches), "mrna")
