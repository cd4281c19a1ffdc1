"""T2: telemetry: the share of a core that 6,000 readings a second take, bulk loads, the last hour of a batch, bytes."""

from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from cytoloop.adapters.telemetry import SqliteTelemetry, open_telemetry
from cytoloop.bench.frame import Goal, Options, Row, alternate, row
from cytoloop.core.json import JSON
from cytoloop.core.telemetry import Readings, Tag
from cytoloop.record.segment import FORM

BATCHES, SIGNALS = 60, 100
TAGS = tuple(Tag(f"bioreactor-01/signal-{number:03d}", "1") for number in range(SIGNALS))
SECOND = 1_000_000
HOUR = 3600
BEGINS = 1_780_000_000 * SECOND
PEER = "DuckDB"

_fresh = count()


def rows(options: Options) -> list[Row]:
    """Every figure of T2 beside DuckDB's."""
    return [*_written(options), _last_hour(options), _kept(options)]


def second(batch: str, seconds: np.ndarray, dice: np.random.Generator) -> Readings:
    """What all tags of a batch show at these seconds: numbers with three places, stamped and received with jitter."""
    places = len(seconds) * SIGNALS
    at = np.repeat(BEGINS + seconds * SECOND, SIGNALS) + dice.integers(0, 2000, places)
    values = np.round(37.0 + np.repeat(np.sin(seconds / 900.0), SIGNALS) + dice.normal(0.0, 0.05, places), 3)
    return Readings(
        batch=batch,
        tags=TAGS,
        tag=np.tile(np.arange(SIGNALS, dtype=np.uint16), len(seconds)).data,
        at=at.data,
        received=(at + dice.integers(1000, 30_000, places)).data,
        value=values.data,
        status=np.zeros(places, np.uint32).data,
    )


def _written(options: Options) -> Iterator[Row]:
    options.tick("telemetry: 6,000 readings a second")
    seconds, bulk = (5, 100_000) if options.quick else (60, 1_000_000)
    ours, theirs = alternate(
        options.repeats, lambda: _share_of_a_core(options, seconds), lambda: _peer(options, "seconds", seconds)
    )
    what = f"{BATCHES * SIGNALS:,} readings/s of {BATCHES} batches, durable every second: share of a core"
    goal = Goal(bound=10, better="less")
    yield row("T2", what, ours, "%", goal=goal, peer=PEER, peer_values=theirs)
    options.tick("telemetry: bulk")
    ours, theirs = alternate(options.repeats, lambda: _in_bulk(options, bulk), lambda: _peer(options, "bulk", bulk))
    what = f"bulk of {bulk:,} readings, one in ten sent twice and dropped"
    yield row("T2", what, ours, "/s", goal=Goal(bound=1_000_000), peer=PEER, peer_values=theirs)


def _last_hour(options: Options) -> Row:
    options.tick("telemetry: the last hour of a batch")
    looks = 20 if options.quick else 200
    with closing(_store(options)) as store:
        _an_hour(store, options)
        later = count(HOUR)
        ours, theirs = alternate(
            options.repeats, lambda: _looked(store, options, looks, later), lambda: _peer(options, "hour", looks)
        )
    what = f"last hour of one batch while it is written ({SIGNALS} tags, {HOUR * SIGNALS:,} readings), 99th percentile"
    return row("T2", what, ours, "ms", goal=Goal(bound=5, better="less"), peer=PEER, peer_values=theirs)


def _kept(options: Options) -> Row:
    options.tick("telemetry: bytes")
    hours = 0.2 if options.quick else 1.0
    ours, theirs = alternate(1, lambda: _bytes(options, hours), lambda: _peer(options, "bytes", hours))
    what = "bytes a sealed reading takes in the file (with hash; time, time received, value, status)"
    return row("T2", what, ours, "bytes", better="less", peer=PEER, peer_values=theirs)


def _share_of_a_core(options: Options, seconds: int) -> float:
    """Percent of a core that writing takes; making the readings is not counted."""
    dice, used = np.random.default_rng(options.seed), 0.0
    with closing(_store(options)) as store:
        for now in range(seconds):
            blocks = [second(f"B-{number:03d}", np.array([now]), dice) for number in range(BATCHES)]
            began = process_time()
            store.write(blocks)
            used += process_time() - began
    return 100.0 * used / seconds


def _in_bulk(options: Options, readings: int) -> float:
    """Readings taken in a second; a tenth of them came before."""
    dice, whole = np.random.default_rng(options.seed), readings // SIGNALS
    first = second("B-001", np.arange(whole // 10), dice)
    rest = second("B-001", np.arange(whole // 10, whole), dice)
    again = _joined(first, rest)
    with closing(_store(options)) as store:
        store.write([first])
        began = perf_counter()
        written = store.write([again])
        took = perf_counter() - began
    assert written.repeated == len(first), "what came before is dropped"
    return len(again) / took


def _joined(first: Readings, second: Readings) -> Readings:
    def column(name: str) -> memoryview:
        return np.concatenate([np.asarray(getattr(each, name)) for each in (first, second)]).data

    names = ("tag", "at", "received", "value", "status")
    return Readings(batch=first.batch, tags=TAGS, **{name: column(name) for name in names})


def _an_hour(store: SqliteTelemetry, options: Options) -> None:
    """An hour of one batch; the last minutes second by second, as they come."""
    dice, at_once = np.random.default_rng(options.seed), 10
    for start in range(0, HOUR - 200, at_once):
        store.write([second("B-001", np.arange(start, start + at_once), dice)])
    for now in range(HOUR - 200, HOUR):
        store.write([second("B-001", np.array([now]), dice)])


def _looked(store: SqliteTelemetry, options: Options, looks: int, later: "count[int]") -> float:
    """99th percentile of reading the last hour in milliseconds; between two looks another second comes in."""
    dice, took = np.random.default_rng(options.seed), []
    for _ in range(looks):
        now = next(later)
        store.write([second("B-001", np.array([now]), dice)])
        began = perf_counter()
        found = store.read("B-001", BEGINS + (now - HOUR + 1) * SECOND, BEGINS + (now + 1) * SECOND)
        took.append(1000.0 * (perf_counter() - began))
        assert len(found) == HOUR * SIGNALS, "the whole hour is there"
    return float(np.quantile(took, 0.99))


def _bytes(options: Options, hours: float) -> float:
    dice = np.random.default_rng(options.seed)
    with closing(_store(options)) as store:
        store.write([second("B-001", np.arange(int(hours * HOUR)), dice)])
        sealed = sum(segment.readings for segment in store.seal("B-001", 2**62))
        return store.stored_bytes("B-001") / sealed


def _store(options: Options) -> SqliteTelemetry:
    return open_telemetry(options.scratch / f"telemetry-{next(_fresh)}.db", FORM, create=True)


def _peer(options: Options, job: str, size: float) -> float | None:
    folder: Path = options.scratch / f"duckdb-{next(_fresh)}"
    folder.mkdir()
    arguments: dict[str, JSON] = {
        "folder": str(folder), "job": job, "size": size, "seed": options.seed, "batches": BATCHES, "signals": SIGNALS,
        "begins": BEGINS, "hour": HOUR,
    }  # fmt: skip
    told = options.peers.run("duckdb", "duckdb_telemetry.py", arguments)
    return None if told is None else float(str(told["figure"]))
