"""Every store of telemetry passes the one contract; any order and repetition of blocks makes the same segment."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytoloop.adapters.memory import MemoryTelemetry
from cytoloop.adapters.telemetry import SqliteTelemetry, open_telemetry, store
from cytoloop.core.telemetry import Readings, Tag, TelemetryStore, readings
from cytoloop.record.segment import FORM
from cytoloop.testing.telemetry_contract import MakeTelemetry, TelemetryContract


class TestMemoryTelemetry(TelemetryContract):
    @pytest.fixture
    def make_telemetry(self) -> MakeTelemetry:
        one = MemoryTelemetry(FORM)
        return lambda: one


class TestSqliteTelemetry(TelemetryContract):
    @pytest.fixture
    def make_telemetry(self, tmp_path: Path) -> Iterator[MakeTelemetry]:
        opened: list[SqliteTelemetry] = []

        def make() -> SqliteTelemetry:
            opened.append(open_telemetry(tmp_path / "telemetry.db", FORM, create=True))
            return opened[-1]

        yield make
        for each in opened:
            each.close()

    def test_is_durable_at_every_write(self, make_telemetry: MakeTelemetry) -> None:
        telemetry = make_telemetry()
        assert isinstance(telemetry, SqliteTelemetry)
        (synchronous,) = telemetry._file.run("PRAGMA synchronous")
        (journal,) = telemetry._file.run("PRAGMA journal_mode")
        assert (synchronous, journal) == ((2,), ("wal",)), "FULL and WAL, or a power cut may take what was acknowledged"

    def test_two_writers_on_one_file_keep_each_reading_once(self, make_telemetry: MakeTelemetry) -> None:
        first, second = make_telemetry(), make_telemetry()
        for at in range(40):
            given = [readings("B-1", [(TAGS[at % 2], at, 0, float(at), 0)])]
            assert first.write(given).kept == 1
            assert second.write(given).repeated == 1
        assert len(first.read("B-1")) == len(second.read("B-1")) == 40


TAGS = (Tag("z/ph", "pH"), Tag("a/ph", "pH"), Tag("m/il2", "IU/mL"))
PLACES = st.tuples(st.sampled_from(TAGS), st.integers(0, 60))


def the_reading(tag: Tag, at: int) -> tuple[Tag, int, int, float, int]:
    """The one reading of a place: whoever tells of it tells the same."""
    return tag, at, at + 3, Random(f"{tag.name} {at}").gauss(37.0, 0.1), at % 3


def blocks_of(places: list[list[tuple[Tag, int]]]) -> list[Readings]:
    return [readings("B-1", [the_reading(*place) for place in block]) for block in places]


def sealed(telemetry: TelemetryStore, writes: list[list[Readings]], upto: int) -> list[bytes]:
    for blocks in writes:
        telemetry.write(blocks)
    segments = [*telemetry.seal("B-1", upto), *telemetry.seal("B-1", 1000)]
    return [telemetry.segment(segment.name) for segment in segments]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(PLACES, max_size=12), min_size=1, max_size=20), st.randoms(), st.integers(0, 70))
def test_any_order_and_repetition_of_blocks_makes_the_same_segments(
    tmp_path_factory: pytest.TempPathFactory, places: list[list[tuple[Tag, int]]], dice: Random, upto: int
) -> None:
    path = tmp_path_factory.mktemp("telemetry") / "telemetry.db"
    expected = sealed(MemoryTelemetry(FORM), [blocks_of(places)], upto)
    shuffled = [list(block) for block in [*places, *places[:3]]]
    dice.shuffle(shuffled)
    for block in shuffled:
        dice.shuffle(block)
    telemetry = open_telemetry(path, FORM, create=True)
    assert sealed(telemetry, [[block] for block in blocks_of(shuffled)], upto) == expected
    telemetry.close()


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.lists(PLACES, max_size=8), st.integers(0, 9)), max_size=25),
    st.tuples(st.integers(-5, 70), st.integers(-5, 70)),
)
def test_both_stores_answer_the_same_whatever_is_written_sealed_and_opened_again(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[list[tuple[Tag, int]], int]], within: tuple[int, int]
) -> None:
    path = tmp_path_factory.mktemp("telemetry") / "telemetry.db"
    twin, telemetry = MemoryTelemetry(FORM), open_telemetry(path, FORM, create=True)
    for places, what in acts:
        (block,) = blocks_of([places])
        assert telemetry.write([block]) == twin.write([block])
        if what == 0:
            assert telemetry.seal("B-1", 30) == twin.seal("B-1", 30)
        if what == 1:
            telemetry.close()
            telemetry = open_telemetry(path, FORM)
        assert list(telemetry.read("B-1", *within, ["a/ph", "z/ph"]).rows()) == list(
            twin.read("B-1", *within, ["a/ph", "z/ph"]).rows()
        )
    assert list(telemetry.read("B-1").rows()) == list(twin.read("B-1").rows())
    telemetry.close()


def test_a_long_stretch_becomes_several_segments_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST", 50)
    telemetry, twin = open_telemetry(tmp_path / "t.db", FORM, create=True), MemoryTelemetry(FORM, most=50)
    given = [readings("B-1", [the_reading(tag, at) for at in range(70) for tag in TAGS])]
    assert telemetry.write(given) == twin.write(given)
    made = telemetry.seal("B-1", 68)
    assert made == twin.seal("B-1", 68)
    assert [segment.readings for segment in made] == [48, 51, 51, 48, 6]
    assert all(before.last < after.first for before, after in pairwise(made))
    assert list(telemetry.read("B-1").rows()) == list(twin.read("B-1").rows())
    telemetry.close()
