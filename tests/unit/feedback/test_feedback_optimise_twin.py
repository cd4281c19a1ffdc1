"""The culture twin as a campaign's prior."""

import math

import pytest

from cytoloop.app.packs import read_pack
from cytoloop.core.errors import UserError
from cytoloop.feedback.optimise.twin import twin_prior
from cytoloop.feedback.twin import Twin


def test_the_twin_expects_what_its_equations_say_and_nothing_of_what_they_leave_out() -> None:
    pack = read_pack("car_t_cd19")
    targets = {name: each.target for name, each in pack.recipe.parameters().items()}
    limits = {"viable_car_cells": (140.0, None), "vector_copy_number": (None, 5.0)}
    prior = twin_prior(Twin.from_data(dict(pack.twin)), targets, limits)
    assert callable(prior)
    here, more, warmer = prior({}), prior({"transduction.moi": 4.5}), prior({"expansion.temperature": 36.0})
    assert warmer == here
    assert all(isinstance(value, float) and math.isfinite(value) for value in here.values())
    assert more["car_fraction"] > here["car_fraction"]  # type: ignore[operator]
    assert 0.0 < here["in_specification"] <= 1.0  # type: ignore[operator]
    without = twin_prior(Twin.from_data(dict(pack.twin)), {}, limits)
    assert callable(without)
    with pytest.raises(UserError, match=r"activation\.seeding_density"):
        without({})
