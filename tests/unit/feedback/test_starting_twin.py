"""The twin's virtual donors before a batch: the dose suffers from fewer cells, and is asked for by weight."""

import numpy as np
import pytest

from cytoloop.app.packs import read_pack
from cytoloop.app.steering import release_limits
from cytoloop.feedback.samples.starting_twin import SHARES, VirtualDonors, virtual_donors
from cytoloop.feedback.twin import Twin

PACK = read_pack("car_t_cd19")


@pytest.fixture(scope="module")
def donors() -> VirtualDonors:
    targets = {name: parameter.target for name, parameter in PACK.master.recipe.parameters().items()}
    return virtual_donors(Twin.from_data(dict(PACK.twin)), targets, np.random.default_rng(4))


def chance(donors: VirtualDonors, weight: float, *shares: float) -> float:
    """Share of virtual donors out of specification for a patient of this weight."""
    return donors.failure(release_limits(PACK.product, weight), shares)


def test_fewer_cells_seeded_give_a_smaller_dose(donors: VirtualDonors) -> None:
    dose = {"viable_car_cells": release_limits(PACK.product, 70.0)["viable_car_cells"]}
    found = [donors.failure(dose, (share,)) for share in SHARES]
    assert found[0] > found[1] > found[-1]
    assert donors.failure(dose, (SHARES[0], 1.0)) == pytest.approx((found[0] + found[-1]) / 2)
    assert donors.failure(dose) == found[-1]
    assert donors.failure(dose, (7.0,)) == found[-1], "more cells than wanted are not seeded"


def test_the_dose_is_for_the_patients_weight_and_nothing_is_certain(donors: VirtualDonors) -> None:
    light, usual, heavy = (chance(donors, weight, 0.3) for weight in (40.0, 70.0, 140.0))
    assert 0 < light <= usual < heavy < 1
    assert 0 < donors.failure({}) < 0.01
