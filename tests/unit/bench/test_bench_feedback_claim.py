"""The benchmark of proposals and claims, small: its rows, and that its errors stay under their bounds."""

from pathlib import Path

from cytoloop.bench.feedback_claim import rows
from cytoloop.bench.frame import Options
from cytoloop.bench.peers import Peers


def test_the_rows_of_proposals_and_claims(tmp_path: Path) -> None:
    found = {each.id: each for each in rows(Options(scratch=tmp_path, peers=Peers(None), quick=True, seed=3))}
    assert found["P1"].value == 0.0
    assert found["P1"].met is True
    assert found["P1 speed"].value
    assert (found["P2 true kept"].value or 0) > 0.6
    assert (found["P2 none kept"].value or 0) <= 0.2
    shares = [found[f"P2 none {each}"].value for each in ("kept", "refuted", "undecided")]
    assert sum(each or 0.0 for each in shares) == 1.0
    assert (found["P2 batches"].value or 0) >= 1
