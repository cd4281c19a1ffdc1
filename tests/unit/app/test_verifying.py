"""A record is checked with what was attested of it, by one process or by several."""

import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.keys import load_key, new_key
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.keyring import LATEST, Keyring, held, rotate_key
from cytoloop.app.publishing import WITNESSES, accept_cosignature, publish
from cytoloop.app.records import RECORD
from cytoloop.app.verifying import Noted, verify_record, work_on
from cytoloop.app.witnessing import cosign, new_witness
from cytoloop.core.entry import Draft
from cytoloop.core.errors import FindingError
from cytoloop.core.facts.clinic import StudyFiled
from cytoloop.core.store import Attestation, TreeHead
from cytoloop.core.time import Instant
from cytoloop.record import parts
from cytoloop.record.checkpoint import KEYS, checkpoint_text, key_history
from cytoloop.record.codec import Codec
from cytoloop.record.ledger import Ledger
from cytoloop.record.note import Note, VerifierKey, parse_key, parse_note, sign_text, verifier_of
from cytoloop.record.parts import Claims

CODEC = Codec()


class Record:
    """A record in a folder, which grows and is published."""

    def __init__(self, folder: Path, clock: SimulatedClock) -> None:
        self.folder, self.clock = folder, clock
        folder.mkdir()
        self.store = open_store(folder / RECORD, create=True)
        self.ledger = Ledger(self.store, clock, CODEC)

    def grow(self, count: int, receipt: str = "R") -> None:
        fact = StudyFiled(receipt=receipt, protocol_version="1")
        draft = Draft(fact=fact, actor="person:lin", happened_at=self.clock.now())
        self.ledger.append("study/S", [draft] * count, expected=self.ledger.position("study/S"))

    def publish(self) -> str:
        return publish(self.ledger, self.store, self.folder, self.clock, "example.org/record")

    def key(self) -> VerifierKey:
        return key_history(self.ledger.stream(KEYS))[-1].key


@pytest.fixture
def record(tmp_path: Path, start: Instant) -> Record:
    """12 entries under three checkpoints and two keys, of which a witness signed the first one."""
    made = Record(tmp_path / "data", SimulatedClock(start))
    made.grow(5)
    first = made.publish()
    witness = new_witness("witness.example", tmp_path / "witness.pem")
    (made.folder / WITNESSES).write_text(witness.text, encoding="utf-8")
    key, seen = load_key(tmp_path / "witness.pem"), tmp_path / "seen"
    signed = cosign(first, key=key, log=made.key(), seen=seen, clock=made.clock, first=True)
    accept_cosignature(made.store, made.folder, signed.document)
    made.grow(4)
    ring = Keyring(ledger=made.ledger, store=made.store, folder=made.folder, clock=made.clock)
    with held(ring):
        rotate_key(ring, "a year is over")
    made.publish()
    return made


def finding(record: Record, noted: Noted | None = None) -> str:
    with pytest.raises(FindingError) as found:
        verify_record(record.folder, noted)
    return str(found.value)


def test_a_record_fits_with_all_that_was_attested_of_it(record: Record) -> None:
    checked = verify_record(record.folder)
    assert (checked.head, checked.checkpoints, checked.published) == (record.store.head(), 3, 12)
    assert (checked.witnesses, checked.strangers) == (("witness.example",), ())


def test_what_was_noted_outside_is_held_against_it(record: Record, tmp_path: Path) -> None:
    noted, key = record.publish(), record.key()
    record.grow(3)
    assert verify_record(record.folder, Noted(checkpoint=noted, key=key)).head.size == 15
    other = new_key("example.org/record")
    text = parse_note(noted).text
    assert "signed by none of the keys" in finding(
        record, Noted(checkpoint=Note(text, (sign_text(text, other),)).document)
    )
    assert "never signed for this record" in finding(record, Noted(key=verifier_of(other)))
    assert "the one noted is" in finding(record, Noted(root=parse_note(noted).text.encode().hex()[:64]))


def test_a_key_that_was_noted_must_have_signed(record: Record, tmp_path: Path) -> None:
    first, second = (each.key for each in key_history(record.ledger.stream(KEYS)))
    for key in (first, second):
        assert verify_record(record.folder, Noted(key=key)).checkpoints == 3
    bare = Record(tmp_path / "bare", record.clock)
    bare.grow(2)
    note = bare.publish()
    bare.store._connection.execute("DROP TRIGGER attestation_is_kept")
    bare.store._connection.execute("DELETE FROM attestation")
    assert "no checkpoint that is kept or was given is signed by" in finding(bare, Noted(key=bare.key()))
    assert verify_record(bare.folder, Noted(key=bare.key(), checkpoint=note)).checkpoints == 0


def test_a_copy_that_was_rolled_back_is_found_by_a_checkpoint_kept_outside(record: Record, tmp_path: Path) -> None:
    shutil.copytree(record.folder, tmp_path / "before")
    record.grow(1)
    noted = record.publish()
    before = Record.__new__(Record)
    before.folder = tmp_path / "before"
    assert verify_record(before.folder).head.size == 12
    said = finding(before, Noted(checkpoint=noted))
    assert said == "entry 12 is missing: the checkpoint noted is over 13 entries and only 12 are there"


