"""The optimiser's benchmark: its quick form, and surfaces whose optimum is what is said."""

from pathlib import Path

import numpy as np
import pytest

from cytoloop.bench.feedback_optimise import rows
from cytoloop.bench.frame import Options
from cytoloop.bench.peers import Peers
from cytoloop.bench.surfaces import classic, drawn


def test_the_quick_form_tells_every_figure(tmp_path: Path) -> None:
    found = rows(Options(scratch=tmp_path, peers=Peers(None), quick=True))
    assert {each.id for each in found} == {"O1", "O2", "O3"}
    assert all(each.value is not None for each in found)


def test_no_point_of_a_surface_is_above_its_optimum() -> None:
    for surface in (drawn(10_001, 6), classic("hartmann", 1)):
        d = len(surface.ranges)
        values = surface.truth(np.random.default_rng(1).random((4000, d)))
        assert 0.2 * surface.top < values.max() <= surface.top * (1.0 + 1e-6)
    assert classic("hartmann", 1).top == pytest.approx(3.32237, abs=1e-4)
