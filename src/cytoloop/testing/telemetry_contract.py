"""The contract every store of telemetry keeps. Subclass `TelemetryContract`, give `make_telemetry`, run with pytest.

`make_telemetry()` gives the same store again each time, opened anew when it is kept on a disk.
"""

import math
from collections.abc import Callable
from hashlib import sha256

import pytest

from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.telemetry import ALWAYS, Readings, Tag, TelemetryStore, Written, readings
from cytoloop.record.segment import FORM

MakeTelemetry = Callable[[], TelemetryStore]
PH, OXYGEN = Tag("bioreactor-01/ph", "pH"), Tag("bioreactor-01/dissolved_oxygen", "fraction")
AllRows = list[tuple[Tag, int, int, float, int]]


def block(*rows: tuple[Tag, int, float], batch: str = "B-1", received: int = 9) -> Readings:
    """A block of good readings for tests: (tag, at, value)."""
    return readings(batch, [(tag, at, received, value, 0) for tag, at, value in rows])


def rows(store: TelemetryStore, start: int = ALWAYS[0], stop: int = ALWAYS[1], *tags: str) -> AllRows:
    """What the store gives back of batch B-1."""
    return list(store.read("B-1", start, stop, tags).rows())


class TelemetryContract:
    """What a store of telemetry must do, whatever it is made of."""

    def test_gives_readings_back_by_name_of_tag_and_by_time(self, make_telemetry: MakeTelemetry) -> None:
        store = make_telemetry()
        store.write([block((PH, 30, 7.3), (OXYGEN, 20, 0.5)), block((PH, 10, 7.1))])
        store.write([block((PH, 20, 7.2))])
        expected = [(OXYGEN, 20, 9, 0.5, 0), (PH, 10, 9, 7.1, 0), (PH, 20, 9, 7.2, 0), (PH, 30, 9, 7.3, 0)]
        assert rows(store) == expected
        assert rows(make_telemetry()) == expected
        assert rows(store, 10, 30) == expected[:3]
        assert rows(store, 11, 31, PH.name) == expected[2:]
        assert rows(store, 31) == []
        assert rows(store, 10, 30, "no-such/tag") == []

    def test_is_empty_at_first(self, make_telemetry: MakeTelemetry) -> None:
        store = make_telemetry()
        assert (rows(store), store.batches(), store.segments("B-1"), store.unsealed("B-1")) == ([], [], [], 0)
        assert store.seal("B-1", 100) == ()
        assert store.write([]) == Written(0)

    def test_keeps_value_status_and_both_times_to_the_bit(self, make_telemetry: MakeTelemetry) -> None:
        store = make_telemetry()
        odd = [-0.0, math.inf, 5e-324, 0.1 + 0.2, 36.98, -1.7e308]
        given = [(PH, -5 + at, 2**53 + at, value, 0xFFFF_FFFF - at) for at, value in enumerate(odd)]
        store.write([readings("B-1", given)])
        for again in (store, make_telemetry()):
            assert [(*row[:3], row[3].hex(), row[4]) for row in rows(again)] == [
                (*row[:3], row[3].hex(), row[4]) for row in given
            ]
        store.seal("B-1", 100)
        assert [row[3].hex() for row in rows(make_telemetry())] == [value.hex() for value in odd]

    def test_keeps_a_reading_without_a_value(self, make_telemetry: MakeTelemetry) -> None:
        store, missing = make_telemetry(), block((PH, 1, math.nan))
        assert store.write([missing, missing]) == Written(1, repeated=1)
        assert math.isnan(rows(store)[0][3])

    def test_drops_what_came_before_and_counts_it(self, make_telemetry: MakeTelemetry) -> None:
        store = make_telemetry()
        assert store.write([block((PH, 10, 7.1), (PH, 20, 7.2), (PH, 10, 7.1))]) == Written(2, repeated=1)
        assert store.write([block((PH, 20, 7.2), (PH, 30, 7.3), received=99)]) == Written(1, repeated=1)
        assert make_telemetry().write([block((PH, 10, 7.1))]) == Written(0, repeated=1)
        assert rows(make_telemetry()) == [(PH, 10, 9, 7.1, 0), (PH, 20, 9, 7.2, 0), (PH, 30, 99, 7.3, 0)]

    def test_keeps_the_first_of_two_that_conflict_and_counts_the_other(self, make_telemetry: MakeTelemetry) -> None:
        store = make_telemetry()
        assert store.write([block((PH, 10, 7.1), (PH, 10, 7.9))]) == Written(1, conflicting=1)
        assert store.write([readings("B-1", [(PH, 10, 9, 7.1, 0x8000_0000)])]) == Written(0, conflicting=1)
        store.seal("B-1", 11)
        assert store.write([block((PH, 10, 7.0), (PH, 10, 7.1))]) == Written(0, repeated=1, conflicting=1)
        assert rows(store) == [(PH, 10, 9, 7.1, 0)]
        assert store.unsealed("B-1") == 0

    def test_keeps_the_readings_of_batches_apart(self, make_telemetry: MakeTelemetry) -> None:
        store = make_telemetry()
        assert store.write([block((PH, 1, 7.0)), block((PH, 1, 8.0), batch="B-0")]) == Written(2)
        store.seal("B-0", 5)
        assert rows(store) == [(PH, 1, 9, 7.0, 0)]
        assert store.batches() == ["B-0", "B-1"]
        assert [store.unsealed(batch) for batch in store.batches()] == [0, 1]

    def test_refuses_a_tag_that_changes_its_unit_and_keeps_nothing_of_the_write(
        self, make_telemetry: MakeTelemetry
    ) -> None:
        store = make_telemetry()
        store.write([block((PH, 1, 7.0))])
        with pytest.raises(UserError, match=r"ph of batch B-1 .*convert it where it enters"):
            store.write([block((OXYGEN, 1, 0.5)), block((Tag(PH.name, "1"), 2, 7.0))])
        assert rows(store) == [(PH, 1, 9, 7.0, 0)]
        assert store.write([block((OXYGEN, 1, 0.5))]) == Written(1)

    def test_seals_what_is_older_and_keeps_the_rest_open(self, make_telemetry: MakeTelemetry) -> None:
        store = make_telemetry()
        store.write([block((PH, 10, 7.1), (PH, 20, 7.2), (OXYGEN, 10, 0.5))])
        (segment,) = store.seal("B-1", 20)
        assert (segment.name, segment.batch, segment.first, segment.last) == ("B-1/1", "B-1", 10, 10)
        assert (segment.readings, segment.tags) == (2, (OXYGEN.name, PH.name))
        data = store.segment("B-1/1")
        assert sha256(data).hexdigest() == segment.sha256
        assert list(FORM.decode(data).rows()) == [(OXYGEN, 10, 9, 0.5, 0), (PH, 10, 9, 7.1, 0)]
        assert store.seal("B-1", 20) == ()
        assert store.unsealed("B-1") == 1
        assert store.segments("B-1") == [segment]
        assert [at for _, at, *_ in rows(make_telemetry())] == [10, 10, 20]

    def test_late_readings_go_into_a_further_segment(self, make_telemetry: MakeTelemetry) -> None:
        store = make_telemetry()
        store.write([block((PH, 20, 7.2))])
        store.seal("B-1", 21)
        store.write([block((PH, 10, 7.1), (PH, 20, 7.2))])
        (late,) = store.seal("B-1", 21)
        assert (late.name, late.readings, late.first) == ("B-1/2", 1, 10)
        assert [segment.name for segment in make_telemetry().segments("B-1")] == ["B-1/1", "B-1/2"]
        assert [at for _, at, *_ in rows(store)] == [10, 20]

    def test_many_small_writes_add_up(self, make_telemetry: MakeTelemetry) -> None:
        store = make_telemetry()
        for at in range(300):
            store.write([block((PH, at, at / 8), (OXYGEN, at, at / 16))])
            if at == 100:
                store.seal("B-1", 50)
        given = [(OXYGEN, at, 9, at / 16, 0) for at in range(300)] + [(PH, at, 9, at / 8, 0) for at in range(300)]
        assert rows(store) == rows(make_telemetry()) == given
        assert rows(store, 40, 60, PH.name) == given[340:360]
        (rest,) = store.seal("B-1", 1000)
        assert rest.readings == 500

    def test_a_segment_that_is_not_there_is_named(self, make_telemetry: MakeTelemetry) -> None:
        with pytest.raises(FindingError, match="segment B-1/7 is not in"):
            make_telemetry().segment("B-1/7")

    def test_keeps_what_the_intake_must_know_with_the_readings_or_not_at_all(
        self, make_telemetry: MakeTelemetry
    ) -> None:
        store = make_telemetry()
        assert store.state("B-1") is None
        store.write([block((PH, 1, 7.0))], {"B-1": b"first", "B-2": b"other"})
        store.write([], {"B-1": bytes(range(256)) * 100})
        with pytest.raises(UserError):
            store.write([block((OXYGEN, 1, 0.5)), block((Tag(PH.name, "1"), 2, 7.0))], {"B-2": b"never"})
        for again in (store, make_telemetry()):
            assert again.state("B-1") == bytes(range(256)) * 100
            assert again.state("B-2") == b"other"
            assert again.batches() == ["B-1"]

    def test_may_be_closed_twice(self, make_telemetry: MakeTelemetry) -> None:
        store = make_telemetry()
        store.close()
        store.close()
