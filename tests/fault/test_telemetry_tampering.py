"""Whoever changes sealed readings behind the record's back is found; bad files and full disks are told plainly."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from subprocess import CompletedProcess

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.telemetry import copy_telemetry, open_telemetry
from cytoloop.adapters.telemetry.packing import pack, unpack
from cytoloop.adapters.telemetry.schema import SCHEMA
from cytoloop.app.historian import HISTORIAN, sealed, writable_telemetry
from cytoloop.app.records import RECORD, TELEMETRY, open_record
from cytoloop.app.verifying_telemetry import verify_telemetry_of
from cytoloop.core.entry import Draft
from cytoloop.core.errors import FindingError, StoreError, UserError
from cytoloop.core.telemetry import Tag, TelemetryStore, readings
from cytoloop.core.time import Instant
from cytoloop.record.ledger import Ledger
from cytoloop.record.segment import FORM

PH, WARMTH = Tag("bioreactor-01/ph", "pH"), Tag("bioreactor-01/temperature", "°C")
HOUR = 3_600_000_000
Command = Callable[..., CompletedProcess[str]]
Tamper = Callable[[sqlite3.Connection], object]


@pytest.fixture
def folder(tmp_path: Path, start: Instant) -> Path:
    """A data folder with two sealed segments of one batch, one of another, and two readings not sealed yet."""
    store = open_record(tmp_path, create=True)
    ledger = Ledger(store, SimulatedClock(start))
    with writable_telemetry(tmp_path) as telemetry:
        for batch in ("B-1", "B-2"):
            rows = [(tag, hour * HOUR, 9, 7.0 + hour / 8, 0) for tag in (PH, WARMTH) for hour in range(25)]
            telemetry.write([readings(batch, rows)])
        segments = [
            *telemetry.seal("B-1", 12 * HOUR),
            *telemetry.seal("B-1", 24 * HOUR),
            *telemetry.seal("B-2", 99 * HOUR),
        ]
    for number, segment in enumerate(segments):
        draft = Draft(fact=sealed(segment), actor=HISTORIAN, happened_at=start)
        ledger.append(f"batch/{segment.batch}", [draft], expected=number if segment.batch == "B-1" else 0)
    store.close()
    return tmp_path


def tampered(folder: Path, change: Tamper) -> None:
    with closing(sqlite3.connect(folder / TELEMETRY)) as connection:
        for trigger in ("segment_is_final", "segment_is_kept"):
            connection.execute(f"DROP TRIGGER {trigger}")
        change(connection)
        connection.commit()


def change_a_reading(connection: sqlite3.Connection) -> None:
    """One bit of one value, packed again as if nothing had happened."""
    (packed,) = connection.execute("SELECT packed FROM segment WHERE batch='B-1' AND number=2").fetchone()
    data = bytearray(unpack(packed))
    data[-4 * 24 - 8] ^= 1
    connection.execute("UPDATE segment SET packed=? WHERE batch='B-1' AND number=2", (pack(bytes(data)),))


def swap_two_segments(connection: sqlite3.Connection) -> None:
    for before, after in ((1, 91), (2, 1), (91, 2)):
        connection.execute("UPDATE segment SET number=? WHERE batch='B-1' AND number=?", (after, before))


def swap_contents_and_hashes(connection: sqlite3.Connection) -> None:
    query = "SELECT packed, sha256 FROM segment WHERE batch='B-1' ORDER BY number"
    for number, (packed, digest) in zip((2, 1), connection.execute(query).fetchall(), strict=True):
        values = (packed, digest, number)
        connection.execute("UPDATE segment SET packed=?, sha256=? WHERE batch='B-1' AND number=?", values)


CASES: list[tuple[str, Tamper, str]] = [
    ("a changed reading", change_a_reading, "segment B-1/2 of batch B-1, sealed by entry 1, was changed"),
    ("two segments swapped", swap_two_segments, "segment B-1/1 of batch B-1, sealed by entry 0, was changed"),
    ("contents and hashes swapped", swap_contents_and_hashes, "segment B-1/1 of batch B-1, sealed by entry 0, was ch"),
    ("a removed segment", lambda c: c.execute("DELETE FROM segment WHERE batch='B-2'"),
     "segment B-2/1 of batch B-2, sealed by entry 2, is missing or damaged"),
    ("a segment cut short", lambda c: c.execute("UPDATE segment SET packed=substr(packed, 1, 99) WHERE number=2"),
     "segment B-1/2 of batch B-1, sealed by entry 1, is missing or damaged"),
    ("nothing left in it", lambda c: c.execute("UPDATE segment SET packed=x'' WHERE number=2"), "B-1/2 .* damaged"),
    ("a time of the index changed", lambda c: c.execute("UPDATE segment SET last=first WHERE number=2"),
     "segment B-1/2 of batch B-1, sealed by entry 1, is filed under another description"),
    ("a name of the index changed", lambda c: c.execute("UPDATE segment SET tags='x' WHERE number=2"), "filed under"),
    ("moved to another batch", lambda c: c.execute("UPDATE segment SET batch='B-3' WHERE batch='B-2'"),
     "segment B-2/1 of batch B-2, sealed by entry 2, is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_tampering_with_sealed_readings_is_found_and_named(
    folder: Path, change: Tamper, said: str, cytoloop: Command
) -> None:
    tampered(folder, change)
    with pytest.raises(FindingError, match=said):
        verify_telemetry_of(folder)
    told = cytoloop("verify", folder)
    assert (told.returncode, told.stdout) == (1, "")
    assert "segment B-" in told.stderr


def test_a_folder_whose_telemetry_was_removed_does_not_verify(folder: Path, cytoloop: Command) -> None:
    (folder / TELEMETRY).unlink()
    told = cytoloop("verify", folder)
    assert told.returncode == 1
    assert "segment B-1/1 of batch B-1, sealed by entry 0, is missing with all telemetry" in told.stderr


def test_untouched_telemetry_verifies_and_open_readings_are_counted(folder: Path, cytoloop: Command) -> None:
    told = cytoloop("verify", folder)
    assert told.returncode == 0
    assert "98 readings in 3 segments fit" in told.stdout
    assert "2 readings are not sealed yet: nothing protects them" in told.stdout
    as_json = cytoloop("verify", folder, "--json").stdout
    assert '"telemetry":{"elsewhere":0,"readings":98,"segments":3,"unsealed":2}' in as_json


def test_changed_readings_are_not_served(folder: Path, cytoloop: Command) -> None:
    assert "51 readings" not in cytoloop("telemetry", "show", "B-1", "--data", folder).stderr
    tampered(folder, change_a_reading)
    told = cytoloop("telemetry", "show", "B-1", "--data", folder)
    assert (told.returncode, told.stdout) == (1, "")
    assert "segment B-1/2" in told.stderr
    assert "damaged" in told.stderr


def test_an_open_part_that_was_changed_is_not_served(folder: Path) -> None:
    with closing(sqlite3.connect(folder / TELEMETRY)) as connection:
        for number, body in connection.execute("SELECT number, body FROM part WHERE batch = 'B-1'").fetchall():
            changed = bytes([body[0] ^ 1]) + body[1:]
            connection.execute("UPDATE part SET body = ? WHERE number = ?", (changed, number))
        connection.commit()
    with closing(open_telemetry(folder / TELEMETRY, FORM, read_only=True)) as store:
        assert len(store.read("B-1", 0, 24 * HOUR)) == 48
        with pytest.raises(FindingError, match=r"part \d+ of unsealed readings .* checksum does not fit"):
            store.read("B-1")


def test_a_bit_that_flips_is_found_or_of_no_consequence(folder: Path) -> None:
    """In 400 places that hold something: never another reading is served, never a traceback."""
    path, dice = folder / TELEMETRY, Random(1)
    whole = path.read_bytes()
    used = [place for place, byte in enumerate(whole) if byte]
    with closing(open_telemetry(path, FORM, read_only=True)) as store:
        honest = served(store)
    found = 0
    for place in dice.sample(used, 400):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << dice.randrange(8)]) + whole[place + 1 :])
        try:
            verify_telemetry_of(folder)
            with closing(open_telemetry(path, FORM, read_only=True)) as store:
                assert served(store) == honest
        except (FindingError, UserError):
            found += 1
    assert found > 200


def served(store: TelemetryStore) -> list[list[object]]:
    """Every sealed reading that the store gives back."""
    return [list(store.read(batch, 0, 24 * HOUR).rows()) for batch in ("B-1", "B-2")]


def test_the_database_itself_refuses_to_change_a_segment(folder: Path) -> None:
    with closing(sqlite3.connect(folder / TELEMETRY)) as connection:
        for statement in ("UPDATE segment SET last=0", "DELETE FROM segment"):
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                connection.execute(statement)


def test_a_full_disk_keeps_nothing_of_the_write_and_the_next_try_is_a_fresh_one(folder: Path) -> None:
    with closing(open_telemetry(folder / TELEMETRY, FORM)) as store:
        ((pages,),) = store._file.run("PRAGMA page_count")
        store._file.run(f"PRAGMA max_page_count = {pages}")
        long = readings("B-9", [(PH, at, 0, 7.0, 0) for at in range(20_000)])
        with pytest.raises(StoreError, match=r"could not be written .*full.*nothing of this write was kept"):
            store.write([readings("B-8", [(PH, 1, 0, 7.0, 0)]), long])
        assert store.batches() == ["B-1", "B-2"]
        store._file.run("PRAGMA max_page_count = 1000000")
        assert store.write([long]).kept == 20_000
    assert verify_telemetry_of(folder).segments == 3


def test_after_a_failing_disk_nothing_is_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        """A connection whose disk fails at every commit."""

        def __init__(self, real: sqlite3.Connection) -> None:
            self.real = real

        def execute(self, query: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
            if query == "COMMIT":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error
            return self.real.execute(query, values)

        def __getattr__(self, name: str) -> object:
            return getattr(self.real, name)

    one = [readings("B-1", [(PH, 99 * HOUR, 0, 7.0, 0)])]
    with closing(open_telemetry(folder / TELEMETRY, FORM)) as store:
        real = store._file._connection
        monkeypatch.setattr(store._file, "_connection", Broken(real))
        with pytest.raises(StoreError, match=r"could not be written \(disk I/O error\)"):
            store.write(one)
        monkeypatch.setattr(store._file, "_connection", real)
        with pytest.raises(StoreError, match="not written any more: a write failed earlier"):
            store.write(one)
        assert len(store.read("B-1")) == 50
    with closing(open_telemetry(folder / TELEMETRY, FORM)) as store:
        assert store.write(one).kept == 1


def test_a_copy_is_whole_and_one_that_cannot_be_written_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "copied"
    other.mkdir()
    with closing(open_telemetry(folder / TELEMETRY, FORM)) as store:
        store.write([readings("B-1", [(PH, 77 * HOUR, 0, 7.0, 0)])])
        copy_telemetry(folder / TELEMETRY, other / TELEMETRY)
    assert [path.name for path in other.iterdir()] == [TELEMETRY]
    shutil.copy(folder / RECORD, other / RECORD)
    assert verify_telemetry_of(other).unsealed == 3
    with pytest.raises(StoreError, match="could not be copied to"):
        copy_telemetry(folder / TELEMETRY, tmp_path / "no such folder" / TELEMETRY)


def test_a_foreign_file_and_a_later_format_are_named(tmp_path: Path) -> None:
    foreign, record, later = tmp_path / "notes.txt", tmp_path / "record.db", tmp_path / "later.db"
    foreign.write_text("no telemetry at all, but long enough to be read as some" * 20)
    sqlite3.connect(record).executescript("CREATE TABLE x (y); PRAGMA user_version = 1;").connection.close()
    sqlite3.connect(later).executescript(
        f"{SCHEMA} PRAGMA application_id = {0x43794C74}; PRAGMA user_version = 99;"
    ).connection.close()
    for path, said in (
        (foreign, "is no telemetry of Cytoloop"),
        (record, "is no telemetry of Cytoloop"),
        (later, "has format 99 and this version reads format 1"),
        (tmp_path / "nothing.db", "there is no telemetry at"),
    ):
        before = path.read_bytes() if path.exists() else None
        with pytest.raises(UserError, match=said):
            open_telemetry(path, FORM)
        assert (path.read_bytes() if path.exists() else None) == before
