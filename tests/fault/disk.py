"""A disk that loses what it was not told to keep: from a log of writes, the states that a power cut could leave.

What is promised by a disk: the bytes of a file at its last fsync; the names in a folder at that folder's last fsync
(POSIX fsync; Linux fsync(2): "calling fsync() does not necessarily ensure that the entry in the directory containing
the file has also reached disk"). Anything later may be there or not, in any order, torn between sectors. After Pillai
et al., "All File Systems Are Not Created Equal", OSDI 2014.
"""

import random
import shutil
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

SECTOR = 512
"""Bytes that a disk writes as one."""
HEADER = struct.Struct("<IIIIQq")


class Kind(IntEnum):
    """As in disk_shim.c."""

    CREATE = 1
    MKDIR = 2
    WRITE = 3
    CUT = 4
    SYNC = 5
    RENAME = 6
    UNLINK = 7
    RMDIR = 8
    LINK = 9
    MARK = 10


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a command did to the disk, or a remark between two."""

    kind: Kind
    inode: int
    path: str
    other: str
    offset: int
    data: bytes


def read_log(path: Path, root: Path) -> list[Operation]:
    """The operations that the shim logged, in order; paths are relative to `root`."""
    raw, place, found = path.read_bytes(), 0, []
    while place < len(raw):
        kind, name, other, size, inode, offset = HEADER.unpack_from(raw, place)
        place += HEADER.size
        texts = []
        for length in (name, other):
            text = raw[place : place + length].decode()
            texts.append(str(Path(text).relative_to(root)) if text else "")
            place += length
        found.append(Operation(Kind(kind), inode, texts[0], texts[1], offset, raw[place : place + size]))
        place += size
    return found


@dataclass(slots=True)
class File:
    """One file: its bytes at the last fsync, and what came later."""

    kept: bytearray = field(default_factory=bytearray)
    later: list[tuple[int, Operation]] = field(default_factory=list)
    """(number of the operation, operation)"""


@dataclass(frozen=True, slots=True)
class NameChange:
    """A name that was taken away, given to a file (a folder's file is None), or both: a rename is one change."""

    gone: str | None = None
    named: str | None = None
    file: int | None = None

    @property
    def folders(self) -> set[str]:
        """An fsync of any of these promises it."""
        return {str(Path(name).parent) for name in (self.gone, self.named) if name is not None}


Names = dict[str, int | None]
State = dict[str, bytes | None]
"""Path -> content; None for a folder."""


@dataclass(slots=True)
class Disk:
    """What is promised, and what is only likely, after each operation of a log."""

    files: dict[int, File] = field(default_factory=dict)
    names: Names = field(default_factory=dict)
    """Names that are promised."""
    unpromised: list[NameChange] = field(default_factory=list)
    _identity: dict[int, int] = field(default_factory=dict)
    """inode -> file: an inode is used again after its file is gone."""
    _clock: int = 0

    @classmethod
    def of(cls, folder: Path) -> "Disk":
        """The disk as it is before a command: everything in `folder` is promised."""
        disk = cls()
        for path in sorted(each for each in folder.rglob("*") if not each.name.endswith("-shm")):
            name = str(path.relative_to(folder))
            disk.names[name] = None if path.is_dir() else disk._new(path.stat().st_ino, path.read_bytes())
        return disk

    def _new(self, inode: int, content: bytes = b"") -> int:
        number = len(self.files)
        self.files[number] = File(bytearray(content))
        self._identity[inode] = number
        return number

    def do(self, operation: Operation) -> None:
        """Take one operation in."""
        self._clock += 1
        match operation.kind:
            case Kind.CREATE:
                self._change(NameChange(named=operation.path, file=self._new(operation.inode)))
            case Kind.MKDIR:
                self._identity.pop(operation.inode, None)
                self._change(NameChange(named=operation.path))
            case Kind.WRITE | Kind.CUT:
                self.files[self._identity[operation.inode]].later.append((self._clock, operation))
            case Kind.SYNC:
                self._sync(operation)
            case Kind.RENAME:
                file = self._identity.get(operation.inode)
                self._change(NameChange(gone=operation.path, named=operation.other, file=file))
            case Kind.LINK:
                self._change(NameChange(named=operation.other, file=self._identity[operation.inode]))
            case Kind.UNLINK | Kind.RMDIR:
                self._change(NameChange(gone=operation.path))
            case Kind.MARK:
                pass

    def _change(self, change: NameChange) -> None:
        self.unpromised.append(change)

    def _sync(self, operation: Operation) -> None:
        number = self._identity.get(operation.inode)
        if number is None:
            done = [change for change in self.unpromised if operation.path in change.folders]
            self.unpromised = [change for change in self.unpromised if operation.path not in change.folders]
            _rename(self.names, done)
        else:
            file = self.files[number]
            file.kept = _written(file.kept, [each for _, each in file.later])
            file.later = []

    def later(self) -> list[tuple[int, Operation]]:
        """What is not promised of any file that has or may have a name, in order: (file, operation)."""
        named = {*self.names.values(), *(change.file for change in self.unpromised)}
        found = [
            (when, number, each) for number, file in self.files.items() if number in named for when, each in file.later
        ]
        return [(number, each) for _, number, each in sorted(found, key=lambda item: item[0])]

    def state(self, kept: Iterable[tuple[int, Operation]], names: Iterable[NameChange]) -> State:
        """What is found when of the unpromised only these made it to the disk, in this order."""
        by_file: dict[int, list[Operation]] = {}
        for number, each in kept:
            by_file.setdefault(number, []).append(each)
        found = dict(self.names)
        _rename(found, names)
        state: State = {}
        for path, file in found.items():
            if any(str(parent) not in found for parent in list(Path(path).parents)[:-1]):
                continue
            state[path] = None if file is None else bytes(_written(self.files[file].kept, by_file.get(file, ())))
        return state


def _rename(names: Names, changes: Iterable[NameChange]) -> None:
    for change in changes:
        if change.gone is not None:
            names.pop(change.gone, None)
        if change.named is not None:
            names[change.named] = change.file
        if change.gone is not None and change.named is not None and change.file is None:
            _move(names, change.gone, change.named)


def _move(names: Names, old: str, new: str) -> None:
    """A folder takes what is in it along."""
    for name in [name for name in names if name.startswith(f"{old}/")]:
        names[new + name.removeprefix(old)] = names.pop(name)


def _written(content: bytearray, operations: Iterable[Operation]) -> bytearray:
    content = bytearray(content)
    for each in operations:
        if each.kind is Kind.CUT:
            del content[each.offset :]
            content.extend(bytes(each.offset - len(content)))
        else:
            content.extend(bytes(max(each.offset - len(content), 0)))
            content[each.offset : each.offset + len(each.data)] = each.data
    return content


def _pieces(number: int, operation: Operation) -> list[tuple[int, Operation]]:
    """A write as the sectors it is made of."""
    if operation.kind is Kind.CUT:
        return [(number, operation)]
    found, start, end = [], operation.offset, operation.offset + len(operation.data)
    while start < end:
        stop = min((start // SECTOR + 1) * SECTOR, end)
        data = operation.data[start - operation.offset : stop - operation.offset]
        found.append((number, Operation(operation.kind, operation.inode, operation.path, "", start, data)))
        start = stop
    return found


def states(disk: Disk, dice: random.Random, shuffles: int = 2, prefixes: int = 2) -> Iterator[tuple[str, State]]:
    """States that a power cut now could leave: the extremes, some prefixes, a torn write, some lots.

    A disk that reorders is one that has any part of what was not promised: of a sector written twice, either content.
    """
    writes, names = disk.later(), disk.unpromised
    yield "everything that was written", disk.state(writes, names)
    yield "nothing since the last fsync", disk.state((), ())
    if not writes and not names:
        return
    yield "every name and no content", disk.state((), names)
    yield "all content and no name", disk.state(writes, ())
    for _ in range(prefixes if len(writes) > 1 else 0):
        some = dice.randrange(1, len(writes))
        yield f"the first {some} of {len(writes)} writes", disk.state(writes[:some], names)
    if writes:
        *before, last = writes
        torn = [piece for piece in _pieces(*last) if dice.random() < 0.5]
        yield "the last write torn", disk.state([*before, *torn], names)
    for number in range(shuffles):
        pieces = [piece for write in writes for piece in _pieces(*write) if dice.random() < 0.5]
        yield f"lot {number}", disk.state(pieces, [change for change in names if dice.random() < 0.5])


def lay_out(state: State, folder: Path) -> None:
    """Make `folder` hold exactly `state`."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for path, content in sorted(state.items()):
        if content is None:
            (folder / path).mkdir(parents=True, exist_ok=True)
        else:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
