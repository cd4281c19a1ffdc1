"""DBOS: durable steps a second of one workflow, on SQLite (WAL, synchronous=FULL). Runs with DBOS's own Python."""

import json
import sys
from pathlib import Path
from time import perf_counter

from dbos import DBOS
from sqlalchemy import event
from sqlalchemy.engine import Engine

asked = json.loads(sys.argv[1])
SETTINGS = {}


@event.listens_for(Engine, "connect")
def durable(connection, _record):
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    SETTINGS["journal"] = connection.execute("PRAGMA journal_mode").fetchone()[0]
    SETTINGS["synchronous"] = connection.execute("PRAGMA synchronous").fetchone()[0]


DBOS(
    config={
        "name": "bench",
        "system_database_url": f"sqlite:///{Path(asked['folder']) / 'dbos.db'}",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
)


@DBOS.step()
def step(number):
    return {"step": "expansion/sample", "attempt": 1, "values": {"volume": 1.5, "code": "COI-000001"}, "number": number}


@DBOS.workflow()
def batch(steps):
    for number in range(steps):
        step(number)


DBOS.launch()
batch(20)
began = perf_counter()
batch(asked["appends"])
seconds = perf_counter() - began
DBOS.destroy()
print(json.dumps({"per_second": asked["appends"] / seconds, **SETTINGS}))
