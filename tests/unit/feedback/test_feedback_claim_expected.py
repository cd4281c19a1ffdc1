"""What is taken off a result: the donor as it was known before the moved parameter acts, and only where it helps."""

from dataclasses import replace

import numpy as np
import pytest

from cytoloop.app.packs import read_pack
from cytoloop.core.facts.claim import ClaimedAttribute
from cytoloop.core.facts.feedback import Interval
from cytoloop.feedback.dataset import BatchHistory, Control, Start
from cytoloop.feedback.proposal.claim_expected import acts_from, expected_before, narrows
from cytoloop.feedback.twin import Twin

TARGETS = {name: each.target for name, each in read_pack("car_t_cd19").master.recipe.parameters().items()}
DOSE = ClaimedAttribute(
    attribute="viable_car_cells", unit="1e6 cells", better="more", scale="log", effect=0.1,
    predicted=Interval(median=1.0, low=0.5, high=1.5, unit="1e6 cells"),
)  # fmt: skip


@pytest.fixture(scope="module")
def twin() -> Twin:
    return Twin.from_data(dict(read_pack("car_t_cd19").twin))


def history(early: float, late: float, viability: float = 0.95) -> BatchHistory:
    return BatchHistory(
        batch="B-1", start=Start(seeding_density=1.0, volume=200.0, viability=viability),
        controls=(Control(at=48.0, perfusion_rate=1.2, il2=100.0),),
        observations={"viable_cell_density": ((40.0, early), (200.0, late))}, harvest_at=240.0,
        product={"viable_car_cells": 999.0},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("parameter", "hour"),
    [("activation.seeding_density", 0.0), ("transduction.moi", 24.0), ("expansion.perfusion_rate", 48.0), ("x.y", 0.0)],
)
def test_a_parameter_acts_from_its_operation_on(parameter: str, hour: float) -> None:
    assert acts_from(parameter, TARGETS) == hour


def test_what_came_after_the_change_acted_is_not_known(twin: Twin) -> None:
    assert expected_before(twin, history(1.0, 5.0), TARGETS, 48.0) == expected_before(
        twin, history(1.0, 50.0), TARGETS, 48.0
    )
    quiet, lively = (expected_before(twin, history(seen, 5.0), TARGETS, 48.0) for seen in (0.6, 2.0))
    assert lively["viable_car_cells"] > 1.2 * quiet["viable_car_cells"]


def test_it_is_the_former_targets_that_are_expected_on(twin: Twin) -> None:
    fewer = expected_before(twin, history(1.0, 5.0), {**TARGETS, "transduction.moi": 1.0}, 24.0)
    assert fewer["car_fraction"] < expected_before(twin, history(1.0, 5.0), TARGETS, 24.0)["car_fraction"]


def test_the_expectation_is_taken_off_only_where_it_narrows() -> None:
    donors = np.exp(np.random.default_rng(2).standard_normal(8))
    assert narrows(DOSE, list(300 * donors), list(310 * donors**0.9))
    assert not narrows(DOSE, list(300 * donors), list(310 / donors))
    assert not narrows(DOSE, list(300 * donors[:3]), list(310 * donors[:3])), "too few to tell"
    assert not narrows(replace(DOSE, scale="linear"), [1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 2.0])
