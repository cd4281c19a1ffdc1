"""The twin's figures from real donors, whole donors held out."""

from pathlib import Path

import numpy as np
import pytest
import yaml

import cytoloop
from cytoloop.adapters.tables import read_tables
from cytoloop.core.errors import UserError
from cytoloop.feedback.published.mixed import Group, fit_mixed, foretell
from cytoloop.feedback.published.real_fit import RealFit, real_fit
from cytoloop.feedback.published.tcell_guide import ACTIVATION, IL2_DOSES, IL2_LONG, MEMORY, read_guide
from cytoloop.feedback.twin import Twin

HEAD = "Donor\tCondition\tDay\tCount\tTotal volume (ml)\tLive count per ml\tLive fraction\tTotal cells"
ROW = "{}\t{}\tD1\t1\t4.5\t{}E+06\t0.95\t9E+06"


@pytest.fixture(scope="module")
def twin() -> Twin:
    """The pack's twin."""
    pack = Path(cytoloop.__file__).parent / "packs" / "car_t_cd19" / "twin.yaml"
    return Twin.from_data(yaml.safe_load(pack.read_text("utf-8")))


@pytest.fixture(scope="module")
def fitted(shared: Path, twin: Twin) -> RealFit:
    """The fit of the real tables."""
    return real_fit(read_guide(read_tables(shared / "data" / "tcell_guide")), twin)


def test_every_table_is_scored_on_donors_left_out(fitted: RealFit) -> None:
    donors = {score.table: score.donors for score in fitted.tables}
    assert donors[ACTIVATION] == 6
    assert donors[IL2_DOSES] == 4
    assert donors[IL2_LONG] == 2
    assert donors[MEMORY] == 6


def test_one_sample_of_a_donor_tells_much(fitted: RealFit) -> None:
    for score in fitted.tables:
        if score.after_first is not None:
            assert score.after_first.error < score.cold.error
            assert score.after_first.error < score.after_first.naive_error


def test_intervals_hold_on_donors_left_out(fitted: RealFit) -> None:
    for score in fitted.tables:
        assert score.cold.coverage >= 0.8
        assert score.after_first is None or score.after_first.coverage >= 0.85


def test_real_cultures_hardly_need_il2_in_the_short_term(fitted: RealFit) -> None:
    share = 1.0 / (1.0 + np.exp(-fitted.changed["il2_independent"][0]))
    assert 0.8 < share < 0.99


def test_the_packs_prior_is_what_the_tables_say(fitted: RealFit, twin: Twin) -> None:
    """The pack states figures and source: they must not drift from what the fit recomputes."""
    for name, (mean, _) in fitted.changed.items():
        assert mean == pytest.approx(twin.population[name][0], abs=0.15), name
    assert fitted.fixed["il2_half"] == twin.fixed["il2_half"]


def test_a_folder_with_one_donor_is_refused(twin: Twin) -> None:
    with pytest.raises(UserError, match="no table has counts of two donors"):
        real_fit(read_guide({ACTIVATION: "\n".join([HEAD, ROW.format("D8", "Thawed", 2.0)])}), twin)


def test_few_and_lopsided_rows_still_give_a_finite_answer(twin: Twin) -> None:
    rows = [ROW.format("D8", "Thawed", 2.0), ROW.format("D8", "Debeaded", 1.8), ROW.format("D9", "Thawed", 1.5)]
    found = real_fit(read_guide({ACTIVATION: "\n".join([HEAD, *rows])}), twin)
    (score,) = found.tables
    assert score.after_first is not None
    assert score.after_first.counts == 1
    assert np.isfinite([score.cold.error, score.cold.naive_error, score.after_first.error]).all()
    assert 0.0 < found.changed["survival"][1] < 5.0


def groups(donors: int, generator: np.random.Generator) -> list[Group]:
    """Donors with level ~ N(1, 0.3), slope ~ N(0.5, 0.2), noise 0.1."""
    design = np.column_stack([np.ones(12), np.repeat([0.0, 0.5, 1.0], 4)])
    return [
        Group(
            donor=f"D{place}",
            design=design,
            logs=design @ generator.normal([1.0, 0.5], [0.3, 0.2]) + 0.1 * generator.standard_normal(12),
        )
        for place in range(donors)
    ]


def test_the_mixed_model_finds_what_made_the_data() -> None:
    model = fit_mixed(groups(60, np.random.default_rng(1)), np.array([0.5, 0.5]))
    assert model.mean == pytest.approx([1.0, 0.5], abs=0.12)
    assert model.spread == pytest.approx([0.3, 0.2], abs=0.08)
    assert model.noise == pytest.approx(0.1, abs=0.02)


def test_its_intervals_cover_new_donors() -> None:
    generator = np.random.default_rng(2)
    inside = []
    for _ in range(40):
        model = fit_mixed(groups(5, generator), np.array([0.3, 0.2]))
        new = groups(1, generator)[0]
        first = Group(donor="N", design=new.design[:1], logs=new.logs[:1])
        for seen, rows in ((None, slice(0, 12)), (first, slice(1, 12))):
            _, low, high = foretell(model, new.design[rows], seen)
            inside.append(np.mean((low <= new.logs[rows]) & (new.logs[rows] <= high)))
    assert 0.82 <= float(np.mean(inside)) <= 0.98
