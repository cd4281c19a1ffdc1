"""Output: tables for people, JSON for machines, progress on the error stream so that pipes stay clean."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cytoloop.adapters.files import keep
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


def write_text(text: str, path: Path) -> None:
    """A text into a file, whole or not at all; StoreError when it cannot be written."""
    keep(path, text.encode(), mode=0o644)


def plain(text: str) -> str:
    """The text, with nothing in it that a console takes for markup."""
    return text.replace("[", "\\[")


def table(title: str | None, *columns: str) -> Table:
    """A table for people; columns that begin with ">" are numbers."""
    made = Table(title=title, title_justify="left", header_style="bold underline", box=None, padding=(0, 1, 0, 0))
    for place, column in enumerate(columns):
        justify: JustifyMethod = "right" if column.startswith(">") else "left"
        made.add_column(column.removeprefix(">"), justify=justify, overflow="fold", no_wrap=place == 0)
    return made


def read_text(path: Path, what: str) -> str:
    """The text of a file; UserError when it cannot be read or is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"the {what} {path} cannot be read ({error.strerror}); name another file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a {what}: it is not text in UTF-8") from error


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
