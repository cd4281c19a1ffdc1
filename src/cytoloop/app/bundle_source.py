"""Where bundles come from: the record, its readings and its keys, opened from a data folder."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from cytoloop.adapters.telemetry import open_telemetry
from cytoloop.app.bundle import Source
from cytoloop.app.records import TELEMETRY, open_record
from cytoloop.app.settings import read_settings
from cytoloop.core.time import Clock
from cytoloop.record.ledger import Ledger
from cytoloop.record.segment import FORM


@contextmanager
def bundle_source(folder: Path, clock: Clock) -> Iterator[Source]:
    """The record of `folder` to export from, also while a line writes it; UserError when there is none."""
    settings = read_settings(folder)
    with ExitStack() as stack:
        store = stack.enter_context(closing(open_record(folder)))
        telemetry = None
        if (folder / TELEMETRY).exists():
            telemetry = stack.enter_context(closing(open_telemetry(folder / TELEMETRY, FORM, read_only=True)))
        yield Source(
            ledger=Ledger(store, clock),
            store=store,
            telemetry=telemetry,
            folder=folder,
            clock=clock,
            zone=settings.zone,
            origin=settings.origin,
        )
