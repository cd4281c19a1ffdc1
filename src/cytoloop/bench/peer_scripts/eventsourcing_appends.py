"""eventsourcing: durable events a second of one aggregate, on SQLite in WAL mode. Runs with eventsourcing's Python."""

import json
import sys
from pathlib import Path
from time import perf_counter

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

asked = json.loads(sys.argv[1])


class Batch(Aggregate):
    @event("StepCompleted")
    def complete(self, step, attempt, values):
        self.last = step


application = Application(
    env={
        "PERSISTENCE_MODULE": "eventsourcing.sqlite",
        "SQLITE_DBNAME": str(Path(asked["folder"]) / "eventsourcing.db"),
    }
)


def append(count):
    for _ in range(count):
        batch.complete(step="expansion/sample", attempt=1, values={"volume": 1.5, "code": "COI-000001"})
        application.save(batch)


batch = Batch()
append(20)
began = perf_counter()
append(asked["appends"])
seconds = perf_counter() - began
with application.recorder.datastore.get_connection(commit=False) as connection:
    cursor = connection.cursor()
    settings = {}
    for name in ("journal_mode", "synchronous"):
        cursor.execute(f"PRAGMA {name}")
        settings[name] = cursor.fetchone()[0]
print(json.dumps({"per_second": asked["appends"] / seconds, **settings}))
