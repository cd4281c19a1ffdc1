"""A data folder: one process writes into it at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cytoloop.adapters.files import make_folder
from cytoloop.core.errors import UserError


@contextmanager
def writing(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the folder for writing (made when it is not there); UserError when another process holds it.

    `wait`: wait until that process lets go; for holds that last a moment.
    """
    try:
        make_folder(folder)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UserError(f"the data folder {folder} cannot be used ({error.strerror}); name another one") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"the data folder {folder} is in use by another process; wait until it ends or name another folder"
            ) from error
        yield
    finally:
        os.close(descriptor)
