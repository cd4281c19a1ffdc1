"""D4: verifying a record of a million entries, proving one of them, and appending to the tree beside pymerkle."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.verifying import work_on
from cytoloop.bench.frame import Goal, Options, Row, alternate, row
from cytoloop.bench.work import created, drafts, steps
from cytoloop.core.json import JSON
from cytoloop.record.group import Request
from cytoloop.record.ledger import Ledger
from cytoloop.record.merkle import Tree, leaf_hash
from cytoloop.record.parts import Claims
from cytoloop.record.proof import Levels, verify_inclusion
from cytoloop.record.verify import conclude

ENTRIES, QUICK = 1_000_000, 5_000
BATCHES = 32
"""Batches that are written at once: each durable append holds one of each, and leaves one tree head."""
BODY = 400
"""Bytes of an entry of the comparison with pymerkle."""
AT = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def rows(options: Options) -> list[Row]:
    """Verify, prove, append."""
    path = options.scratch / "d4.db"
    entries = QUICK if options.quick else ENTRIES
    options.tick(f"a record of {entries:,} entries")
    _write(path, entries)
    options.tick("verify it")
    verified = [_verify(path) for _ in range(1 if options.quick else 3)]
    options.tick("prove entries of it")
    proven = _prove(path, Random(options.seed))
    path.unlink()
    size = f"of {entries:,} entries"
    return [
        row("D4", f"verify a record {size}, {BATCHES} batches at once", verified, "entries/s",
            goal=Goal(bound=1_500_000)),
        row("D4", f"inclusion proof in a record {size}", [proven], "µs", goal=Goal(bound=50, better="less")),
        *_appends(options),
    ]  # fmt: skip


def _write(path: Path, entries: int) -> None:
    """A record of so many entries at least, written by its ledger as a plant of 32 lines writes it."""
    store = open_store(path, create=True)
    ledger, written = Ledger(store, SimulatedClock(AT)), 0
    plant = {f"B-{number:05d}": steps(f"B-{number:05d}", AT) for number in range(BATCHES)}
    ends = dict.fromkeys(plant, 1)
    start = [Request(f"batch/{number}", drafts((created(number),), AT), 0) for number in plant]
    ledger.append_all(start)
    while (written := ledger.head().size) < entries:
        requests = []
        for number, work in plant.items():
            facts = next(work)
            requests.append(Request(f"batch/{number}", drafts(facts, AT), ends[number]))
            ends[number] += len(facts)
        for answer in ledger.append_all(requests):
            if isinstance(answer, Exception):
                raise answer
    assert written >= entries
    store.close()


def _verify(path: Path) -> float:
    """Entries verified a second, by as many processes as pay, the store's own check included."""
    again = partial(open_store, path, read_only=True)
    began = perf_counter()
    store = again()
    claims = Claims(store.heads())
    with work_on(store, claims, again) as work:
        verified = conclude(store, claims, work.parts, problems=work.problems)
    seconds = perf_counter() - began
    store.close()
    return verified.entries / seconds


def _prove(path: Path, random: Random) -> float:
    """Median microseconds to make the proof of an entry, once the tree is in memory; each proof is checked."""
    store = open_store(path, read_only=True)
    leaves = list(store.leaf_hashes())
    store.close()
    levels, seconds = Levels(leaves), []
    size, root = levels.size, levels.root()
    for index in (random.randrange(size) for _ in range(1000)):
        began = perf_counter()
        proof = levels.inclusion(index, size)
        seconds.append(perf_counter() - began)
        verify_inclusion(leaves[index], index, size, proof, root)
    return median(seconds) * 1e6


def _appends(options: Options) -> Iterator[Row]:
    """Appending to the tree in memory, hashing included: alone, and with the root after each as durable appends do."""
    options.tick("appends to the tree, beside pymerkle")
    entries, with_root = (2_000, 100) if options.quick else (100_000, 2_000)
    bodies = [b"%d" % each + b"x" * BODY for each in range(entries)]
    theirs: list[dict[str, JSON]] = []

    def peer() -> float | None:
        asked: dict[str, JSON] = {"entries": entries, "with_root": with_root, "bytes": BODY}
        found = options.peers.run("pymerkle", "pymerkle_appends.py", asked)
        if found is None:
            return None
        theirs.append(found)
        return float(str(found["alone"]))

    ours_each: list[float] = []

    def ours() -> float:
        ours_each.append(_each(bodies[:with_root]))
        return _alone(bodies)

    values, peers = alternate(options.repeats, ours, peer)
    peers_each = [float(str(each["with_root"])) for each in theirs]
    what = "entries hashed and appended to the tree"
    yield row("D4", what, values, "/s", peer="pymerkle", peer_values=peers, goal=Goal(bound=5, of="ratio"))
    yield row("D4", f"{what}, the root after each", ours_each, "/s", peer="pymerkle", peer_values=peers_each,
              goal=Goal(bound=5, of="ratio"))  # fmt: skip


def _alone(bodies: list[bytes]) -> float:
    began = perf_counter()
    Tree().extend(map(leaf_hash, bodies))
    return len(bodies) / (perf_counter() - began)


def _each(bodies: list[bytes]) -> float:
    tree, began = Tree(), perf_counter()
    for body in bodies:
        tree = tree.append(leaf_hash(body))
        assert tree.root
    return len(bodies) / (perf_counter() - began)