def test_a_record_rolled_back_beside_its_own_key_is_found_without_anything_from_outside(
    record: Record, tmp_path: Path
) -> None:
    kept = (record.folder / LATEST).read_bytes()
    shutil.copytree(record.folder, tmp_path / "before")
    record.grow(1)
    record.publish()
    shutil.copy(record.folder / LATEST, tmp_path / "before" / LATEST)
    before = Record.__new__(Record)
    before.folder = tmp_path / "before"
    assert finding(before).startswith("entry 12 is missing: the checkpoint signed last")
    (before.folder / LATEST).write_bytes(b"rubbish")
    assert "the checkpoint signed last cannot be read" in finding(before)
    (before.folder / LATEST).write_bytes(kept)
    assert verify_record(before.folder).head.size == 12


def test_the_checkpoint_of_another_record_is_named(record: Record, tmp_path: Path) -> None:
    other = Record(tmp_path / "other", record.clock)
    other.grow(3, "another")
    assert "the checkpoint noted over the first 4 entries is" in finding(record, Noted(checkpoint=other.publish()))


def test_the_checkpoint_of_a_record_of_another_name_blames_no_entry(record: Record, tmp_path: Path) -> None:
    record.publish()
    other = Record(tmp_path / "other", record.clock)
    other.grow(3, "another")
    renamed = parse_note(other.publish().replace("example.org/record", "example.org/other"))
    said = finding(record, Noted(checkpoint=renamed.document))
    assert "is of example.org/other, and this record is example.org/record" in said
    assert "entry" not in said


def test_a_checkpoint_kept_by_who_has_no_key_of_the_record_is_found(record: Record) -> None:
    text = parse_note(record.publish()).text
    forged = Note(text, (sign_text(text, new_key("example.org/record")),)).document
    record.store.attest(Attestation(12, "checkpoint", forged.encode()))
    assert "signed by none of the keys" in finding(record)


def test_a_checkpoint_kept_over_other_entries_is_found(record: Record) -> None:
    key = load_key(record.folder / "keys" / "record.pem")
    text = checkpoint_text(key.name, TreeHead(12, bytes(32)))
    record.store.attest(Attestation(12, "checkpoint", Note(text, (sign_text(text, key),)).document.encode()))
    assert finding(record).startswith("entry 11 does not fit: the checkpoint kept over the first 12 entries is 0000")


@pytest.mark.parametrize(
    ("attestation", "said"),
    [
        (Attestation(12, "checkpoint", b"rubbish"), "kept over 12 entries cannot be read"),
        (Attestation(12, "checkpoint", b"\xff"), "kept over 12 entries cannot be read"),
        (Attestation(12, "cosignature", b"rubbish"), "is of no checkpoint that is kept, or cannot be read"),
        (Attestation(7, "cosignature", "— w AAAAAAAAAA==\n".encode()), "is of no checkpoint that is kept"),
        (Attestation(12, "rumour", b""), "is of an unknown kind"),  # type: ignore[arg-type]
    ],
)
def test_a_damaged_attestation_is_a_finding(record: Record, attestation: Attestation, said: str) -> None:
    record.store.attest(attestation)
    assert said in finding(record)


def test_a_cosignature_that_is_not_by_its_witness_is_found_and_a_stranger_is_named(record: Record) -> None:
    witness = parse_key((record.folder / WITNESSES).read_text(encoding="utf-8"))
    forged = Note("x\n", (sign_text("x\n", new_key("stranger.example")),)).lines[0]
    record.store.attest(Attestation(12, "cosignature", f"{forged.text}\n".encode()))
    assert verify_record(record.folder).strangers == ("stranger.example",)
    false = forged.__class__(witness.name, witness.key_id, bytes(72))
    record.store.attest(Attestation(12, "cosignature", f"{false.text}\n".encode()))
    assert "signature of witness.example" in finding(record)


def test_several_processes_find_what_one_finds(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", 4)
    again, found = partial(open_store, record.folder / RECORD, read_only=True), []
    for count in (1, 2):
        with work_on(record.store, Claims(record.store.heads()), again, count) as work:
            found.append((list(work.parts), list(work.problems)))
    one, several = found
    assert [each.start for each in one[0]] == [0, 4, 8]
    assert one == several


@pytest.mark.parametrize("processes", [1, 2])
def test_an_index_that_misses_a_row_is_found_by_one_process_and_by_several(record: Record, processes: int) -> None:
    record.store.close()
    path = record.folder / RECORD
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name LIKE '%autoindex_entry%'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    content[(root - 1) * size + 4] -= 1  # cells of the index's only page
    path.write_bytes(content)
    with pytest.raises(FindingError, match="their store is damaged"):
        verify_record(record.folder, processes=processes)
