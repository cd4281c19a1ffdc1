"""Backup and restore: the same tree head again from one file, or nothing at all."""

import json
import os
import re
import shutil
import sqlite3
import threading
import zipfile
from array import array
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tests.contract.postgres_server import PostgresServer

from cytoloop.adapters import archive, sqlite
from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.adapters.postgres import holds_record
from cytoloop.adapters.postgres import store as postgres_store
from cytoloop.adapters.telemetry import open_telemetry
from cytoloop.app import backup
from cytoloop.app.backup import back_up
from cytoloop.app.publishing import publish
from cytoloop.app.records import acting_record, readable_record, readable_store, writable_record
from cytoloop.app.restoring import Wish, restore
from cytoloop.app.settings import Settings, read_settings, write_settings
from cytoloop.app.verifying import verify_record
from cytoloop.core.entry import Draft
from cytoloop.core.errors import FindingError, StoreError, UserError
from cytoloop.core.facts.clinic import StudyEnded
from cytoloop.core.facts.record import BackupMade, RecordRestored
from cytoloop.core.store import Attestation, Row, Store, TreeHead
from cytoloop.core.telemetry import Readings, Tag
from cytoloop.core.time import Instant
from cytoloop.record.segment import FORM
from cytoloop.testing.store_contract import head_over, row

Cytoloop = Callable[..., CompletedProcess[str]]
PASSPHRASE = "a long enough phrase"


@pytest.fixture
def data(tmp_path: Path, start: Instant) -> Path:
    """A data folder with a record of 40 entries, telemetry, settings, an account file and two keys."""
    folder = tmp_path / "data"
    write_settings(folder, Settings(origin="example.org/record", zone="Europe/Vienna"))
    _fill(folder, start, 40)
    (folder / "accounts.json").write_text("[]", encoding="utf-8")
    (folder / "identities.vault").write_bytes(bytes(range(256)))
    (folder / "pseudonym.key").write_bytes(b"k" * 32)
    telemetry = open_telemetry(folder / "telemetry.db", FORM, create=True)
    telemetry.write([_readings(start)])
    telemetry.close()
    return folder


def _readings(start: Instant) -> Readings:
    """Two readings of a temperature."""
    at = array("q", [int(start.timestamp() * 1e6), int(start.timestamp() * 1e6) + 60_000_000])
    return Readings(
        batch="B-1", tags=(Tag("bioreactor-01/temperature", "°C"),), tag=array("H", [0, 0]), at=at, received=at,
        value=array("d", [36.9, 37.1]), status=array("I", [0, 0]),
    )  # fmt: skip


def _ended(reason: str) -> Draft:
    return Draft(fact=StudyEnded(reason=reason), actor="person:pi", happened_at=datetime(2026, 6, 1, tzinfo=UTC))


