"""The facility's day of the benchmark: nothing is lost, doubled or overlooked in it; a run in which it is, is none."""

from contextlib import closing
from pathlib import Path

import pytest

from cytoloop.adapters.telemetry import open_telemetry
from cytoloop.bench import production_facility_day
from cytoloop.bench.checked import Keeper
from cytoloop.bench.facility_day import EXPECTED, SIGNALS, Day, Reactor
from cytoloop.bench.frame import Options
from cytoloop.bench.peers import Peers
from cytoloop.core.errors import FindingError
from cytoloop.core.telemetry import Readings, Tag, readings
from cytoloop.record.segment import FORM

SECONDS = 600


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(production_facility_day, "REACTORS", 3)
    return 3


def test_a_quick_run_counts_what_was_checked_and_what_was_stored(few: int, tmp_path: Path) -> None:
    rows = production_facility_day.rows(Options(scratch=tmp_path, peers=Peers(None), quick=True))
    assert [each.id for each in rows] == ["L3", "L3"]
    assert all(each.value is not None and each.value > 0 for each in rows)
    silent = SECONDS // 5
    every = few * (SECONDS * SIGNALS - silent)
    assert f"{every:,} stored" in rows[1].what, "what came twice or again is stored once"
    assert "10 minutes of 3 bioreactors" not in rows[1].what
    assert list(tmp_path.iterdir()) == []


def test_a_day_in_which_something_is_overlooked_is_no_figure(
    few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXPECTED, "range", 2)
    with pytest.raises(FindingError, match="came out wrong"):
        production_facility_day.rows(Options(scratch=tmp_path, peers=Peers(None), quick=True))


def test_what_is_kept_of_a_reactor_is_what_it_measured(tmp_path: Path) -> None:
    day = Day(SECONDS)
    keeper = Keeper(lambda block: day.checks("bioreactor-01", 0.0))
    with closing(open_telemetry(tmp_path / "t.db", FORM, create=True)) as store:
        reactor = Reactor("B-1", "bioreactor-01", day, 7)
        blocks = [reactor.block(start, start + 200) for start in range(0, SECONDS, 200)]
        assert [keeper(store, [block]) for block in blocks[:1]] == [19_980]
        keeper(store, blocks[1:])
        made = {(tag.name, at): value for block in blocks for tag, at, _, value, _ in block.rows()}
        assert {(tag.name, at): value for tag, at, _, value, _ in store.read("B-1").rows()} == made
        assert store.state("B-1") is not None


def test_the_keeper_begins_anew_with_another_store_and_keeps_every_reading(tmp_path: Path) -> None:
    keeper, tag = Keeper(), Tag("burst-01/s", "1")

    def block(start: int) -> Readings:
        return readings("B-1", [(tag, at, at, float(at), 0) for at in range(start, start + 10)])

    for name in ("a", "b"):
        with closing(open_telemetry(tmp_path / name, FORM, create=True)) as store:
            assert keeper(store, [block(10), block(20)]) == 20
            assert keeper(store, [block(5)]) == 5
    assert keeper.checked == 60
