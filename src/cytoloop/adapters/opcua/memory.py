"""What a server remembers beside its devices, so that a platform that was away can ask and be told for certain.

It is one memory with a name and a beginning: whoever sees another name, or asks about something older than the
beginning, knows that nobody can tell any more. Kept in a file it outlives the server's process.
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cytoloop.adapters.files import keep
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, canonical, parse
from cytoloop.core.time import Instant, instant

Window = dict[str, tuple[Instant, Instant]]
"""Signal -> after when, and until when, a read command covers its readings."""
MOST_READS = 1000
"""Reads that are remembered; older ones are long settled."""


@dataclass(frozen=True, slots=True)
class ReadOf:
    """What a read command covers."""

    unit: str
    at: Instant
    window: Window


@dataclass(slots=True, kw_only=True)
class Memory:
    """Fences and reads of one server."""

    name: str
    began: Instant
    path: Path | None = None
    """Where it is kept; None: it ends with the process."""
    fenced: set[str] = field(default_factory=set)
    """Keys that were recalled before they arrived: told as never arrived, so they must never take effect."""
    reads: dict[str, ReadOf] = field(default_factory=dict)
    """Key of a read -> what it covers, oldest first."""
    read_until: dict[str, Instant] = field(default_factory=dict)
    """ "<batch> <unit>/<signal>" -> until when that batch has read it."""
    first: dict[str, Instant] = field(default_factory=dict)
    """ "<batch> <unit>" -> when that batch first commanded that unit."""

    def save(self) -> None:
        """Keep it, when it has a file."""
        while len(self.reads) > MOST_READS:
            del self.reads[next(iter(self.reads))]
        if self.path is not None:
            keep(self.path, canonical(_plain(self)))


def fresh(now: Instant, path: Path | None = None) -> Memory:
    """A memory that begins now."""
    return Memory(name=secrets.token_hex(8), began=now, path=path)


def remembered(path: Path, now: Instant) -> Memory:
    """The memory kept in a file, or a fresh one that will be; UserError when the file cannot be read."""
    if not path.exists():
        memory = fresh(now, path)
        memory.save()
        return memory
    try:
        return _memory(parse(path.read_bytes()), path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"the memory of commands in {path} cannot be read ({error}); restore the file, or remove it: steps in "
            "doubt are then asked of a person"
        ) from error


def batch_of(key: str) -> str:
    """The batch that a command's key belongs to."""
    return key.partition("/")[0]


def _plain(memory: Memory) -> JSON:
    reads: list[JSON] = [
        [key, read.unit, read.at.isoformat(), plain_window(read.window)] for key, read in memory.reads.items()
    ]
    fenced: list[JSON] = [*sorted(memory.fenced)]
    return {
        "name": memory.name,
        "began": memory.began.isoformat(),
        "fenced": fenced,
        "reads": reads,
        "read_until": {key: at.isoformat() for key, at in memory.read_until.items()},
        "first": {key: at.isoformat() for key, at in memory.first.items()},
    }


def _memory(plain: JSON, path: Path) -> Memory:
    if not isinstance(plain, dict):
        raise ValueError("it is no memory")
    return Memory(
        name=str(plain["name"]),
        began=instant(str(plain["began"])),
        path=path,
        fenced={str(key) for key in _list(plain["fenced"])},
        reads=dict(_read(each) for each in _list(plain["reads"])),
        read_until=_instants(plain["read_until"]),
        first=_instants(plain["first"]),
    )


def _read(plain: JSON) -> tuple[str, ReadOf]:
    key, unit, at, window = _list(plain)
    return str(key), ReadOf(str(unit), instant(str(at)), window_of(window))


def plain_window(window: Window) -> dict[str, JSON]:
    """A window as JSON."""
    return {signal: [since.isoformat(), until.isoformat()] for signal, (since, until) in window.items()}


def window_of(plain: JSON) -> Window:
    """A window from JSON; ValueError when it is none."""
    if not isinstance(plain, dict):
        raise ValueError("it is no window of readings")
    found: Window = {}
    for signal, pair in plain.items():
        since, until = _list(pair)
        found[signal] = (instant(str(since)), instant(str(until)))
    return found


def _list(plain: JSON) -> list[JSON]:
    if not isinstance(plain, list):
        raise ValueError("it is no list")
    return plain


def _instants(plain: JSON) -> dict[str, Instant]:
    if not isinstance(plain, dict):
        raise ValueError("it holds no moments")
    return {key: instant(str(at)) for key, at in plain.items()}
