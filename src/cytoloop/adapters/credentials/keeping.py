"""The accounts' file: read whole, changed under a lock that several processes share, written beside and replaced."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cytoloop.adapters.credentials.account import Account, Book
from cytoloop.adapters.files import keep, make_folder
from cytoloop.core.errors import StoreError, UserError

FORMAT = 2
_BOOK = TypeAdapter(Book)


def read(path: Path) -> Book:
    """The accounts in `path`; empty when there is no file. UserError for a file that is none of ours."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(data, list):
            return _first_format(data)
        if data["format"] != FORMAT:
            raise UserError(
                f"the accounts in {path} have format {data['format']}, and this version knows {FORMAT}; use the "
                "version of Cytoloop that wrote them, or a newer one"
            )
        return _BOOK.validate_python(data["book"])
    except FileNotFoundError:
        return Book()
    except (ValueError, TypeError, KeyError, ValidationError, OSError) as error:
        raise UserError(
            f"the accounts in {path} cannot be read ({_said(error)}); restore the file from a copy"
        ) from error


def _first_format(data: list[dict[str, Any]]) -> Book:
    """Accounts of release 0.1.0: scripted people of demonstrations, nobody else."""
    people = [Account(user=each["user"], scripted=True, password=each["secret_hash"]) for each in data]
    return Book(accounts={each.user: each for each in people})


def write(path: Path, book: Book) -> None:
    """Keep `book` durably, or leave what was there; StoreError when it cannot be written."""
    document = {"format": FORMAT, "book": _BOOK.dump_python(book, mode="json")}
    keep(path, json.dumps(document, ensure_ascii=False, indent=1).encode())


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Nobody else changes the file meanwhile: other processes and threads wait."""
    make_folder(path.parent)
    try:
        descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(f"the accounts in {path} cannot be used ({error.strerror}); name another folder") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)
