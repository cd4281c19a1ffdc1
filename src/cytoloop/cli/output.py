"""Output: tables for people, JSON for machines, progress on the error stream so that pipes stay clean."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, canonical

out = Console()
err = Console(stderr=True)


def say_json(value: JSON) -> None:
    """One JSON document on the output stream."""
    sys.stdout.write(canonical(value).decode() + "\n")


def write_json(value: JSON, path: Path) -> None:
    """One JSON document into a file; UserError when it cannot be written."""
    try:
        path.write_bytes(canonical(value) + b"\n")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); name another file") from error


def table(title: str | None, *columns: str) -> Table:
    """A table for people; columns that begin with ">" are numbers."""
    made = Table(title=title, title_justify="left", header_style="bold underline", box=None, padding=(0, 1, 0, 0))
    for place, column in enumerate(columns):
        justify: JustifyMethod = "right" if column.startswith(">") else "left"
        made.add_column(column.removeprefix(">"), justify=justify, overflow="fold", no_wrap=place == 0)
    return made


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress bars on the error stream."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=err
    ) as bars:
        yield bars


def number(value: float | None, digits: int = 1) -> str:
    """A number for a table; a dash when there is none."""
    return "–" if value is None else f"{value:,.{digits}f}"
