"""S1 and S2 in their quick form: what is counted was computed, and is exact."""

from pathlib import Path

import numpy as np
import pytest

from cytoloop.bench import feedback_simulation
from cytoloop.bench.feedback_simulation import SLOPED, differences, gradients, largest_error, work
from cytoloop.bench.frame import Options
from cytoloop.bench.peers import Peers
from cytoloop.feedback.models.model import run
from cytoloop.feedback.models.t_cell import MODEL


def test_a_quick_run_gives_both_figures_with_their_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback_simulation, "QUICK", 200)
    monkeypatch.setattr(feedback_simulation, "QUICK_CHECKED", 2)
    rows = feedback_simulation.rows(Options(scratch=tmp_path, peers=Peers(None), quick=True))
    assert [each.id for each in rows] == ["S1"] * 6 + ["S2"] * 2
    assert all(each.value is not None and each.value > 0 for each in rows)
    exact = [each for each in rows if each.what.startswith("largest error")]
    assert len(exact) == 4
    assert all(each.met for each in exact), exact
    scipy = rows[4]
    assert scipy.peer_value is not None
    assert scipy.value is not None
    assert scipy.value > scipy.peer_value


def test_an_error_is_seen() -> None:
    of = work(3, seed=5)
    found = run(MODEL, of.values, of.states, of.plan, np.array([336.0]))[:, 0]
    assert largest_error(found * (1.0 + 1e-4), found) == pytest.approx(1e-4, rel=1e-3)
    wanted = differences(of, 2)
    assert gradients(of, 2, 1).shape == wanted.shape == (2, 6, SLOPED)
