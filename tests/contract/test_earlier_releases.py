"""Records of every earlier release are read for ever, and carried forward without touching an entry.

`tests/data/stores/<release>/` holds a record that the release itself wrote, and what it said of it. A release that is
in CHANGELOG.md and not there makes these tests fail: run `tools/keep_store.py` of that release.
"""

import errno
import gzip
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from cytoloop.adapters import sqlite
from cytoloop.adapters.clocks import ScaledClock
from cytoloop.app.records import readable_record, readable_store, writable_record
from cytoloop.app.telling import tell
from cytoloop.app.upgrading import upgrade
from cytoloop.core.entry import document
from cytoloop.core.errors import UserError
from cytoloop.core.facts.record import RecordUpgraded
from cytoloop.core.json import JSON, canonical
from cytoloop.core.store import Row
from cytoloop.record.codec import Codec, Unread
from cytoloop.record.ledger import entry_of
from cytoloop.record.verify import verify

Cytoloop = Callable[..., CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
STORES = ROOT / "tests" / "data" / "stores"
WRITTEN = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
RELEASES = WRITTEN[1:]
"""Every release before the one that is being written, which stands first."""
KEPT = [each for each in WRITTEN if (STORES / each).is_dir()]


def expected(release: str) -> dict[str, JSON]:
    """What the release said of its record: entries, format, tree_head."""
    said: dict[str, JSON] = json.loads((STORES / release / "expected.json").read_text(encoding="utf-8"))
    return said


OUTDATED = [each for each in KEPT if expected(each)["format"] in sqlite.OLDER]
outdated = pytest.mark.parametrize("release", OUTDATED, indirect=True)
"""For what only a record of an older format needs."""


@pytest.fixture(params=KEPT)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(release: str, tmp_path: Path) -> Path:
    """A data folder with the release's record."""
    (tmp_path / "data").mkdir()
    for packed in (STORES / release).glob("*.db.gz"):
        (tmp_path / "data" / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return tmp_path / "data"


def test_there_is_a_record_of_every_release() -> None:
    assert "0.1.0" in RELEASES
    assert [each for each in RELEASES if each not in KEPT] == []


def test_it_verifies_as_it_is(cytoloop: Cytoloop, release: str, folder: Path) -> None:
    before = (folder / "record.db").read_bytes()
    done = cytoloop("verify", folder, "--head", str(expected(release)["tree_head"]), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["entries"] == expected(release)["entries"]
    assert (folder / "record.db").read_bytes() == before, "reading changes nothing"


def test_its_batches_are_listed_and_told(cytoloop: Cytoloop, folder: Path) -> None:
    listed = json.loads(cytoloop("batch", "list", "--data", folder, "--json").stdout)
    assert ("B-F001", "finished", "released") in [(e["batch"], e["state"], e["disposition"]) for e in listed]
    for each in listed:
        shown = cytoloop("batch", "show", each["batch"], "--data", folder)
        assert shown.returncode == 0, shown.stderr


def test_every_entry_of_it_means_what_it_meant(folder: Path) -> None:
    """Decoded by today's codec and encoded again, every value comes back; what is new is empty."""
    codec, names = Codec(), set[str]()
    with readable_store(folder) as store:
        for row in store.rows():
            entry = entry_of(row)
            fact = codec.decode(entry).fact
            assert not isinstance(fact, Unread), entry.name
            assert _differences(dict(entry.data), codec.encode(fact)) == []
            assert canonical(document(entry)) == row.body, "the bytes that were hashed are made again"
            assert tell(fact).en
            assert tell(fact).zh
            names.add(entry.name)
    assert len(names) >= 25, "a store that keeps few kinds of entries proves little"


@outdated
def test_it_is_not_written_before_it_is_upgraded(folder: Path) -> None:
    with pytest.raises(UserError, match=r"run `cytoloop upgrade .*`"), writable_record(folder, ScaledClock()):
        pass


@outdated
def test_upgrading_changes_no_entry_and_says_so(release: str, cytoloop: Cytoloop, folder: Path) -> None:
    with readable_store(folder) as store:
        rows, heads = list(store.rows()), list(store.heads())
    done = cytoloop("upgrade", folder)
    assert done.returncode == 0, done.stderr
    assert str(expected(release)["tree_head"]) in done.stdout
    with readable_record(folder) as ledger, readable_store(folder) as store:
        assert list(store.rows(0, len(rows))) == rows
        assert list(store.heads())[: len(heads)] == heads
        (told,) = ledger.entries(len(rows))
    assert told.fact == RecordUpgraded(from_format=int(str(expected(release)["format"])), to_format=sqlite.FORMAT)
    assert told.entry.stream == "record/store"
    assert cytoloop("verify", folder).returncode == 0
    again = cytoloop("upgrade", folder)
    assert "has today's format already" in again.stdout
    with readable_store(folder) as store:
        assert store.end("record/store") == 1


@outdated
def test_the_old_file_is_kept(release: str, cytoloop: Cytoloop, folder: Path) -> None:
    assert cytoloop("upgrade", folder).returncode == 0
    kept = folder / f"record.format-{expected(release)['format']}.db"
    old = sqlite.open_store(kept, read_only=True)
    assert verify(old).tree_head.root.hex() == expected(release)["tree_head"]
    old.close()


@outdated
def test_the_old_file_is_kept_where_the_file_system_has_no_links(
    release: str, cytoloop: Cytoloop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)
    assert cytoloop("upgrade", folder).returncode == 0
    kept = folder / f"record.format-{expected(release)['format']}.db"
    with closing(sqlite.open_store(kept, read_only=True)) as old:
        assert verify(old).tree_head.root.hex() == expected(release)["tree_head"]
    assert not list(folder.glob("*.new"))
    assert cytoloop("verify", folder).returncode == 0


@outdated
def test_it_is_written_again_after_the_upgrade(cytoloop: Cytoloop, folder: Path) -> None:
    assert cytoloop("upgrade", folder).returncode == 0
    done = cytoloop("backup", "--data", folder, "--to", folder.parent / "b.backup")
    assert done.returncode == 0, done.stderr
    with readable_store(folder) as store:
        assert store.end("record/store") == 2


@outdated
def test_a_record_that_something_reads_is_not_upgraded(cytoloop: Cytoloop, folder: Path) -> None:
    with sqlite3.connect(folder / "record.db") as reading:
        reading.execute("BEGIN")
        assert reading.execute("SELECT count(*) FROM entry").fetchone()
        done = cytoloop("upgrade", folder)
    reading.close()
    assert done.returncode == 2
    assert "is open in another process" in done.stderr
    assert sqlite.format_of(folder / "record.db") in sqlite.OLDER


@outdated
def test_a_damaged_record_is_not_upgraded(cytoloop: Cytoloop, folder: Path) -> None:
    with sqlite3.connect(folder / "record.db") as tampering:
        tampering.execute("DROP TRIGGER entry_is_final")
        tampering.execute("UPDATE entry SET body = CAST(replace(body, '2026', '2027') AS BLOB) WHERE sequence = 300")
    tampering.close()
    done = cytoloop("upgrade", folder)
    assert done.returncode == 1
    assert "entry 300 does not fit" in done.stderr
    assert sqlite.format_of(folder / "record.db") in sqlite.OLDER
    assert not list(folder.glob("record.format*"))


@outdated
def test_an_entry_that_was_changed_on_the_way_is_found_and_the_old_file_stays(
    cytoloop: Cytoloop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_record = sqlite.make_record

    def spoilt(path: Path, rows: Iterable[Row], *others: Iterable[Any]) -> None:
        make_record(path, (row._replace(body=b"{}") if row.sequence == 300 else row for row in rows), *others)

    monkeypatch.setattr(sqlite, "make_record", spoilt)
    done = cytoloop("upgrade", folder)
    assert done.returncode == 1
    assert "entry 300 does not fit" in done.stderr
    assert sqlite.format_of(folder / "record.db") in sqlite.OLDER
    assert not list(folder.glob("record.format*"))


FILE_ACTS = frozenset({"os.rename", "os.link", "os.remove", "os.truncate", "open", "sqlite3.connect"})


@outdated
def test_an_upgrade_that_is_killed_anywhere_leaves_the_record_whole(release: str, folder: Path) -> None:
    """kill -9 at each file the upgrade opens, links or renames; then once more, to the end."""
    for boundary in range(1, 200):
        data = Path(shutil.copytree(folder, folder.parent / f"killed-{boundary}"))
        if not _killed(data, boundary):
            assert boundary > 10, "the kills never struck"
            return
        _finishes(release, data)
        shutil.rmtree(data)
    raise AssertionError("the upgrade never came to its end")


def _killed(data: Path, boundary: int) -> bool:
    """Upgrade in a process that is killed at its `boundary`th act on a file; whether that was before the end."""
    child = os.fork()
    if child == 0:
        left = iter(range(boundary - 1))

        def strike(act: str, _: object) -> None:
            if act in FILE_ACTS and next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(strike)
        upgrade(data, ScaledClock())
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def _finishes(release: str, data: Path) -> None:
    with readable_store(data) as store:
        assert verify(store).entries >= int(str(expected(release)["entries"]))
    upgrade(data, ScaledClock())
    with readable_store(data) as store:
        assert verify(store).entries == int(str(expected(release)["entries"])) + 1
        assert store.end("record/store") == 1


def _differences(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> list[str]:
    """Keys under which `new` says something else than `old`, or something more than nothing."""
    found = [key for key, value in old.items() if key not in new or not _same(value, new[key])]
    return found + [key for key in new if key not in old and new[key] not in (None, [], {}, "", ())]


def _same(old: JSON, new: JSON) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return not _differences(old, new)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return old == new and isinstance(old, bool) == isinstance(new, bool)
