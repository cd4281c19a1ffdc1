"""Whoever changes the record behind its back is found, and the first entry that does not fit is named."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.core.entry import Draft, Recorded
from cytoloop.core.errors import CytoloopError, FindingError, StoreError, UserError
from cytoloop.core.facts.clinic import StudyFiled
from cytoloop.core.store import Attestation, Store
from cytoloop.core.time import Instant
from cytoloop.record.ledger import Ledger
from cytoloop.record.merkle import leaf_hash
from cytoloop.record.verify import verify

Tamper = Callable[[sqlite3.Connection], object]
Cytoloop = Callable[..., CompletedProcess[str]]


@pytest.fixture
def path(tmp_path: Path, start: Instant) -> Path:
    """A record of ten entries in two streams."""
    store = open_store(tmp_path / "record.db", create=True)
    ledger = Ledger(store, SimulatedClock(start))
    for index in range(5):
        for stream in ("study/A", "study/B"):
            fact = StudyFiled(receipt=f"{stream}-{index}", protocol_version="1")
            ledger.append(stream, [Draft(fact=fact, actor="person:lin", happened_at=start)], expected=index)
    store.close()
    return tmp_path / "record.db"


def tampered(path: Path, change: Tamper) -> None:
    connection = sqlite3.connect(path)
    for trigger in ("entry_is_final", "entry_is_kept", "tree_head_is_final", "tree_head_is_kept"):
        connection.execute(f"DROP TRIGGER {trigger}")
    change(connection)
    connection.commit()
    connection.close()


def change_body(connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), 'lin', 'liu') AS BLOB) WHERE sequence = 4"
    )


def change_body_and_hash(connection: sqlite3.Connection) -> None:
    (body,) = connection.execute("SELECT body FROM entry WHERE sequence = 4").fetchone()
    changed = body.replace(b"lin", b"liu")
    connection.execute("UPDATE entry SET body = ?, leaf_hash = ? WHERE sequence = 4", (changed, leaf_hash(changed)))


def swap(connection: sqlite3.Connection) -> None:
    for old, new in ((2, 99), (4, 2), (99, 4)):
        connection.execute("UPDATE entry SET sequence = ? WHERE sequence = ?", (new, old))


def add_entry(connection: sqlite3.Connection) -> None:
    (body,) = connection.execute("SELECT body FROM entry WHERE sequence = 9").fetchone()
    body = body.replace(b'"sequence":9', b'"sequence":10').replace(b'"position":4', b'"position":5')
    values = (10, "study/B", 5, "study-filed/1", body, leaf_hash(body))
    connection.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", values)


CASES: list[tuple[str, Tamper, str]] = [
    ("a changed body", change_body, "entry 4 does not fit: its content"),
    ("a changed body with a new hash", change_body_and_hash, "entry 4 does not fit: the tree head"),
    ("a removed entry", lambda c: c.execute("DELETE FROM entry WHERE sequence = 4"), "entry 4 does not fit: it is"),
    ("a removed end", lambda c: c.execute("DELETE FROM entry WHERE sequence = 9"), "entry 9 is missing"),
    ("a changed column", lambda c: c.execute("UPDATE entry SET name='x/1' WHERE sequence = 4"), "entry 4 does not fit"),
    ("a changed tree head", lambda c: c.execute("UPDATE tree_head SET root = x'00' WHERE size = 5"), "entry 4 "),
    ("every tree head removed", lambda c: c.execute("DELETE FROM tree_head"), "entry 0 does not fit: no tree head"),
    ("a removed tree head", lambda c: c.execute("DELETE FROM tree_head WHERE size = 10"), "entry 9 does not fit"),
    ("two entries in each other's place", swap, "entry 2 does not fit"),
    ("a stream under another name", lambda c: c.execute("UPDATE entry SET stream='study/C' WHERE stream='study/B'"),
     "entry 1 does not fit"),
    ("an entry added behind the tree head", add_entry, "entry 10 does not fit: no tree head"),
]  # fmt: skip

UNSERVED = [case for case in CASES if case[0] != "a changed tree head"]
"""Tampering of what is served; a tree head in the middle is not, `verify` finds it."""


@pytest.mark.parametrize(("change", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_tampering_is_found_and_named(path: Path, change: Tamper, said: str) -> None:
    tampered(path, change)
    store = open_store(path, read_only=True)
    with pytest.raises(FindingError) as found:
        verify(store)
    store.close()
    assert said in str(found.value)


def served(store: Store, start: Instant) -> list[Recorded]:
    """Everything that a program reads of a record."""
    ledger = Ledger(store, SimulatedClock(start))
    return [*ledger.entries(), *(each for stream in ledger.streams() for each in ledger.stream(stream))]


@pytest.mark.parametrize("change", [case[1] for case in UNSERVED], ids=[case[0] for case in UNSERVED])
def test_what_was_tampered_with_is_never_served(path: Path, start: Instant, change: Tamper) -> None:
    tampered(path, change)
    with closing(open_store(path, read_only=True)) as store, pytest.raises(FindingError, match="restore"):
        served(store, start)


def test_a_process_that_has_the_record_open_does_not_serve_what_is_tampered_with_meanwhile(
    path: Path, start: Instant
) -> None:
    with closing(open_store(path, read_only=True)) as store:
        ledger = Ledger(store, SimulatedClock(start))
        assert len(list(ledger.entries())) == 10
        tampered(path, change_body)
        with pytest.raises(FindingError, match="entry 4"):
            list(ledger.entries())
        with pytest.raises(FindingError, match="entry 4"):
            list(ledger.stream("study/A"))


def appended(path: Path, start: Instant, number: int) -> str:
    """One more entry; the tree head then, in hexadecimal."""
    with closing(open_store(path)) as store:
        ledger = Ledger(store, SimulatedClock(start))
        fact = StudyFiled(receipt=f"later-{number}", protocol_version="1")
        drafts = [Draft(fact=fact, actor="person:lin", happened_at=start)]
        ledger.append("study/A", drafts, expected=ledger.position("study/A"))
        return ledger.head().root.hex()


def test_a_rolled_back_copy_is_found_by_the_tree_head_somebody_noted(
    path: Path, start: Instant, cytoloop: Cytoloop
) -> None:
    earlier = path.read_bytes()
    noted = appended(path, start, 1)
    assert cytoloop("verify", path.parent, "--head", noted).returncode == 0
    path.write_bytes(earlier)
    rolled_back = cytoloop("verify", path.parent, "--head", noted)
    assert rolled_back.returncode == 1
    assert "not the one it was noted of" in rolled_back.stderr
    assert cytoloop("verify", path.parent).returncode == 0, "by itself a rolled-back copy is a sound record"


def test_a_rolled_back_or_forked_copy_is_found_by_a_checkpoint_that_somebody_kept(
    path: Path, start: Instant, cytoloop: Cytoloop
) -> None:
    data, note = path.parent, path.parent.parent / "note.txt"
    assert cytoloop("checkpoint", "publish", "--data", data).returncode == 0
    earlier = path.read_bytes()
    appended(path, start, 1)
    assert cytoloop("checkpoint", "publish", "--data", data, "--to", note).returncode == 0
    appended(path, start, 2)
    assert cytoloop("verify", data, "--checkpoint", note).returncode == 0, "the record grew since"
    path.write_bytes(earlier)
    assert cytoloop("verify", data, "--checkpoint", note).returncode == 1
    appended(path, start, 3)
    appended(path, start, 4)
    forked = cytoloop("verify", data, "--checkpoint", note)
    assert forked.returncode == 1
    assert "cytoloop: entry 12 does not fit: the checkpoint" in forked.stderr.splitlines()[-1]


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_found(path: Path, start: Instant, part: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with (
        pytest.raises(CytoloopError, match=r"is not a record|is damaged|format 0|entry \d+ does not fit"),
        closing(open_store(path, read_only=True)) as store,
    ):
        verify(store)


def test_a_record_whose_newest_part_was_taken_away_is_found_by_its_tree_head(path: Path, start: Instant) -> None:
    """Without its write-ahead log a record is an earlier one: sound by itself, not the one that was noted."""
    writer = open_store(path)
    ledger = Ledger(writer, SimulatedClock(start))
    draft = Draft(fact=StudyFiled(receipt="new", protocol_version="1"), actor="person:lin", happened_at=start)
    ledger.append("study/A", [draft], expected=5)
    noted, copy = ledger.head().root.hex(), path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    writer.close()
    with (
        closing(open_store(copy)) as store,
        pytest.raises(FindingError, match="not the one it was noted of, or has grown since"),
    ):
        verify(store, expected_root=noted)


def test_a_record_that_grows_while_it_is_verified_still_verifies(path: Path, start: Instant) -> None:
    reader, writer = open_store(path, read_only=True), open_store(path)
    ledger = Ledger(writer, SimulatedClock(start))

    def append_more(done: int) -> None:
        fact = StudyFiled(receipt=f"more-{done}", protocol_version="1")
        ledger.append("study/C", [Draft(fact=fact, actor="person:lin", happened_at=start)] * done, expected=0)

    assert verify(reader, append_more).entries == 10
    assert verify(reader).entries == 20
    reader.close()
    writer.close()


def test_an_untouched_record_verifies(path: Path) -> None:
    store = open_store(path, read_only=True)
    assert verify(store).entries == 10
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET name='x'",
        "DELETE FROM entry",
        "UPDATE tree_head SET size=99",
        "DELETE FROM tree_head",
        "UPDATE attestation SET size=99",
        "DELETE FROM attestation",
        "REPLACE INTO entry SELECT sequence, 'study/C', 0, name, body, leaf_hash FROM entry WHERE sequence = 4",
        "REPLACE INTO entry SELECT 10, stream, position, name, body, leaf_hash FROM entry WHERE sequence = 4",
        "REPLACE INTO tree_head VALUES (10, zeroblob(32))",
        "REPLACE INTO attestation SELECT number, 9, kind, body FROM attestation",
    ],
)
def test_the_database_itself_refuses_to_change_what_is_kept(path: Path, statement: str) -> None:
    with closing(open_store(path)) as store:
        store.attest(Attestation(10, "checkpoint", b"note"))
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError, match="is never"):
        connection.execute(statement)


def test_a_process_that_has_the_record_open_does_not_go_on_behind_what_others_forged(
    path: Path, start: Instant
) -> None:
    """An entry and a tree head put in by hand, which do not fit each other: nothing is appended behind them."""
    with closing(open_store(path)) as store:
        ledger = Ledger(store, SimulatedClock(start))
        tampered(path, add_entry)
        with closing(sqlite3.connect(path, isolation_level=None)) as forging:
            forging.execute("INSERT INTO tree_head VALUES (11, zeroblob(32))")
        fact = StudyFiled(receipt="behind", protocol_version="1")
        with pytest.raises(FindingError, match="do not add up to the tree head kept over the first 11"):
            ledger.append("study/A", [Draft(fact=fact, actor="person:lin", happened_at=start)], expected=5)
        assert store.end("study/A") == 5


def test_a_full_disk_keeps_nothing_of_the_append_and_the_record_verifies(path: Path, start: Instant) -> None:
    store = open_store(path)
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    ledger = Ledger(store, SimulatedClock(start))
    long = Draft(fact=StudyFiled(receipt="x" * 200_000, protocol_version="1"), actor="person:lin", happened_at=start)
    with pytest.raises(StoreError, match=r"could not be written .*full.*nothing of this append was kept"):
        ledger.append("study/A", [long], expected=5)
    assert verify(store).entries == 10
    store._connection.execute("PRAGMA max_page_count = 1000000")
    ledger.append("study/A", [long], expected=5)
    assert verify(store).entries == 11
    store.close()


def test_a_record_that_could_not_be_made_whole_is_not_there(
    tmp_path: Path, start: Instant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    path = tmp_path / "record.db"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", stopped)
        with pytest.raises(StoreError, match="No space left on device"):
            open_store(path, create=True)
    with pytest.raises(UserError, match="there is no record at"):
        open_store(path, read_only=True)
    store = open_store(path, create=True)
    fact = StudyFiled(receipt="R", protocol_version="1")
    draft = Draft(fact=fact, actor="person:lin", happened_at=start)
    Ledger(store, SimulatedClock(start)).append("study/A", [draft], expected=0)
    assert verify(store).entries == 1
    store.close()


def test_a_foreign_file_and_a_later_format_are_named(tmp_path: Path) -> None:
    foreign = tmp_path / "notes.txt"
    foreign.write_text("not a record at all, but long enough to be read as one" * 20)
    with pytest.raises(UserError, match="is not a record of Cytoloop"):
        open_store(foreign)
    later = tmp_path / "later.db"
    connection = sqlite3.connect(later)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UserError, match="has format 99 and this version reads format 2"):
        open_store(later)
