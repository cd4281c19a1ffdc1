"""`cytoloop checkpoint` and `cytoloop verify`: from the first checkpoint to a witness and back."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.app.records import open_record
from cytoloop.core.entry import Draft
from cytoloop.core.facts.clinic import StudyFiled
from cytoloop.core.time import Instant
from cytoloop.record.checkpoint import parse_checkpoint, parse_proof
from cytoloop.record.ledger import Ledger
from cytoloop.record.merkle import leaf_hash
from cytoloop.record.note import parse_note
from cytoloop.record.proof import verify_inclusion

Command = Callable[..., CompletedProcess[str]]


@pytest.fixture
def data(tmp_path: Path, start: Instant) -> Path:
    """A folder with a record of five entries."""
    folder = tmp_path / "data"
    folder.mkdir()
    grow(folder, start)
    return folder


def grow(folder: Path, at: Instant) -> None:
    store = open_record(folder, create=True)
    ledger = Ledger(store, SimulatedClock(at))
    draft = Draft(fact=StudyFiled(receipt="R", protocol_version="1"), actor="person:lin", happened_at=at)
    ledger.append("study/S", [draft] * 5, expected=ledger.position("study/S"))
    store.close()


def told(done: CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_record_is_published_proven_witnessed_and_verified(
    cytoloop: Command, data: Path, tmp_path: Path, start: Instant
) -> None:
    assert "there is no checkpoint" in cytoloop("checkpoint", "prove", 0, "--data", data).stderr
    first = tmp_path / "first.txt"
    assert "written to" in told(cytoloop("checkpoint", "publish", "--data", data, "--to", first))
    told(cytoloop("checkpoint", "show", "--data", data))
    shown = json.loads(told(cytoloop("checkpoint", "show", "--data", data, "--json")))
    log, origin, size = shown["keys"][0]["key"], shown["origin"], shown["published"]
    assert parse_checkpoint(parse_note(first.read_text(encoding="utf-8")).text).origin == origin
    assert (shown["sequenced"], shown["integrated"], shown["witnessed"]) == (size, size, 0)

    index, proof, note = parse_proof(told(cytoloop("checkpoint", "prove", 3, "--data", data)))
    head, store = parse_checkpoint(note.text).head, open_record(data, read_only=True)
    body = next(store.rows(3, 4)).body
    store.close()
    verify_inclusion(leaf_hash(body), index, head.size, proof, head.root)

    key, seen = tmp_path / "witness.pem", tmp_path / "seen.txt"
    witness = told(cytoloop("checkpoint", "witness-key", "witness.example/w1", "--to", key)).strip()
    (data / "witnesses.txt").write_text(witness, encoding="utf-8")
    asked = ("--key", key, "--log", log, "--since", seen)
    assert cytoloop("checkpoint", "cosign", first, *asked).returncode == 2
    told(cytoloop("checkpoint", "cosign", first, *asked, "--first", "--to", tmp_path / "signed.txt"))
    assert "witness.example/w1" in told(cytoloop("checkpoint", "accept", tmp_path / "signed.txt", "--data", data))

    grow(data, start)
    told(cytoloop("checkpoint", "publish", "--data", data, "--to", tmp_path / "second.txt"))
    told(cytoloop("checkpoint", "consistency", size, "--data", data, "--to", tmp_path / "grown.txt"))
    told(cytoloop("checkpoint", "cosign", tmp_path / "grown.txt", *asked, "--to", tmp_path / "signed.txt"))
    rolled_back = cytoloop("checkpoint", "cosign", first, *asked)
    assert rolled_back.returncode == 1
    assert "rolled back" in rolled_back.stderr
    told(cytoloop("checkpoint", "accept", tmp_path / "signed.txt", "--data", data))
    listed = json.loads(told(cytoloop("checkpoint", "list", "--data", data, "--json")))
    assert [each["signed_by"] for each in listed] == [[origin, "witness.example/w1"]] * 2
    assert origin in told(cytoloop("checkpoint", "list", "--data", data)).replace("\n", "").replace(" ", "")

    verified = told(cytoloop("verify", data, "--checkpoint", first, "--key", log))
    assert re.search(r"2 checkpoints hold, the newest over [\d,]+ entries; witnessed by witness\.example/w1", verified)
    assert json.loads(told(cytoloop("verify", data, "--json")))["witnesses"] == ["witness.example/w1"]


def test_a_key_is_changed_and_the_old_checkpoints_still_hold(cytoloop: Command, data: Path) -> None:
    first = told(cytoloop("checkpoint", "publish", "--data", data))
    assert cytoloop("checkpoint", "rotate-key", "--data", data).returncode == 2
    changed = told(cytoloop("checkpoint", "rotate-key", "--reason", "a year is over", "--data", data))
    assert changed.startswith("new key cytoloop.record/")
    (data / "first.txt").write_text(first, encoding="utf-8")
    assert "3 checkpoints hold" in told(cytoloop("verify", data, "--checkpoint", data / "first.txt"))
    shown = told(cytoloop("checkpoint", "show", "--data", data))
    assert "in force" in shown
    assert "to entry" in shown


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"rubbish", "not a signed note"),
        (b"\xff\xfe", "it is not text in UTF-8"),
        (b"text\n\n\xe2\x80\x94 other.example AAAAAAAAAA==\n", "not a checkpoint"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_named_and_nothing_is_written(
    cytoloop: Command, data: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    told(cytoloop("checkpoint", "publish", "--data", data))
    before, file = {path: path.read_bytes() for path in data.rglob("*.txt")}, tmp_path / "foreign.txt"
    if content is not None:
        file.write_bytes(content)
    for arguments in (("checkpoint", "accept", file, "--data", data), ("verify", data, "--checkpoint", file)):
        done = cytoloop(*arguments)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert {path: path.read_bytes() for path in data.rglob("*.txt")} == before


def test_a_wrong_key_is_named(cytoloop: Command, data: Path) -> None:
    told(cytoloop("checkpoint", "publish", "--data", data))
    assert cytoloop("verify", data, "--key", "rubbish").returncode == 2
    other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    done = cytoloop("verify", data, "--key", other)
    assert (done.returncode, "another record's" in done.stderr) == (1, True)


def test_a_record_that_is_published_is_named_by_its_settings(cytoloop: Command, data: Path) -> None:
    (data / "cytoloop.yaml").write_text("origin: example.org/site/record\n", encoding="utf-8")
    assert told(cytoloop("checkpoint", "publish", "--data", data)).startswith("example.org/site/record\n")
    (data / "cytoloop.yaml").write_text("origin: example.org/other\n", encoding="utf-8")
    done = cytoloop("checkpoint", "publish", "--data", data)
    assert (done.returncode, "named example.org/site/record" in done.stderr) == (2, True)
