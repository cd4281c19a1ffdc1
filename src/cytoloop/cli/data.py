"""Where data are: the folder named with --data, or the newest one a demonstration made here."""

import re
from pathlib import Path

import typer

from cytoloop.app.records import RECORD
from cytoloop.app.settings import FILE
from cytoloop.core.errors import UserError

HOME = Path("cytoloop-data")

DATA = typer.Option(None, "--data", metavar="DIR", help="Data folder; the newest under cytoloop-data/ when left out.")


def newest(data: Path | None) -> Path:
    """The data folder to read; UserError when there is none."""
    if data is not None:
        return data
    found = [*HOME.glob(f"*/{RECORD}"), *HOME.glob(f"*/{FILE}")]  # a record in a database has settings alone
    records = sorted(found, key=lambda path: path.stat().st_mtime)
    if not records:
        raise UserError("there are no data here yet; run `cytoloop demo` first, or name a folder with --data")
    return records[-1].parent


def tree_head(noted: str | None) -> str | None:
    """A tree head as somebody noted it; UserError when it is none, so that a slip of the pen is no finding."""
    if noted is None or re.fullmatch(r"[0-9a-fA-F]{64}", noted.strip()):
        return noted and noted.strip().lower()
    raise UserError(f"{noted!r} is no tree head, which is 64 hexadecimal digits; give it as it was printed, whole")


def fresh(name: str) -> Path:
    """A folder under cytoloop-data/ that is not there yet."""
    number = 1
    while (folder := HOME / f"{name}-{number}").exists():
        number += 1
    return folder
