"""Appends to a record that does not wait for the disk: the tests of power cuts must find it."""

import sys
from pathlib import Path

from tests.fault.driven import promise_everything, remark

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.files import make_folder
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.records import RECORD
from cytoloop.bench.killing import CODEC, START, draft
from cytoloop.record.ledger import Ledger

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    make_folder(folder)
    promise_everything()
    store = open_store(folder / RECORD, create=True)
    store._connection.execute("PRAGMA synchronous = NORMAL")
    ledger = Ledger(store, SimulatedClock(START), CODEC)
    for number in range(3):
        ledger.append("study/1", [draft(number)], expected=number)
    store.close()
    remark(exit=0)
