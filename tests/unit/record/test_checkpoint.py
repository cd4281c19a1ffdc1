"""Checkpoints and the texts of proofs, as C2SP writes them."""

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.keys import SigningKey, new_key
from cytoloop.adapters.memory import MemoryStore
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.facts.record import KeyIntroduced, KeyRetired
from cytoloop.core.store import TreeHead
from cytoloop.core.time import Instant
from cytoloop.record.checkpoint import (
    KEYS,
    Checkpoint,
    check_own,
    checkpoint_text,
    continuation_text,
    key_history,
    open_checkpoint,
    parse_checkpoint,
    parse_continuation,
    parse_proof,
    proof_text,
)
from cytoloop.record.ledger import Ledger
from cytoloop.record.note import Note, sign_text, verifier_of
from cytoloop.record.proof import Levels

SPECIFIED = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
"""The example of C2SP tlog-checkpoint."""
HEAD = TreeHead(3, bytes(range(32)))


def signed(key: SigningKey, size: int) -> Note:
    text = checkpoint_text(key.name, TreeHead(size, bytes(32)))
    return Note(text, (sign_text(text, key),))


def test_the_example_of_the_specification_is_read_and_written_back() -> None:
    checkpoint = parse_checkpoint(SPECIFIED)
    assert (checkpoint.origin, checkpoint.head.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.head.root.hex() == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    assert checkpoint.text == SPECIFIED


def test_extension_lines_are_kept() -> None:
    text = checkpoint_text("example.org/a", HEAD, ["one", "two three"])
    assert parse_checkpoint(text) == Checkpoint("example.org/a", HEAD, ("one", "two three"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("a\n1\n", id="two lines"),
        pytest.param(SPECIFIED.removesuffix("\n"), id="no newline at the end"),
        pytest.param(SPECIFIED.replace("20852163", "020852163"), id="leading zero"),
        pytest.param(SPECIFIED.replace("20852163", "-1"), id="negative"),
        pytest.param(SPECIFIED.replace("20852163", "１２"), id="digits of another script"),
        pytest.param(SPECIFIED.replace("20852163", "9" * 30), id="more entries than there can be"),
        pytest.param(SPECIFIED.replace("example.com/behind-the-sofa", ""), id="no origin"),
        pytest.param("a\n1\nAAAA\n", id="short root"),
        pytest.param(SPECIFIED.replace("q2I=", "q2J="), id="root in base64 that is not plain"),
        pytest.param(SPECIFIED + "\n", id="empty extension line"),
        pytest.param(SPECIFIED + "x\n\ny\n", id="empty extension line in the middle"),
    ],
)
def test_what_is_not_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="not a checkpoint"):
        parse_checkpoint(text)


@pytest.mark.parametrize("origin", ["", "a\nb"])
def test_no_checkpoint_is_written_that_would_be_read_as_another(origin: str) -> None:
    with pytest.raises(UserError, match="never empty"):
        checkpoint_text(origin, HEAD)


def test_the_history_of_keys_is_read_from_the_record(start: Instant) -> None:
    old, new = (verifier_of(new_key("example.org/a")) for _ in range(2))
    ledger = Ledger(MemoryStore(), SimulatedClock(start))
    facts: list[Fact] = [
        KeyIntroduced(key=old.text, algorithm="ed25519"),
        KeyIntroduced(key=new.text, algorithm="ed25519"),
        KeyRetired(key=old.text, reason="yearly"),
    ]
    ledger.append(KEYS, [Draft(fact=fact, actor="system:record", happened_at=start) for fact in facts], expected=0)
    history = key_history(ledger.stream(KEYS))
    assert [(each.key, each.introduced, each.retired) for each in history] == [(old, 0, 2), (new, 1, None)]
    assert [size for size in range(6) if history[0].may_sign(size)] == [1, 2, 3]
    assert [size for size in range(6) if history[1].may_sign(size)] == [2, 3, 4, 5]


def test_a_key_signs_neither_before_it_was_introduced_nor_after_it_was_retired(start: Instant) -> None:
    first, second = new_key("example.org/a"), new_key("example.org/a")
    ledger = Ledger(MemoryStore(), SimulatedClock(start))
    facts: list[Fact] = [
        KeyIntroduced(key=verifier_of(first).text, algorithm="ed25519"),
        KeyIntroduced(key=verifier_of(second).text, algorithm="ed25519"),
        KeyRetired(key=verifier_of(first).text, reason="yearly"),
    ]
    ledger.append(KEYS, [Draft(fact=fact, actor="system:record", happened_at=start) for fact in facts], expected=0)
    keys = key_history(ledger.stream(KEYS))
    assert check_own(signed(first, 3), keys).head.size == 3
    assert check_own(signed(second, 9), keys).head.size == 9
    for note in (signed(first, 4), signed(second, 1)):
        with pytest.raises(FindingError, match="not in force then"):
            check_own(note, keys)
    with pytest.raises(FindingError, match="none of the keys"):
        check_own(signed(new_key("example.org/a"), 3), keys)


def test_a_checkpoint_is_opened_only_with_its_key() -> None:
    key = new_key("example.org/a")
    assert open_checkpoint(signed(key, 5), [verifier_of(key)]).head.size == 5
    with pytest.raises(FindingError, match="none of the keys"):
        open_checkpoint(signed(key, 5), [verifier_of(new_key("example.org/a"))])


def test_proofs_are_written_as_specified_and_read_back() -> None:
    levels = Levels(bytes([each]) * 32 for each in range(11))
    note = signed(new_key("example.org/a"), 11)
    text = proof_text(4, levels.inclusion(4), note.document)
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 4\n")
    assert parse_proof(text) == (4, levels.inclusion(4), note)
    assert parse_proof(text.replace("index 4", "extra AAAA\nindex 4")) == (4, levels.inclusion(4), note)
    grown = continuation_text(5, levels.consistency(5), note.document)
    assert grown.startswith("old 5\n")
    assert parse_continuation(grown) == (5, levels.consistency(5), note)
    assert parse_continuation(note.document) == (0, (), note)


@pytest.mark.parametrize(
    "top", ["c2sp.org/tlog-proof@v2\nindex 4", "c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v1\nindex 04",
            "c2sp.org/tlog-proof@v1\nindex 4\nAAAA", "c2sp.org/tlog-proof@v1\nindex 4\n!"]
)  # fmt: skip
def test_what_is_not_a_proof_is_refused(top: str) -> None:
    with pytest.raises(UserError, match="not a proof"):
        parse_proof(f"{top}\n\n{signed(new_key('a'), 1).document}")
