"""Whoever changes the record behind its back is found, and the first entry that does not fit is named."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.core.entry import Draft
from cytoloop.core.errors import FindingError, StoreError, UserError
from cytoloop.core.facts.clinic import StudyFiled
from cytoloop.core.time import Instant
from cytoloop.record.ledger import Ledger
from cytoloop.record.merkle import leaf_hash
from cytoloop.record.verify import verify

Tamper = Callable[[sqlite3.Connection], object]


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


CASES: list[tuple[str, Tamper, str]] = [
    ("a changed body", change_body, "entry 4 does not fit: its content"),
    ("a changed body with a new hash", change_body_and_hash, "entry 4 does not fit: the tree head"),
    ("a removed entry", lambda c: c.execute("DELETE FROM entry WHERE sequence = 4"), "entry 4 does not fit: it is"),
    ("a removed end", lambda c: c.execute("DELETE FROM entry WHERE sequence = 9"), "entry 9 is missing"),
    ("a changed column", lambda c: c.execute("UPDATE entry SET name='x/1' WHERE sequence = 4"), "entry 4 does not fit"),
    ("a changed tree head", lambda c: c.execute("UPDATE tree_head SET root = x'00' WHERE size = 5"), "entry 4 "),
    ("every tree head removed", lambda c: c.execute("DELETE FROM tree_head"), "entry 0 does not fit: no tree head"),
    ("a removed tree head", lambda c: c.execute("DELETE FROM tree_head WHERE size = 10"), "entry 9 does not fit"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_tampering_is_found_and_named(path: Path, change: Tamper, said: str) -> None:
    tampered(path, change)
    store = open_store(path, read_only=True)
    with pytest.raises(FindingError) as found:
        verify(store)
    store.close()
    assert said in str(found.value)


def test_a_record_that_grows_while_it_is_verified_still_verifies(path: Path, start: Instant) -> None:
    reader, writer = open_store(path, read_only=True), open_store(path)
    ledger = Ledger(writer, SimulatedClock(start))

    def append_more(done: int) -> None:
        fact = StudyFiled(receipt=f"more-{done}", protocol_version="1")
        ledger.append("study/C", [Draft(fact=fact, actor="person:lin", happened_at=start)], expected=done - 1)

    assert verify(reader, append_more).entries == 10
    assert verify(reader).entries == 20
    reader.close()
    writer.close()


def test_an_untouched_record_verifies(path: Path) -> None:
    store = open_store(path, read_only=True)
    assert verify(store).entries == 10
    store.close()


def test_the_database_itself_refuses_to_change_an_entry(path: Path) -> None:
    connection = sqlite3.connect(path)
    for statement in ("UPDATE entry SET name='x'", "DELETE FROM entry", "UPDATE tree_head SET size=99"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            connection.execute(statement)
    connection.close()


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
    with pytest.raises(UserError, match="has format 99 and this version reads format 1"):
        open_store(later)
