"""`cytoloop bench record`: what the record can do on this machine, and what it survives."""

from cytoloop.bench import record_append, record_backup, record_kill, record_read, record_telemetry, record_verify
from cytoloop.bench.frame import Options, Row

PARTS = (record_append, record_kill, record_read, record_verify, record_telemetry, record_backup)
"""Each part's module has `rows`; they are measured in this order."""


def rows(options: Options) -> list[Row]:
    """Every figure of the record's benchmark."""
    return [each for part in PARTS for each in part.rows(options)]
