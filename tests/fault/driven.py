"""Runs one command on the disk that tells (disk_shim.c) and remarks there what was acknowledged, when.

`python -m tests.fault.driven WORD...` is `cytoloop WORD...`: what the stores acknowledge is followed by a remark
that says what they promised; the last remark is the exit code.
"""

import ctypes
import json
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256

from cytoloop.adapters.sqlite import SqliteStore
from cytoloop.adapters.telemetry.store import SqliteTelemetry
from cytoloop.cli.main import run
from cytoloop.core.store import Attestation, Row, TreeHead
from cytoloop.core.telemetry import NO_STATES, Readings, Written

_disk = ctypes.CDLL(None)


def remark(**said: object) -> None:
    """Write a remark into the disk's log."""
    _disk.fault_mark(json.dumps(said).encode())


def promise_everything() -> None:
    """From now on whatever the store acknowledges is remarked."""
    append, attest, write = SqliteStore.append, SqliteStore.attest, SqliteTelemetry.write
    kept = 0

    def told_append(self: SqliteStore, rows: Sequence[Row], head: TreeHead) -> None:
        append(self, rows, head)
        remark(path=str(self._path), size=head.size, root=head.root.hex())

    def told_attest(self: SqliteStore, attestation: Attestation) -> None:
        attest(self, attestation)
        remark(path=str(self._path), attested=sha256(attestation.body).hexdigest())

    def told_write(
        self: SqliteTelemetry, blocks: Sequence[Readings], states: Mapping[str, bytes] = NO_STATES
    ) -> Written:
        nonlocal kept
        written = write(self, blocks, states)
        kept += written.kept
        remark(readings=kept)
        return written

    SqliteStore.append, SqliteStore.attest = told_append, told_attest  # type: ignore[method-assign]
    SqliteTelemetry.write = told_write  # type: ignore[method-assign]


if __name__ == "__main__":
    promise_everything()
    code = run(sys.argv[1:])
    remark(exit=code)
    sys.exit(code)
