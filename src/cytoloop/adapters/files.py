"""Files that survive a power cut: written whole or not at all, and still there by their name afterwards.

A disk promises the bytes of a file at its fsync, and a name in a folder at that folder's fsync (Linux fsync(2)): so a
new file, a new name and a new folder each take an fsync of the folder they are in. Every door that keeps a file
stands on this; tests/fault cuts the power at each write.
"""

import os
from contextlib import suppress
from pathlib import Path

from cytoloop.core.errors import StoreError

OWNER_ONLY = 0o600


def keep(path: Path, content: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Give `path` the content, durably: a reader finds the old file or the new one, whole. Its folder is made.

    Who writes the same file from two processes holds a lock meanwhile. StoreError when it cannot be written.
    """
    make_folder(path.parent)
    beside = path.with_name(f".{path.name}.new")
    try:
        write(beside, content, mode=mode)
        beside.replace(path)
        promise_names(path.parent)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise StoreError(
            f"{path} could not be written ({error.strerror}); what was there before is untouched; free space or mend "
            "the disk and try again"
        ) from error


def write(path: Path, content: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Write a file and wait until the disk has its bytes; its name is not promised yet. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def make_folder(folder: Path, *, mode: int = 0o777) -> None:
    """Make the folder, with those above it, durably; nothing when it is there. StoreError when it cannot be made."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        for each in reversed(missing):
            each.mkdir(mode=mode, exist_ok=True)
            promise_names(each.parent)
    except OSError as error:
        raise StoreError(f"the folder {folder} could not be made ({error.strerror}); name another one") from error


def remove(path: Path) -> None:
    """Remove a file for good; nothing when it is not there. Raises OSError."""
    path.unlink(missing_ok=True)
    promise_names(path.parent)


def sqlite_address(path: Path, mode: str) -> str:
    """What SQLite opens for `path`, whatever letters its name has; `mode` is "rw" or "ro".

    On a medium that nobody can write (an archive's disc, a snapshot) SQLite cannot make the files that it keeps beside
    a database; one that was closed properly is then read as what it is, unchanging.
    """
    log = path.with_name(f"{path.name}-wal")
    still = mode == "ro" and _never_written(path.parent) and not (log.exists() and log.stat().st_size)
    return f"{path.absolute().as_uri()}?mode={mode}{'&immutable=1' if still else ''}"


def _never_written(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def promise_names(folder: Path) -> None:
    """Wait until the disk has the folder's names: what was made, renamed or removed in it. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
