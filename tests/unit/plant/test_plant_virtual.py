"""Virtual batches: the same cells, equipment and luck as in the facility, without its clock."""

import pytest

from cytoloop.adapters.plant.donors import Distribution, draw_donor
from cytoloop.adapters.plant.faults import Misfortunes, Span
from cytoloop.adapters.plant.streams import stream
from cytoloop.adapters.plant.virtual import VirtualBatch, dice_of, virtual_batch
from cytoloop.app.packs import read_pack
from cytoloop.core.errors import UserError

PACK = read_pack("car_t_cd19")
TARGETS = {name: parameter.target for name, parameter in PACK.recipe.parameters().items()}
DONOR = draw_donor(Distribution.from_data(PACK.donors), stream(1, "donor", "patient"), "patient")


def made(*, misfortunes: Misfortunes | None = None, **moved: float) -> VirtualBatch:
    parameters = {**TARGETS, **{name.replace("__", "."): value for name, value in moved.items()}}
    return virtual_batch(DONOR, parameters, dice_of(1, "patient"), misfortunes=misfortunes)


def test_misfortunes_reach_the_culture() -> None:
    usual, warm = made(), made(misfortunes=Misfortunes(excursion=Span(start=60.2, end=90.0, size=3.0)))
    lean = made(misfortunes=Misfortunes(pump_slip=Span(start=60.0, end=240.0, size=0.9)))
    foul = made(misfortunes=Misfortunes(contamination=150.5))
    assert warm.true()["total_viable_cells"] < usual.true()["total_viable_cells"]
    assert lean.true()["viability"] < usual.true()["viability"]
    assert foul.true()["sterility"] > 0.0 == usual.true()["sterility"]


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(UserError, match=r"transduction\.moi"):
        virtual_batch(DONOR, {n: v for n, v in TARGETS.items() if n != "transduction.moi"}, dice_of(1, "patient"))
