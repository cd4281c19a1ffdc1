"""How values look."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytoloop.testing.builders import START
from cytoloop.web import show


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0, "0"),
        (-1.0, "−1"),
        (0.5, "0.5"),
        (6.6612, "6.66"),
        (98.76, "98.8"),
        (1234.5, "1,234"),
        (-1500, "−1,500"),
    ],
)
def test_numbers_have_three_digits(value: float | None, shown: str) -> None:
    assert show.number(value) == shown


@given(st.floats(min_value=-1e9, max_value=1e9, allow_nan=False))
def test_a_shown_number_reads_back_within_its_digits(value: float) -> None:
    read = float(show.number(value).replace("−", "-").replace(",", ""))
    assert math.isclose(read, value, rel_tol=0.006, abs_tol=1e-300)


def test_fractions_are_shown_as_percent() -> None:
    assert show.quantity(0.881, "fraction") == "88.1 %"
    assert show.amount(0.7, "fraction") == "70"


def test_units_are_written_for_people() -> None:
    assert show.quantity(420.0, "1e6 cells") == "420 ×10⁶"
    assert show.quantity(2.0, "1") == "2"
    assert show.quantity(None, "mmol/L") == "–"


def test_durations_are_hours_then_days() -> None:
    assert show.span(6.0) == "6 h"
    assert show.span(240.0) == "10.0 d"


def test_instants_are_shown_in_utc() -> None:
    assert show.when(START + timedelta(minutes=90)) == "2026-06-01 09:30"
