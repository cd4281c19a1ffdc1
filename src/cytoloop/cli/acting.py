"""Acting: what commands share in which a person acts on a record, perhaps while a line writes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cytoloop.adapters.clocks import FolderClock, ScaledClock
from cytoloop.app.bootstrap import acting_record
from cytoloop.app.people import People, people_at
from cytoloop.cli.data import newest
from cytoloop.cli.output import out
from cytoloop.core.json import JSON
from cytoloop.record.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Desk:
    """A record with its people."""

    folder: Path
    ledger: Ledger
    people: People
    clock: FolderClock
    """The record's."""


@contextmanager
def acting(data: Path | None) -> Iterator[Desk]:
    """The record to act on and who may; UserError when there is none."""
    folder = newest(data)
    clock = FolderClock(folder)
    with acting_record(folder, clock) as ledger:
        yield Desk(folder, ledger, people_at(folder, ledger, clock, ScaledClock()), clock)


def show_what_is_signed(shown: dict[str, JSON], digest: str) -> None:
    """Everything the signature will stand over, before anybody is asked to sign."""
    for name, value in shown.items():
        _line(name, value)
    out.print(f"[dim]signed is the SHA-256 of this: {digest}[/]", highlight=False, soft_wrap=True)


def _line(name: str, value: JSON) -> None:
    if not isinstance(value, list):
        out.print(f"{name + ':':<16}{_text(value)}", highlight=False, soft_wrap=True)
        return
    out.print(f"{name + ':':<16}{len(value)}", highlight=False)
    for each in value:
        parts = each.items() if isinstance(each, dict) else ((None, each),)
        told = ", ".join(f"{key} {_text(part)}" if key else _text(part) for key, part in parts if part is not None)
        out.print(f"  - {told}", highlight=False, soft_wrap=True)


def _text(value: JSON) -> str:
    return "–" if value is None else str(value).replace("[", "\\[")