def _fill(folder: Path, start: Instant, entries: int) -> None:
    """A checkpoint over the first entry, then as many as are wanted."""
    with writable_record(folder, ScaledClock()) as ledger, readable_store(folder) as reading:
        store = sqlite.open_store(folder / "record.db")
        publish(ledger, store, folder, ScaledClock())
        store.attest(Attestation(1, "time-stamp", bytes(9000)))
        store.close()
        for number in range(entries - sum(1 for _ in reading.rows())):
            draft = Draft(fact=StudyEnded(reason=f"reason {number} 原因"), actor="person:pi", happened_at=start)
            ledger.append(f"study/S-{number % 3}", [draft], expected=number // 3)


def _backed_up(data: Path, passphrase: str | None = None) -> Path:
    to = data.parent / "one.backup"
    back_up(data, to, ScaledClock(), passphrase=passphrase)
    return to


def _restored(backup: Path, **wished: str | None) -> Path:
    to = backup.parent / "again"
    restore(Wish(backup=backup, to=to, reason="the disk died", **wished), ScaledClock())
    return to


def test_everything_comes_back_byte_for_byte(data: Path, start: Instant) -> None:
    with readable_store(data) as store:
        before = (list(store.rows()), list(store.heads()), list(store.attestations()))
    again = _restored(_backed_up(data))
    with readable_store(again) as store:
        after = (list(store.rows(0, 40)), list(store.heads())[:40], list(store.attestations()))
        assert store.head() is not None
    assert after == before
    assert read_settings(again) == read_settings(data)
    for name in ("accounts.json", "identities.vault"):
        assert (again / name).read_bytes() == (data / name).read_bytes()
    telemetry = open_telemetry(again / "telemetry.db", FORM)
    assert memoryview(telemetry.read("B-1").value).tolist() == [36.9, 37.1]
    assert telemetry.write([_readings(start)]).repeated == 2, "it is written on"
    telemetry.close()


def test_a_backup_and_a_restore_are_entries(data: Path) -> None:
    made = back_up(data, data.parent / "one.backup", ScaledClock())
    digest = sha256((data.parent / "one.backup").read_bytes()).hexdigest()
    said = BackupMade(size=40, root=made.head.root.hex(), sha256=digest)
    with readable_record(data) as ledger:
        assert [each.fact for each in ledger.stream("record/store")] == [said]
    with readable_record(_restored(data.parent / "one.backup")) as ledger:
        (told,) = ledger.stream("record/store")
    assert told.fact == RecordRestored(size=40, root=said.root, reason="the disk died")


def test_the_restored_record_is_written_on(data: Path, start: Instant) -> None:
    again = _restored(_backed_up(data))
    with acting_record(again) as ledger:
        draft = Draft(fact=StudyEnded(reason="later"), actor="person:pi", happened_at=start)
        ledger.append("study/S-0", [draft], expected=ledger.position("study/S-0"))
    with sqlite3.connect(again / "record.db") as record:
        assert record.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    record.close()


def test_keys_are_in_it_only_when_asked_for_and_never_readable(data: Path) -> None:
    plain = _backed_up(data)
    key = (data / "keys" / "record.pem").read_bytes()
    assert key not in plain.read_bytes()
    assert not archive.read_archive(plain).has_keys
    plain.unlink()
    sealed = _backed_up(data, PASSPHRASE)
    with zipfile.ZipFile(sealed) as packed:
        assert all(key not in packed.read(name) for name in packed.namelist())
    again = _restored(sealed, passphrase=PASSPHRASE)
    assert (again / "keys" / "record.pem").read_bytes() == key
    assert (again / "pseudonym.key").read_bytes() == b"k" * 32
    assert (again / "keys" / "record.pem").stat().st_mode & 0o777 == 0o600


def test_a_wrong_passphrase_opens_nothing(data: Path) -> None:
    with pytest.raises(UserError, match="the passphrase does not open the keys"):
        _restored(_backed_up(data, PASSPHRASE), passphrase="another long phrase")
    assert sorted(each.name for each in data.parent.iterdir()) == ["data", "one.backup"]


def test_readings_that_were_just_written_are_in_the_backup(data: Path, start: Instant) -> None:
    """They are in the write-ahead log still, beside the file."""
    telemetry = open_telemetry(data / "telemetry.db", FORM)
    telemetry.write([replace(_readings(start), batch="B-2")])
    backup = _backed_up(data)
    telemetry.close()
    with closing(open_telemetry(_restored(backup) / "telemetry.db", FORM, read_only=True)) as again:
        assert again.batches() == ["B-1", "B-2"]


def test_a_checkpoint_that_is_published_meanwhile_does_not_spoil_the_backup(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the folder remembers of the newest checkpoint is never ahead of the record beside it."""
    copy = backup._copy_store

    def published_behind(folder: Path, store: Store, to: Path) -> None:
        copy(folder, store, to)
        with acting_record(folder) as ledger, closing(sqlite.open_store(folder / "record.db")) as kept:
            ledger.append("study/later", [_ended("later")], expected=0)
            publish(ledger, kept, folder, ScaledClock())

    monkeypatch.setattr(backup, "_copy_store", published_behind)
    again = _restored(_backed_up(data, PASSPHRASE), passphrase=PASSPHRASE)
    assert verify_record(again).head.size == 41


def test_a_record_that_grows_while_it_is_copied_is_copied_as_it_stood() -> None:
    store, copied = GrowingStore(), MemoryStore()
    first, second = row(0, "a", 0), row(1, "a", 1)
    store.append([first], head_over(first))
    store.next = ([second], head_over(first, second))

    def make(rows: Iterable[Row], heads: Iterable[TreeHead], attestations: Iterable[Attestation]) -> None:
        kept, (head,), noted = list(rows), list(heads), list(attestations)
        copied.append(kept, head)
        assert noted == []

    backup.copy_store(store, make)
    assert list(copied.rows()) == [first]
    assert list(store.rows()) == [first, second]


class GrowingStore(MemoryStore):
    """A store that another process appends to as soon as somebody has asked for its head."""

    next: tuple[list[Row], TreeHead] | None = None

    def head(self) -> TreeHead | None:
        found, coming, self.next = super().head(), self.next, None
        if coming is not None:
            self.append(*coming)
            self.attest(Attestation(coming[1].size, "checkpoint", b"note"))
        return found


def test_a_backup_that_the_record_cannot_be_told_of_is_kept_and_said_to_be_whole(
    cytoloop: Cytoloop, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise StoreError("the disk takes nothing any more")

    monkeypatch.setattr(backup, "say", refused)
    done = cytoloop("backup", "--data", data, "--to", data.parent / "one.backup")
    assert done.returncode == 2
    assert re.search(r"is whole \(tree head \w{64}, sha256 \w{64}\), and the record has no entry of it", done.stderr)
    monkeypatch.undo()
    assert verify_record(_restored(data.parent / "one.backup")).head.size == 41


def test_a_backup_is_taken_while_others_write(data: Path, start: Instant) -> None:
    stop, written = threading.Event(), list[int]()

    def write() -> None:
        with acting_record(data) as ledger:
            while not stop.is_set():
                draft = Draft(fact=StudyEnded(reason="busy"), actor="person:pi", happened_at=start)
                ledger.append("study/busy", [draft], expected=len(written))
                written.append(len(written))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(written) < 20:
            assert writer.is_alive()
        made = back_up(data, data.parent / "one.backup", ScaledClock())
    finally:
        stop.set()
        writer.join()
    assert 60 <= made.head.size <= 40 + len(written)
    with readable_store(_restored(data.parent / "one.backup")) as again, readable_store(data) as store:
        assert list(again.rows(0, made.head.size)) == list(store.rows(0, made.head.size))
        assert store.end("study/busy") == len(written)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-500])


def _foreign(file: Path) -> None:
    file.write_bytes(b"PK nothing of ours" * 100)


def _other_zip(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("letter.txt", "dear inspector")


def _future(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("manifest.json", json.dumps({"format": "cytoloop-backup/2", "about": {}, "parts": {}}))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_cut, "is no backup of Cytoloop, or its end is cut off"),
        (_foreign, "is no backup of Cytoloop"),
        (_other_zip, "is no backup of Cytoloop"),
        (_future, "of format 'cytoloop-backup/2' and this version reads 'cytoloop-backup/1'"),
        (Path.unlink, "cannot be read"),
    ],
)
def test_what_is_no_backup_is_named_and_nothing_is_written(
    cytoloop: Cytoloop, data: Path, spoil: Callable[[Path], None], said: str
) -> None:
    backup = _backed_up(data)
    spoil(backup)
    done = cytoloop("restore", backup, "--to", data.parent / "again", "--why", "a test")
    assert done.returncode == 2
    assert said in done.stderr
    assert not (data.parent / "again").exists()


def _changed_entry(room: Path) -> None:
    with sqlite3.connect(room / "record.db") as record:
        record.execute("DROP TRIGGER entry_is_final")
        record.execute("UPDATE entry SET body = CAST(replace(body, 'reason 8', 'reason 7') AS BLOB) WHERE sequence = 9")
    record.close()


def _removed_end(room: Path) -> None:
    with sqlite3.connect(room / "record.db") as record:
        for trigger in ("entry_is_kept", "tree_head_is_kept"):
            record.execute(f"DROP TRIGGER {trigger}")
        record.execute("DELETE FROM entry WHERE sequence >= 30")
        record.execute("DELETE FROM tree_head WHERE size > 30")
    record.close()


@pytest.mark.parametrize(
    ("tamper", "said"), [(_changed_entry, "entry 9 does not fit"), (_removed_end, "the tree head over 30 entries is")]
)
def test_a_backup_made_again_from_a_changed_record_is_found(
    data: Path, tmp_path: Path, tamper: Callable[[Path], None], said: str
) -> None:
    """Whoever can write the file can write its manifest, too; the tree head finds them."""
    _made_again(_backed_up(data), tmp_path / "spoilt", tmp_path / "room", tamper)
    with pytest.raises(FindingError, match=said):
        _restored(tmp_path / "spoilt")
    assert not (tmp_path / "again").exists()


def _no_segments(room: Path) -> None:
    with sqlite3.connect(room / "telemetry.db") as telemetry:
        telemetry.execute("DROP TRIGGER segment_is_kept")
        telemetry.execute("DELETE FROM segment")
    telemetry.close()


def test_readings_that_were_taken_out_of_a_backup_are_found(demo_folder: Path, tmp_path: Path) -> None:
    made, spoilt = tmp_path / "made", tmp_path / "spoilt"
    back_up(Path(shutil.copytree(demo_folder, tmp_path / "data")), made, ScaledClock())
    _made_again(made, spoilt, tmp_path / "room", _no_segments)
    with pytest.raises(FindingError, match="telemetry"):
        restore(Wish(backup=spoilt, to=tmp_path / "again", reason="a test"), ScaledClock())
    assert not (tmp_path / "again").exists()


def _made_again(made: Path, spoilt: Path, room: Path, tamper: Callable[[Path], None]) -> None:
    """The backup `spoilt` with a manifest that fits, of what `made` holds once it is tampered with."""
    known = archive.read_archive(made)
    room.mkdir()
    for name in known.parts:
        (room / name).parent.mkdir(parents=True, exist_ok=True)
        archive.unpack(known, name, room / name)
    tamper(room)
    archive.write_archive(spoilt, known.about, {name: room / name for name in known.parts}, {}, "")


def test_another_tree_head_than_the_one_that_was_noted_is_found(cytoloop: Cytoloop, data: Path) -> None:
    again = data.parent / "again"
    done = cytoloop("restore", _backed_up(data), "--to", again, "--why", "a test", "--head", "00" * 32)
    assert done.returncode == 1
    assert "the one noted is 0000" in done.stderr
    assert not again.exists()


def test_a_file_that_was_exchanged_in_a_backup_is_found(data: Path, tmp_path: Path) -> None:
    """With a checksum of the zip that fits; the manifest has the file's own."""
    made, spoilt = _backed_up(data), tmp_path / "spoilt"
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(spoilt, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"{}" if name == "folder/accounts.json" else old.read(name))
    with pytest.raises(FindingError, match=r"folder/accounts.json in the backup .* is not what was backed up"):
        _restored(spoilt)
    assert not (tmp_path / "again").exists()


def test_every_changed_byte_of_a_part_is_found(data: Path) -> None:
    """One bit in each of 150 places of the file: found, or without any consequence for what is restored."""
    backup = _backed_up(data)
    whole = backup.read_bytes()
    good = _restored(backup)
    wanted = {name: (good / name).read_bytes() for name in ("accounts.json", "identities.vault")}
    shutil.rmtree(good)
    found = 0
    for place in range(7, len(whole), max(len(whole) // 150, 1)):
        backup.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        try:
            again = _restored(backup)
        except (UserError, FindingError):
            found += 1
            assert not good.exists()
            continue
        assert {name: (again / name).read_bytes() for name in wanted} == wanted
        with readable_store(again) as store:
            assert store.head() is not None
        shutil.rmtree(again)
    assert found > 120


def test_names_that_lead_out_of_the_folder_are_refused(data: Path, tmp_path: Path) -> None:
    backup = _backed_up(data)
    known = archive.read_archive(backup)
    (tmp_path / "record.db").write_bytes(b"")
    archive.unpack(known, "record.db", tmp_path / "copy.db")
    files = {"record.db": tmp_path / "copy.db", "folder/../../escaped": data / "accounts.json"}
    archive.write_archive(tmp_path / "evil.backup", known.about, files, {}, "")
    with pytest.raises(FindingError, match="escaped"):
        _restored(tmp_path / "evil.backup")
    assert not (tmp_path.parent / "escaped").exists()
    assert not (tmp_path / "again").exists()


def test_a_place_that_is_not_empty_is_left_alone(cytoloop: Cytoloop, data: Path) -> None:
    backup = _backed_up(data)
    before = sorted(data.iterdir())
    done = cytoloop("restore", backup, "--to", data, "--why", "a test")
    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert sorted(data.iterdir()) == before


def test_a_tree_head_that_is_none_is_a_mistake_and_no_finding(cytoloop: Cytoloop, data: Path) -> None:
    again = data.parent / "again"
    done = cytoloop("restore", _backed_up(data), "--to", again, "--why", "a test", "--head", "abc")
    assert done.returncode == 2
    assert "'abc' is no tree head, which is 64 hexadecimal digits" in done.stderr
    assert not again.exists()


@pytest.mark.parametrize("place", [".", "link"])
def test_an_empty_folder_that_is_there_takes_the_record(
    cytoloop: Cytoloop, data: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The one that one stands in, and one behind a link."""
    made, here = _backed_up(data), data.parent / "here"
    here.mkdir()
    (data.parent / "link").symlink_to(here)
    monkeypatch.chdir(here if place == "." else here.parent)
    done = cytoloop("restore", made, "--to", place, "--why", "a test")
    assert done.returncode == 0, done.stderr
    assert verify_record(here).head.size == 41
    assert (data.parent / "link").is_symlink()


def test_a_place_where_a_disk_is_mounted_is_named_before_anything_is_done(
    cytoloop: Cytoloop, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data.parent / "disk").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda self: self.name == "disk")
    done = cytoloop("restore", _backed_up(data), "--to", data.parent / "disk", "--why", "a test")
    assert done.returncode == 2
    assert "is where a disk is mounted and cannot be replaced as a whole; name a folder in it" in done.stderr


def test_a_folder_that_cannot_take_its_name_leaves_nothing(
    cytoloop: Cytoloop, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(self: Path, target: Path) -> Path:
        raise OSError(16, os.strerror(16))

    made = _backed_up(data)
    monkeypatch.setattr(Path, "rename", busy)
    done = cytoloop("restore", made, "--to", data.parent / "again", "--why", "a test")
    assert done.returncode == 2
    assert "could not be restored into" in done.stderr
    assert sorted(each.name for each in data.parent.iterdir()) == ["data", "one.backup"]


def test_a_restore_needs_a_reason(cytoloop: Cytoloop, data: Path) -> None:
    done = cytoloop("restore", _backed_up(data), "--to", data.parent / "again", "--why", "  ")
    assert done.returncode == 2
    assert "not restored without a reason" in done.stderr


def test_a_damaged_record_is_not_backed_up_as_if_it_were_sound(cytoloop: Cytoloop, data: Path) -> None:
    _changed_entry(data)
    done = cytoloop("backup", "--data", data, "--to", data.parent / "one.backup")
    assert done.returncode == 1
    assert "was not backed up, because it does not verify: entry 9" in done.stderr
    assert sorted(each.name for each in data.parent.iterdir()) == ["data"]


def test_a_folder_whose_readings_were_tampered_with_is_not_backed_up(
    cytoloop: Cytoloop, demo_folder: Path, tmp_path: Path
) -> None:
    """Such a backup could never be restored."""
    data = Path(shutil.copytree(demo_folder, tmp_path / "data"))
    _no_segments(data)
    done = cytoloop("backup", "--data", data, "--to", tmp_path / "one.backup")
    assert done.returncode == 1
    assert "was not backed up, because its readings do not verify: segment B-F001/1" in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("data/b", "lies in the folder that is backed up"),
        ("none/b", "cannot be written"),
        ("there", "is there already"),
    ],
)
def test_a_place_that_a_backup_cannot_take_is_named(cytoloop: Cytoloop, data: Path, to: str, said: str) -> None:
    (data.parent / "there").write_text("something", encoding="utf-8")
    done = cytoloop("backup", "--data", data, "--to", data.parent / to)
    assert done.returncode == 2
    assert said in done.stderr
    with readable_store(data) as store:
        assert store.end("record/store") == 0, "what was not made is not told"


def test_a_full_disk_leaves_nothing_behind(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("cytoloop.adapters.archive._digest", full)
    with pytest.raises(StoreError, match=r"could not be written .No space left on device.; nothing of it was kept"):
        _backed_up(data)
    assert sorted(each.name for each in data.parent.iterdir()) == ["data"]
    with readable_store(data) as store:
        assert store.end("record/store") == 0


def test_what_a_restore_that_was_cut_off_has_left_is_no_obstacle(data: Path) -> None:
    backup = _backed_up(data)
    (data.parent / ".again.restoring").mkdir()
    (data.parent / ".again.restoring" / "record.db").write_bytes(b"half")
    again = _restored(backup)
    assert (again / "record.db").exists()
    assert not (data.parent / ".again.restoring").exists()


@pytest.fixture
def there(postgres: PostgresServer) -> str:
    """An address of a record that is not there yet."""
    return postgres.fresh()


def test_a_record_moves_into_a_database_and_back_again(data: Path, there: str) -> None:
    with readable_store(data) as store:
        before = (list(store.rows()), list(store.heads()), list(store.attestations()))
    served = _restored(_backed_up(data), store=there)
    assert not (served / "record.db").exists()
    with readable_store(served) as store:
        assert (list(store.rows(0, 40)), list(store.heads())[:40], list(store.attestations())) == before
        assert store.end("record/store") == 1
    back_up(served, served.parent / "two.backup", ScaledClock())
    shutil.rmtree(served)
    home = _restored(served.parent / "two.backup")
    with readable_store(home) as store:
        assert (list(store.rows(0, 40)), list(store.heads())[:40], list(store.attestations())) == before
        assert store.end("record/store") == 2


def test_a_row_that_got_lost_on_the_way_into_a_database_is_found(
    data: Path, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = postgres_store.PostgresStore.load

    def losing(
        self: postgres_store.PostgresStore,
        rows: Iterable[Row],
        heads: Iterable[TreeHead],
        others: Iterable[Attestation],
    ) -> None:
        load(self, list(rows)[:-1], heads, others)

    monkeypatch.setattr(postgres_store.PostgresStore, "load", losing)
    with pytest.raises(FindingError, match="entry 39"):
        _restored(_backed_up(data), store=there)
    assert not holds_record(there), "nothing takes the name that does not fit"
    assert not (data.parent / "again").exists()


def test_an_address_that_may_not_stand_in_the_settings_is_refused_before_anything_is_done(data: Path) -> None:
    with pytest.raises(UserError, match=r"again/cytoloop.yaml was not written: .* found a password") as told:
        _restored(_backed_up(data), store="postgresql://line:secret@127.0.0.1:1/plant")
    assert "secret" not in str(told.value)


def test_a_database_that_holds_a_record_is_left_alone(data: Path, there: str) -> None:
    backup = _backed_up(data)
    served = _restored(backup, store=there)
    with readable_store(served) as store:
        before = list(store.rows())
    served.rename(data.parent / "served")
    with pytest.raises(UserError, match="holds a record in schema"):
        _restored(backup, store=there)
    assert not served.exists()
    with readable_store(data.parent / "served") as store:
        assert list(store.rows()) == before
