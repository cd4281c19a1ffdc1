"""Publishing, keys and witnesses: what is signed is never taken back, and what does not fit is never signed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.keys import load_key, new_key, save_key
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app import keyring
from cytoloop.app.keyring import Keyring, held, rotate_key
from cytoloop.app.publishing import WITNESSES, accept_cosignature, publish, published, states
from cytoloop.app.witnessing import cosign, new_witness
from cytoloop.core.entry import Draft
from cytoloop.core.errors import CytoloopError, FindingError, StoreError, UserError
from cytoloop.core.facts.clinic import StudyFiled
from cytoloop.core.facts.record import KeyIntroduced, KeyRetired
from cytoloop.core.time import Instant
from cytoloop.record.checkpoint import (
    KEYS,
    LogKey,
    check_own,
    continuation_text,
    key_history,
    parse_checkpoint,
)
from cytoloop.record.codec import Codec
from cytoloop.record.ledger import Ledger
from cytoloop.record.note import Note, parse_note, sign_text, verifier_of
from cytoloop.record.proof import Levels

CODEC = Codec()


@dataclass
class Site:
    """A record in memory with its folder."""

    folder: Path
    clock: SimulatedClock
    store: MemoryStore = field(default_factory=MemoryStore)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.store, self.clock, CODEC)

    def grow(self, count: int = 1, receipt: str = "R") -> None:
        fact = StudyFiled(receipt=receipt, protocol_version="1")
        draft = Draft(fact=fact, actor="person:lin", happened_at=self.clock.now())
        self.ledger.append("study/S", [draft] * count, expected=self.store.end("study/S"))

    def publish(self, origin: str | None = None) -> str:
        return publish(self.ledger, self.store, self.folder, self.clock, origin)

    def ring(self) -> Keyring:
        return Keyring(ledger=self.ledger, store=self.store, folder=self.folder, clock=self.clock)

    def rotate(self, reason: str = "a year is over", lost: bool = False) -> None:
        with held(self.ring()) as ring:
            rotate_key(ring, reason, lost=lost)

    def history(self) -> tuple[LogKey, ...]:
        return key_history(self.ledger.stream(KEYS))

    def sizes(self) -> list[int]:
        return [each.size for each in self.store.attestations() if each.kind == "checkpoint"]

    def continuation(self, old: int) -> str:
        note = published(self.store)
        assert note is not None
        size = parse_checkpoint(parse_note(note).text).head.size
        return continuation_text(old, Levels(self.store.leaf_hashes()).consistency(old, size), note)


@pytest.fixture
def site(tmp_path: Path, start: Instant) -> Site:
    made = Site(tmp_path / "data", SimulatedClock(start))
    made.grow(3)
    return made


def test_the_first_checkpoint_introduces_the_key_and_the_name_for_good(site: Site) -> None:
    note = parse_note(site.publish("example.org/site/record"))
    (key,) = site.history()
    assert check_own(note, [key]).head == site.store.head()
    (recorded,) = site.ledger.stream(KEYS)
    assert recorded.fact == KeyIntroduced(key=key.key.text, algorithm="ed25519")
    assert recorded.entry.actor == "system:record"
    assert key.key == verifier_of(load_key(site.folder / "keys" / "record.pem"))
    assert (key.key.name, parse_checkpoint(note.text).origin) == ("example.org/site/record",) * 2
    with pytest.raises(UserError, match=r"named example\.org/site/record since its first key, not example\.org/other"):
        site.publish("example.org/other")


def test_a_record_without_a_given_name_is_named_after_its_first_key(site: Site) -> None:
    from hashlib import sha256

    site.publish()
    (key,) = site.history()
    assert key.key.name == f"cytoloop.record/{sha256(key.key.public).hexdigest()[:16]}"
    site.rotate()
    assert {each.key.name for each in site.history()} == {key.key.name}


def test_publishing_again_with_nothing_appended_gives_the_same_checkpoint(site: Site) -> None:
    assert site.publish() == site.publish()
    assert site.sizes() == [4]
    site.grow()
    site.publish()
    assert site.sizes() == [4, 5]


def test_what_is_sequenced_integrated_published_and_witnessed_is_told_apart(site: Site) -> None:
    def counts() -> tuple[int, ...]:
        found = states(site.ledger, site.store)
        return found.sequenced, found.integrated, found.published, found.witnessed

    assert counts() == (3, 3, 0, 0)
    site.publish()
    site.grow(2)
    assert counts() == (6, 6, 4, 0)


def test_a_changed_key_is_vouched_for_by_the_old_one_whose_private_half_is_gone(site: Site) -> None:
    site.publish()
    before = load_key(site.folder / "keys" / "record.pem")
    site.grow()
    site.rotate("a year is over")
    old, new = site.history()
    facts = [each.fact for each in site.ledger.stream(KEYS)][1:]
    assert facts == [
        KeyIntroduced(key=new.key.text, algorithm="ed25519"), KeyRetired(key=old.key.text, reason="a year is over"),
    ]  # fmt: skip
    last = published(site.store)
    assert last is not None
    assert check_own(parse_note(last), [old]).head.size == 7
    assert verifier_of(load_key(site.folder / "keys" / "record.pem")) == new.key
    files = [path.read_bytes() for path in (site.folder / "keys").iterdir()]
    assert not any(before.pem() == each for each in files)
    site.grow()
    assert check_own(parse_note(site.publish()), [new]).head.size == 8


@pytest.mark.parametrize("stop", ["after the append", "after the old key signed"])
def test_a_change_of_keys_that_was_interrupted_is_finished_by_the_next_checkpoint(
    site: Site, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    site.publish()

    def fail(*_: object) -> None:
        raise StoreError("the power went")

    with monkeypatch.context() as broken:
        broken.setattr(keyring, "sign_checkpoint" if stop == "after the append" else "promote", fail)
        with pytest.raises(StoreError):
            site.rotate()
    site.grow()
    site.publish()
    old, new = site.history()
    assert (old.retired, new.retired) == (5, None)
    assert site.sizes() == [4, 6, 7]
    notes = [parse_note(each.body.decode()) for each in site.store.attestations()]
    assert check_own(notes[1], [old]).head.size == 6
    assert check_own(notes[2], [new]).head.size == 7


def test_a_change_that_never_reached_the_record_leaves_the_old_key_in_force(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.publish()

    def fail(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(keyring, "_say", fail)
        with pytest.raises(StoreError):
            site.rotate()
    site.grow()
    site.publish()
    assert len(site.history()) == 1
    site.rotate()
    assert len(site.history()) == 2


def test_a_lost_key_is_named_and_can_be_given_up(site: Site) -> None:
    site.publish()
    (site.folder / "keys" / "record.pem").unlink()
    site.grow()
    with pytest.raises(UserError, match=r"record\.pem is not there.*rotate-key --lost"):
        site.publish()
    site.rotate("the disk of the signer died", lost=True)
    site.publish()
    old, new = site.history()
    assert old.retired is not None
    assert new.retired is None
    assert site.sizes() == [4, 7]
    with pytest.raises(UserError, match="the key is not lost"):
        site.rotate("again", lost=True)


def test_the_key_of_another_record_signs_nothing_here(site: Site) -> None:
    site.publish()
    size = site.ledger.head().size
    save_key(new_key("example.org/other"), site.folder / "keys" / "record.pem")
    with pytest.raises(UserError, match="is not the key that signs for this record"):
        site.publish()
    assert (site.ledger.head().size, site.sizes()) == (size, [4])


def test_without_a_key_there_is_none_to_change(site: Site) -> None:
    with pytest.raises(UserError, match="has no key yet"):
        site.rotate()


def test_a_record_that_was_rolled_back_is_not_signed(site: Site) -> None:
    site.publish()
    site.grow()
    site.publish()
    del site.store._rows[4:], site.store._heads[2:]
    del site.store._attestations[1:]
    with pytest.raises(FindingError, match="does not continue the checkpoint over 5 entries that was signed last"):
        site.publish()
    site.grow(3, "another history")
    with pytest.raises(FindingError, match="does not continue the checkpoint over 5 entries"):
        site.publish()
    assert site.sizes() == [4]


def test_a_tree_head_that_does_not_fit_its_entries_is_not_signed(site: Site) -> None:
    site.publish()
    site.store._rows[1] = site.store._rows[1]._replace(leaf_hash=bytes(32))
    with pytest.raises(FindingError, match=r"does not fit|do not add up"):
        site.publish()
    assert site.sizes() == [4]


@pytest.fixture
def witnessed(site: Site, tmp_path: Path) -> Callable[..., Note]:
    """A witness outside who signed the first checkpoint, and is trusted; signs what it is given."""
    key = new_witness("witness.example/w1", tmp_path / "witness.pem")
    site.publish("example.org/site/record")
    (site.folder / WITNESSES).write_text(f"# the second site\n{key.text}\n", encoding="utf-8")
    log = site.history()[0].key

    def sign(document: str, *, first: bool = False) -> Note:
        witness, seen = load_key(tmp_path / "witness.pem"), tmp_path / "seen.txt"
        return cosign(document, key=witness, log=log, seen=seen, clock=site.clock, first=first)

    return sign


def test_what_a_witness_signed_is_kept_and_handed_out_with_the_checkpoint(
    site: Site, witnessed: Callable[..., Note]
) -> None:
    signed = witnessed(site.publish(), first=True)
    (by,) = accept_cosignature(site.store, site.folder, signed.document)
    assert (by.key.name, by.at) == ("witness.example/w1", int(site.clock.now().timestamp()))
    assert accept_cosignature(site.store, site.folder, signed.document) == (by,)
    assert published(site.store) == signed.document == site.publish()
    assert states(site.ledger, site.store).witnessed == 4


def test_a_witness_signs_only_what_continues_what_it_signed_before(site: Site, witnessed: Callable[..., Note]) -> None:
    first = site.publish()
    with pytest.raises(UserError, match="say --first"):
        witnessed(first)
    witnessed(first, first=True)
    witnessed(first)
    site.grow(5)
    later = site.publish()
    with pytest.raises(UserError, match="checkpoint consistency 4 9"):
        witnessed(later)
    witnessed(site.continuation(4))
    with pytest.raises(FindingError, match="rolled back"):
        witnessed(first)
    site.rotate()
    with pytest.raises(FindingError, match="rolled back"):
        witnessed(first, first=True)


def test_a_witness_refuses_a_fork(site: Site, witnessed: Callable[..., Note], start: Instant) -> None:
    witnessed(site.publish(), first=True)
    fork = Site(site.folder, site.clock)
    fork.store._rows, fork.store._heads = list(site.store._rows[:2]), [site.store._heads[0]]
    tree = Levels(row.leaf_hash for row in fork.store._rows)
    fork.store._heads = [fork.store._heads[0]._replace(size=2, root=tree.root())]
    fork.grow(6)
    key = load_key(site.folder / "keys" / "record.pem")
    head = fork.store.head()
    assert head is not None
    from cytoloop.record.checkpoint import checkpoint_text

    text = checkpoint_text(key.name, head)
    forked = Note(text, (sign_text(text, key),)).document
    proof = Levels(fork.store.leaf_hashes()).consistency(4, head.size)
    with pytest.raises(FindingError, match="does not continue"):
        witnessed(continuation_text(4, proof, forked))


def test_a_witness_wants_the_signature_of_the_record_it_watches(site: Site, witnessed: Callable[..., Note]) -> None:
    note = parse_note(site.publish())
    other = new_key("example.org/site/record")
    with pytest.raises(FindingError, match="none of the keys"):
        witnessed(Note(note.text, (sign_text(note.text, other),)).document, first=True)
    altered = note.text.replace("\n4\n", "\n5\n")
    with pytest.raises(FindingError, match="text was altered"):
        witnessed(Note(altered, note.lines).document, first=True)
    key = load_key(site.folder / "keys" / "record.pem")
    moved = note.text.replace("example.org/site/record", "example.org/other")
    with pytest.raises(FindingError, match=r"of example\.org/other.*another record"):
        witnessed(Note(moved, (sign_text(moved, key),)).document, first=True)


def test_a_cosignature_that_cannot_be_trusted_is_named_and_not_kept(
    site: Site, witnessed: Callable[..., Note], tmp_path: Path
) -> None:
    good = witnessed(site.publish(), first=True)
    cosigned = good.lines[-1]
    other = Site(tmp_path / "other", site.clock)
    other.grow(3)
    foreign = parse_note(other.publish("example.org/other"))
    altered = parse_note(good.document.replace("\n4\n", "\n5\n"))
    forged = cosigned.__class__(cosigned.name, cosigned.key_id, bytes(72))
    cases: list[tuple[str, type[CytoloopError], str]] = [
        (foreign.document, UserError, r"is of example\.org/other and this record is example\.org/site/record"),
        (altered.document, FindingError, "the text was altered, or this is a copy that was rolled back"),
        (Note(good.text, (forged,)).document, FindingError, r"witness\.example/w1 .* is not by its key"),
        (Note(good.text, good.lines[:1]).document, UserError, r"by a witness of .*witnesses\.txt; write .* there"),
        ("rubbish", UserError, "not a signed note"),
    ]
    for document, kind, said in cases:
        with pytest.raises(kind, match=said):
            accept_cosignature(site.store, site.folder, document)
    assert all(each.kind == "checkpoint" for each in site.store.attestations())


@pytest.mark.parametrize(
    ("line", "said"),
    [("rubbish", "line 2: 'rubbish' is not a verifier key"), ("", ""), ("{log}", "line 2: .* is not a witness's key")],
)
def test_a_mistake_among_the_witnesses_is_named_with_its_line(
    site: Site, witnessed: Callable[..., Note], line: str, said: str
) -> None:
    good = witnessed(site.publish(), first=True)
    path = site.folder / WITNESSES
    kept = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([kept[0], line.format(log=site.history()[0].key.text), kept[1]]), encoding="utf-8")
    if not said:
        assert accept_cosignature(site.store, site.folder, good.document)
        return
    with pytest.raises(UserError, match=said):
        accept_cosignature(site.store, site.folder, good.document)
