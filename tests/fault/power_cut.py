"""Power cuts: run a command once, then judge the states in which a cut at any moment could have left the disk."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from tests.fault.disk import Disk, Kind, Operation, State, read_log, states

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.records import RECORD
from cytoloop.core.entry import Draft
from cytoloop.core.errors import UserError
from cytoloop.core.facts.clinic import StudyFiled
from cytoloop.core.facts.record import ClockStepped
from cytoloop.core.time import Instant
from cytoloop.record.codec import Codec
from cytoloop.record.ledger import Ledger
from cytoloop.record.merkle import Tree
from cytoloop.record.verify import verify

ROOT = Path(__file__).parents[2]
CODEC = Codec((StudyFiled, ClockStepped))


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What had been acknowledged at some moment."""

    size: int = 0
    root: str = Tree().root.hex()
    attested: frozenset[str] = frozenset()
    """sha256 of the attestations."""
    readings: int = 0
    """Kept beside the record."""
    said: tuple[str, ...] = ()
    """What else the program said was done."""
    done: bool = False
    """The program had ended: all it made must stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One command, as the disk saw it."""

    before: Disk
    operations: Sequence[Operation]
    left: State
    """What the command left when it ended."""
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A state that a power cut may have left."""

    after: int
    """Operations that the command had done."""
    how: str
    promise: Promise
    state: State = field(repr=False)


def run_told(
    shim: Path, root: Path, log: Path, *words: str | Path, env: Mapping[str, str] | None = None, program: str = "driven"
) -> Told:
    """Run `cytoloop WORDS` with everything below `root` on the disk that tells; it must succeed.

    `program`: another module of tests.fault that takes the words instead.
    """
    before = Disk.of(root)
    command = [sys.executable, "-m", f"tests.fault.{program}", *map(str, words)]
    disk = {"LD_PRELOAD": str(shim), "FAULT_ROOT": str(root), "FAULT_LOG": str(log)}
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(env or {}), **disk}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = Told(before=before, operations=read_log(log, root), left=contents(root), output=done.stdout)
    _the_disk_told_everything(told)
    return told


def contents(folder: Path) -> State:
    """What `folder` holds now, shared memory left out."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if not path.name.endswith("-shm")
    }


def _the_disk_told_everything(told: Told) -> None:
    """All that was logged adds up to what is there: nothing was written past the shim."""
    disk = deepcopy(told.before)
    for operation in told.operations:
        disk.do(operation)
    logged = disk.state(disk.later(), disk.unpromised)
    untold = [name for name in {**logged, **told.left} if logged.get(name, b"-") != told.left.get(name, b"-")]
    assert not untold, f"written past the shim: {untold}"


def cuts(told: Told, dice: random.Random, moments: int | None, promise: Promise | None = None) -> Iterator[Cut]:
    """What a cut could have left: after so many of the operations, by lot, and always after the last; or after each.

    `promise`: what had been acknowledged before the command.
    """
    chosen = _chosen(told.operations, dice, moments)
    disk, promise, seen = deepcopy(told.before), promise or Promise(), set[tuple[Promise, int]]()
    for number, operation in enumerate(told.operations, 1):
        disk.do(operation)
        promise = _promised(promise, operation)
        if number not in chosen:
            continue
        for how, state in states(disk, dice):
            known = (promise, hash(frozenset(state.items())))
            if known not in seen:
                seen.add(known)
                yield Cut(after=number, how=how, promise=promise, state=state)


def _chosen(operations: Sequence[Operation], dice: random.Random, moments: int | None) -> set[int]:
    """Operations after which to cut. Of a long run of writes its ends tell most, so the lot is drawn among those."""
    if moments is None:
        return set(range(1, len(operations) + 1))
    kinds = [each.kind is Kind.WRITE for each in operations]
    telling = [
        number
        for number, write in enumerate(kinds, 1)
        if not (write and number < len(kinds) and kinds[number] and dice.random() < 0.9)
    ]
    return {len(operations), *dice.sample(telling, min(moments, len(telling)))}


def _promised(promise: Promise, operation: Operation) -> Promise:
    """What is promised after a remark. Of records only the one that commands use counts: others are being made."""
    if operation.kind is not Kind.MARK:
        return promise
    said = json.loads(operation.data)
    if "exit" in said:
        return replace(promise, done=said["exit"] == 0)
    if "readings" in said:
        return replace(promise, readings=said["readings"])
    if "path" not in said:
        return replace(promise, said=(*promise.said, operation.data.decode()))
    if Path(said["path"]).name != RECORD:
        return promise
    if "size" in said:
        return replace(promise, size=said["size"], root=said["root"])
    return replace(promise, attested=promise.attested | {said["attested"]})


def judge_record(path: Path, promise: Promise, now: Instant) -> None:
    """Open the record at `path` as any command would: what was promised is there, it verifies, and it goes on."""
    if not path.exists():
        assert promise.size == 0, "the record is gone"
        return
    try:
        with closing(open_store(path)) as store:
            roots = {head.size: head.root.hex() for head in store.heads()}
            assert verify(store).entries >= promise.size, "an acknowledged entry is lost"
            assert promise.size == 0 or roots[promise.size] == promise.root, "the record is another one"
            bodies = {sha256(each.body).hexdigest() for each in store.attestations()}
            assert promise.attested <= bodies, "an acknowledged attestation is lost"
            _go_on(Ledger(store, SimulatedClock(now), CODEC), now)
        with closing(open_store(path, read_only=True)) as store:
            verify(store)
    except UserError as error:
        raise AssertionError(f"the record is there and cannot be used: {error}") from error


def _go_on(ledger: Ledger, now: Instant) -> None:
    draft = Draft(fact=StudyFiled(receipt="after the cut", protocol_version="1"), actor="person:lin", happened_at=now)
    ledger.append("study/after", [draft], expected=ledger.position("study/after"))


def judge_files(state: State, told: Told, promise: Promise, whole: Sequence[str] = ()) -> None:
    """Files beside the record: once the program has ended, each is there as it was left.

    `whole`: these are never there half. The databases are judged by what they hold, and locks hold nothing.
    """
    for name in whole:
        assert name not in state or state[name] == told.left[name], f"{name} is there half"
    if promise.done:
        for name, content in told.left.items():
            if not name.endswith("lock") and ".db" not in Path(name).name:
                assert name in state, f"{name} is gone"
                assert state[name] == content, f"{name} is not as the program left it"
