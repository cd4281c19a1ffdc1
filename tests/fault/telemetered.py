"""Writes and seals readings, and says each time what was acknowledged: on the disk that tells, or to whoever kills it.

`python -m tests.fault.telemetered FOLDER` writes BLOCKS blocks and remarks on the disk that tells; with HASTY in the
environment it does not wait for the disk, which the tests must find.
`python -m tests.fault.telemetered FOLDER FIRST` goes on from block FIRST for ever and prints.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from hashlib import sha256
from itertools import count
from pathlib import Path

from cytoloop.adapters.files import make_folder
from cytoloop.adapters.telemetry import open_telemetry, store
from cytoloop.app.records import TELEMETRY
from cytoloop.core.telemetry import Readings, Tag, TelemetryStore, readings
from cytoloop.record.segment import FORM

BLOCKS = 16
SEAL_EVERY = 5
TAGS = (Tag("bioreactor-01/ph", "pH"), Tag("bioreactor-01/temperature", "°C"))
Row = tuple[Tag, int, int, float, int]
Say = Callable[..., None]


def rows(number: int) -> list[Row]:
    """What block `number` holds: so many numbers that it fills more than one page of the file."""
    places = range(1000 * number, 1000 * number + 400)
    return [(tag, place, place + 7, 36.0 + place / 1024, 0) for tag in TAGS for place in places]


def block(number: int) -> Readings:
    return readings("B-1", rows(number))


def write(telemetry: TelemetryStore, numbers: Iterable[int], say: Say) -> None:
    """Write the blocks one by one, and seal what is older than the last now and then."""
    for number in numbers:
        telemetry.write([block(number)])
        say(written=number)
        if number % SEAL_EVERY == SEAL_EVERY - 1:
            for segment in telemetry.seal("B-1", 1000 * number):
                say(sealed=segment.name, sha256=segment.sha256)


def grow_often() -> None:
    """Make parts grow together after every three writes, so that a few writes meet everything that a store does."""
    vars(store)["FAN"] = 3


def judge(folder: Path, said: Iterable[str]) -> int:
    """Open the telemetry as any command would: what was acknowledged is there once and nothing is there half.

    Gives the number of the next block; the store has been written to and sealed, to see that it goes on.
    """
    told = [json.loads(each) for each in said]
    written = [each["written"] for each in told if "written" in each]
    path = folder / TELEMETRY
    if not path.exists():
        assert not told, "the telemetry is gone"
        return 0
    with closing(open_telemetry(path, FORM)) as telemetry:
        found = list(telemetry.read("B-1").rows())
        blocks, left = divmod(len(found), 2 * 400)
        assert left == 0, "a block is there half"
        assert blocks - len(range(max(written, default=-1) + 1)) in {0, 1}, "an acknowledged block is lost or doubled"
        assert sorted(found, key=_place) == sorted((row for n in range(blocks) for row in rows(n)), key=_place)
        for each in told:
            if "sealed" in each:
                assert sha256(telemetry.segment(each["sealed"])).hexdigest() == each["sha256"]
        sealed = sum(segment.readings for segment in telemetry.segments("B-1"))
        assert sealed + telemetry.unsealed("B-1") == len(found), "a reading is both sealed and open, or neither"
        for segment in telemetry.segments("B-1"):
            assert sha256(telemetry.segment(segment.name)).hexdigest() == segment.sha256
        assert telemetry.write([block(blocks)]).kept == 800
        telemetry.seal("B-1", 1000 * blocks)
        assert len(telemetry.read("B-1")) == len(found) + 800
    return blocks + 1


def _place(row: Row) -> tuple[str, int]:
    return row[0].name, row[1]


def _printed(**said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    where = Path(sys.argv[1])
    grow_often()
    make_folder(where)
    if len(sys.argv) > 2:
        _printed(begun=True)
        write(open_telemetry(where / TELEMETRY, FORM, create=True), count(int(sys.argv[2])), _printed)
    from tests.fault.driven import remark

    with closing(open_telemetry(where / TELEMETRY, FORM, create=True)) as opened:
        if os.environ.get("HASTY"):
            opened._file.run("PRAGMA synchronous = OFF")
        write(opened, range(BLOCKS), remark)
    remark(exit=0)
