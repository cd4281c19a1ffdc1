"""What holds of every table, every cohort and every past, whatever is in them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cytoloop.bench.learning_sites import cohort
from cytoloop.feedback.joined.csv import cells_of, csv_of
from cytoloop.feedback.joined.forms import BATCHES
from cytoloop.feedback.joined.tables import Cell, Column, Source, TidyRow, table_of
from cytoloop.feedback.samples.firth import slope
from cytoloop.feedback.samples.starting import Past, risk_of

FEW = settings(max_examples=15, deadline=None, database=None)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), min_size=1)
KINDS: dict[str, st.SearchStrategy[Cell]] = {
    "text": TEXT,
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "whole": st.integers(-(2**53), 2**53),
    "flag": st.booleans(),
    "instant": st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
}


def cell(column: Column) -> st.SearchStrategy[Cell]:
    return st.none() | KINDS[column.kind]


ROWS = st.fixed_dictionaries({column.name: cell(column) for column in BATCHES.columns[:-3]})


@FEW
@given(st.lists(ROWS, max_size=3))
def test_any_table_comes_back_from_its_text(rows: list[dict[str, Cell]]) -> None:
    table = table_of(BATCHES, [TidyRow(cells=row, source=Source("s", 0, "e")) for row in rows])
    assert cells_of(BATCHES, "t.csv", csv_of(table).decode()) == list(table.values())


@FEW
@given(st.integers(0, 10_000), st.integers(10, 40), st.floats(-1.5, 1.5), st.sampled_from([1e-6, 1.0, 1e9]))
def test_an_outcome_effect_knows_no_unit_and_no_order(seed: int, patients: int, true: float, unit: float) -> None:
    attribute, outcome = cohort(np.random.default_rng(seed), patients, true)
    design = np.column_stack([np.ones(patients), (attribute - attribute.mean()) / attribute.std()])
    scaled = attribute * unit + unit
    other = np.column_stack([np.ones(patients), (scaled - scaled.mean()) / scaled.std()])
    one, two = slope(design, outcome, 1), slope(other[::-1], outcome[::-1], 1)
    assert one.low <= one.estimate <= one.high
    assert 0 <= one.p <= 1
    assert np.allclose([one.estimate, one.p], [two.estimate, two.p], atol=1e-3)


FACTORS = st.fixed_dictionaries({}, optional={
    "weight": st.floats(2, 300), "cd3": st.floats(0, 50), "age": st.floats(0, 110),
    "lines_of_therapy": st.integers(0, 9).map(float),
})  # fmt: skip
PASTS = st.lists(st.tuples(st.booleans(), FACTORS, st.none() | st.floats(0, 1)), max_size=25)


@FEW
@given(PASTS, FACTORS, st.none() | st.floats(0, 1))
def test_a_risk_is_a_probability_inside_its_interval_whatever_the_past(
    pasts: list[tuple[bool, dict[str, float], float | None]], factors: dict[str, float], twin: float | None
) -> None:
    past = [Past(batch=f"B-{n}", failed=f, factors=known, twin=chance) for n, (f, known, chance) in enumerate(pasts)]
    found = risk_of(past, factors, twin=twin, generator=np.random.default_rng(1), draws=500)
    assert 0 <= found.interval.low <= found.interval.median <= found.interval.high <= 1
    assert 0 <= found.probability <= 1
    assert found.reason.en
    assert found.reason.zh
    assert found.enough is not found.reason.en.startswith("not enough")
