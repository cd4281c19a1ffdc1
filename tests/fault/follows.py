"""Follows a batch while the disk of its telemetry fills up, and again once there is space. Runs under disk_shim.c.

`python -m tests.fault.follows FOLDER AFTER`: the disk takes so many more writes from hour 3 on; says what came of it.
"""

import ctypes
import errno
import json
import sys
from contextlib import closing
from pathlib import Path

from tests.followed import Followed, steady

from cytoloop.adapters.telemetry import open_telemetry
from cytoloop.core.errors import StoreError
from cytoloop.record.segment import FORM

ROWS = [*steady(0.0, 4.0), *steady(4.0, 6.0, 39.0), *steady(6.0, 10.0)]
"""Two hours too warm, while the disk is full."""
WRITE = 1


def follow(folder: Path, after: int) -> dict[str, object]:
    """What the batch came to, how far it went while the disk was full, and what was said."""
    path, disk, said = folder / "telemetry.db", ctypes.CDLL(None), ""
    with closing(open_telemetry(path, FORM, create=True)) as store:
        plot = Followed(ROWS, store=store, poll=0.5).go(3.0)
        disk.fault_arm(WRITE, after, errno.ENOSPC, 1, b"telemetry.db")
        try:
            plot.go(10.0)
        except StoreError as error:
            said = str(error)
        stopped = plot.clock.now()
        disk.fault_arm(0, 0, 0, 0, b"")
    with closing(open_telemetry(path, FORM)) as store:
        plot.store = store
        plot.go(10.0)
        return {
            "said": said,
            "stopped": stopped.isoformat(),
            "facts": [str(fact) for fact in plot.facts()],
            "deviations": plot.deviations(),
            "stored": plot.stored(),
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(follow(Path(sys.argv[1]), int(sys.argv[2]))) + "\n")
