"""T1, small: every change of a real server is stored, and beside it stands a bare subscriber of the same run."""

from pathlib import Path

import pytest

from cytoloop.adapters.telemetry import SqliteTelemetry
from cytoloop.bench import production_opcua
from cytoloop.bench.frame import Options
from cytoloop.bench.peers import Peers
from cytoloop.core.errors import FindingError
from cytoloop.core.telemetry import Readings


def test_the_figures_of_a_quick_run(tmp_path: Path) -> None:
    rate, work = production_opcua.rows(Options(scratch=tmp_path, peers=Peers(None), quick=True))
    assert (rate.id, rate.unit, rate.goal, work.unit) == ("T1", "/s", "≥ 0.9x", "µs")
    for each in (rate, work):
        assert each.value is not None
        assert each.peer_value is not None
        assert each.ratio is not None
        assert each.value > 0


def test_a_change_that_is_lost_or_kept_twice_is_no_figure(tmp_path: Path) -> None:
    def too_many(store: SqliteTelemetry, block: list[Readings]) -> int:
        return production_opcua.keep(store, block) + 1_000_000

    with pytest.raises(FindingError, match="a change was lost or kept twice"):
        production_opcua.rows(Options(scratch=tmp_path, peers=Peers(None), quick=True), too_many)
