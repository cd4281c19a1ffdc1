"""Donors: the pack's figures are those of the real tables, and draws follow them."""

import csv
from io import StringIO
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
import yaml

from cytoloop.adapters.plant.donor_fit import TABLES, fit, logit
from cytoloop.adapters.plant.donors import MEASURED, Distribution, draw_donor
from cytoloop.core.errors import UserError

PACK = Path(__file__).parents[3] / "src/cytoloop/packs/car_t_cd19/donors.yaml"


def stated() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(PACK.read_text(encoding="utf-8"))
    return data


def distribution() -> Distribution:
    return Distribution.from_data(stated())


def test_the_packs_figures_are_those_of_the_real_tables(shared: Path) -> None:
    folder = shared / "data" / "tcell_guide"
    tables = {
        name: list(csv.DictReader(StringIO((folder / name).read_text(encoding="utf-8-sig")), delimiter="\t"))
        for name in TABLES
    }
    fitted, figures = fit(tables), stated()["figures"]
    assert set(fitted) == set(figures) == set(MEASURED)
    for name, figure in fitted.items():
        assert figures[name]["mean"] == pytest.approx(figure.mean, abs=1e-4), name
        assert figures[name]["sd"] == pytest.approx(figure.sd, abs=1e-4), name
        assert figures[name]["scale"] == figure.scale
        assert figures[name]["donors"] == figure.donors
        assert figures[name]["source"] == figure.source


def test_a_fit_counts_technical_repeats_of_a_donor_once() -> None:
    rows = [
        {"Donor": donor, "Condition": condition, "Live fraction": "0.9", "Total cells": cells}
        for donor, start, end in (("D1", "100", "50"), ("D2", "100", "80"))
        for condition, cells in (("Thawed", start), ("Pre-activation", start), ("Debeaded", end))
        for _ in range(3)
    ]
    subsets = {
        f"{gate} | Freq. of Parent": "40"
        for gate in (
            "Live/CD3+", "Live/CD3+/CD4+ CD8-", "Live/CD3+/CD4- CD8+", "Live/CCR7+ CD45RO+", "Live/CCR7+ CD45RO-",
            "Live/CCR7- CD45RO+", "Live/CCR7- CD45RO-",
        )
    }  # fmt: skip
    titration = [
        {"donor id": donor, "IL-2 conct": dose, "live count (cells/ml)": count}
        for donor in ("1", "2")
        for dose, count in (("0", "100"), ("500", "200"))
    ]
    long = [
        {"Donor": donor, "Day": "8", "Condition": condition, "Live count": "100"}
        for donor in ("D1", "D2")
        for condition in ("+IL2", "-IL2")
    ]
    yields = [{"T cell count": "20", "PBMC count": "100"}] * 2
    content = ([subsets] * 2, [subsets] * 2, yields, rows, titration, long)
    fitted = fit(dict(zip(TABLES, content, strict=True)))
    assert fitted["activation_survival"].donors == 2
    assert fitted["activation_survival"].mean == pytest.approx((np.log(0.5) + np.log(0.8)) / 2)
    assert fitted["il2_response"].mean == pytest.approx(np.log(2.0) / 2)
    assert fitted["cd3_fraction"].mean == pytest.approx(logit(0.4))


def test_the_same_dice_give_the_same_donor() -> None:
    one, other = (draw_donor(distribution(), np.random.default_rng(5), "D") for _ in range(2))
    assert one == other
    assert one != draw_donor(distribution(), np.random.default_rng(6), "D")


def test_draws_follow_the_figures() -> None:
    stated_by_pack = distribution()
    drawn = [draw_donor(stated_by_pack, np.random.default_rng([9, i])) for i in range(2000)]
    figure = stated_by_pack.figures["cd4_fraction"]
    values = [logit(donor.cd4_fraction) for donor in drawn]
    assert mean(values) == pytest.approx(figure.mean, abs=0.08)
    assert stdev(values) == pytest.approx(figure.sd * stated_by_pack.widen, rel=0.06)
    for donor in drawn:
        assert donor.naive + donor.central_memory + donor.effector_memory + donor.emra == pytest.approx(1.0)
        assert 0.0 < donor.memory < 1.0
        assert 0.1 <= donor.factors.il2 <= 2.0


@pytest.mark.parametrize("part", ["figures", "assumed", "patients", "links"])
def test_a_missing_part_is_named(part: str) -> None:
    data = stated()
    del data[part]
    with pytest.raises(UserError, match=part):
        Distribution.from_data(data)


def test_a_figure_that_is_no_number_is_named() -> None:
    data = stated()
    data["assumed"]["uptake"]["sd"] = "wide"
    with pytest.raises(UserError, match="sd is 'wide'"):
        Distribution.from_data(data)
    data = stated()
    data["figures"]["emra"]["scale"] = "probit"
    with pytest.raises(UserError, match="emra"):
        Distribution.from_data(data)
