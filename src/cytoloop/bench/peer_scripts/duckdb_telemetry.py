"""DuckDB: the same jobs as cytoloop's telemetry: durable commits, no reading twice, the last hour of a batch."""

import json
import sys
from pathlib import Path
from time import perf_counter, process_time

import duckdb
import numpy as np

asked = json.loads(sys.argv[1])
SIGNALS, BEGINS, HOUR, SECOND = asked["signals"], asked["begins"], asked["hour"], 1_000_000
COLUMNS = "batch, tag, measured, received, value, status"
TABLE = """
CREATE TABLE reading (
  batch USMALLINT, tag USMALLINT, measured BIGINT, received BIGINT, value DOUBLE, status UINTEGER,
  PRIMARY KEY (batch, tag, measured)
)
"""
HOUR_OF_ONE = f"SELECT {COLUMNS} FROM reading WHERE batch = 1 AND measured >= ? AND measured < ? ORDER BY tag, measured"
dice = np.random.default_rng(asked["seed"])
path = Path(asked["folder"]) / "telemetry.duckdb"
store = duckdb.connect(str(path))
store.execute(TABLE)


def second(batches, seconds):
    rows = len(batches) * len(seconds) * SIGNALS
    when = np.tile(np.repeat(BEGINS + seconds * SECOND, SIGNALS), len(batches)) + dice.integers(0, 2000, rows)
    waves = np.tile(np.repeat(np.sin(seconds / 900.0), SIGNALS), len(batches))
    return {
        "batch": np.repeat(np.asarray(batches, np.uint16), len(seconds) * SIGNALS),
        "tag": np.tile(np.arange(SIGNALS, dtype=np.uint16), len(batches) * len(seconds)),
        "measured": when,
        "received": when + dice.integers(1000, 30_000, rows),
        "value": np.round(37.0 + waves + dice.normal(0.0, 0.05, rows), 3),
        "status": np.zeros(rows, np.uint32),
    }


def write(block):
    store.execute(f"INSERT INTO reading SELECT {COLUMNS} FROM block ON CONFLICT DO NOTHING")


def seconds():
    used = 0.0
    for now in range(int(asked["size"])):
        block = second(range(asked["batches"]), np.array([now]))
        began = process_time()
        write(block)
        used += process_time() - began
    return 100.0 * used / asked["size"]


def bulk():
    whole = int(asked["size"]) // SIGNALS
    first = second([1], np.arange(whole // 10))
    rest = second([1], np.arange(whole // 10, whole))
    block = {name: np.concatenate([first[name], rest[name]]) for name in first}
    write(first)
    began = perf_counter()
    write(block)
    took = perf_counter() - began
    assert store.execute("SELECT count(*) FROM reading").fetchone()[0] == whole * SIGNALS
    return whole * SIGNALS / took


def hour():
    write(second([1], np.arange(HOUR)))
    took = []
    for now in range(HOUR, HOUR + int(asked["size"])):
        write(second([1], np.array([now])))
        began = perf_counter()
        within = [BEGINS + (now - HOUR + 1) * SECOND, BEGINS + (now + 1) * SECOND]
        found = store.execute(HOUR_OF_ONE, within).fetchnumpy()
        took.append(1000.0 * (perf_counter() - began))
        assert len(found["measured"]) == HOUR * SIGNALS
    return float(np.quantile(took, 0.99))


def kept():
    count = int(asked["size"] * HOUR)
    write(second([1], np.arange(count)))
    store.execute("CHECKPOINT")
    store.close()
    return path.stat().st_size / (count * SIGNALS)


figure = {"seconds": seconds, "bulk": bulk, "hour": hour, "bytes": kept}[asked["job"]]()
print(json.dumps({"figure": figure, "duckdb": duckdb.__version__}))
