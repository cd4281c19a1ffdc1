"""The quick form of the benchmark of control inside the batch, without peers."""

from pathlib import Path

from cytoloop.bench.feedback_control import rows
from cytoloop.bench.frame import Options
from cytoloop.bench.peers import Peers


def test_every_goal_has_a_row_with_a_figure(tmp_path: Path) -> None:
    found = {row.id: row for row in rows(Options(scratch=tmp_path, peers=Peers(folder=None), quick=True))}
    assert {"O4", "O4a", "O4b", "O4c", "O5b1.pack", "O5b1.best", "O5b1.gap", "O5b1.p5", "O5b1.lost"} <= set(found)
    assert all(row.value is not None for row in found.values())
    assert found["O4"].goal == "≤ 1 ms"
    gap = found["O5b1.gap"].value
    assert gap is not None
    assert gap > -1e-6, "nobody does better than the clairvoyant"
