"""View of the line: running production as a picture. Each unit with its batch, and who is waited for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cytoloop.app.names import DEVIATIONS, named
from cytoloop.app.views_alarms import AlarmLine, alarm_lines
from cytoloop.app.views_shelf import Shelf
from cytoloop.app.views_tiles import Scene, Tile, placed, stands
from cytoloop.app.views_work import WorkLine, work_of
from cytoloop.core.batch import Batch
from cytoloop.core.product import Plant
from cytoloop.core.time import Instant
from cytoloop.core.words import Words

SILENT = timedelta(hours=24)
"""A record that nobody wrote into for so long is shown as of its newest entry: its line stands, or it is of another
time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The units of one equipment class."""

    equipment_class: str
    words: Words
    tiles: tuple[Tile, ...]

    @property
    def taken(self) -> int:
        """How many of them have a batch."""
        return sum(tile.state != "free" for tile in self.tiles)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDeviation:
    """A deviation that nobody has decided on."""

    deviation: str
    batch: str
    kind: Words
    what: str
    since: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePicture:
    """The line as it is now."""

    at: Instant
    silent: bool
    """Whether `at` is the newest entry's time and not the clock's."""
    lines: tuple[str, ...]
    """Production lines that have batches in production."""
    lanes: tuple[Lane, ...]
    running: int
    held: int
    work: tuple[WorkLine, ...]
    deviations: tuple[OpenDeviation, ...]
    alarms: tuple[AlarmLine, ...]
    """Those that stand, or that nobody has acknowledged."""


def moment_of(shelf: Shelf, now: Instant) -> tuple[Instant, bool]:
    """The moment that a picture of the record is of, and whether that is its newest entry's and not `now`."""
    entries = shelf.entries()
    newest = max(entries[-1].entry.recorded_at, entries[-1].entry.happened_at) if entries else now
    return (newest, True) if abs(now - newest) > SILENT else (now, False)


def line_picture(shelf: Shelf, now: Instant, *, line: str | None = None) -> LinePicture:
    """The picture of one production line, or of all."""
    at, silent = moment_of(shelf, now)
    every = [batch for batch in shelf.batches() if not batch.ended]
    batches = [batch for batch in every if line is None or batch.created.line == line]
    work = tuple(each for each in work_of(shelf, at) if line is None or each.line == line)
    alarms = tuple(each for batch in batches for each in alarm_lines(batch) if each.state != "over")
    scene = Scene(
        batches=[placed(batch) for batch in batches], work=work, at=at, ringing=[unit_of(each) for each in alarms]
    )
    return LinePicture(
        at=at,
        silent=silent,
        lines=tuple(dict.fromkeys(batch.created.line for batch in every)),
        lanes=tuple(_lanes(_plant(shelf), scene)),
        running=sum(not stands(batch) for batch in batches),
        held=sum(stands(batch) for batch in batches),
        work=tuple(each for each in work if each.waits != "line"),
        deviations=tuple(_deviations(batches)),
        alarms=alarms,
    )


def _plant(shelf: Shelf) -> Plant | None:
    """The plant of the newest batch: what a picture has to have room for."""
    batches = shelf.batches()
    return batches[-1].master.plant if batches else None


def unit_of(alarm: AlarmLine) -> str:
    """The unit that an alarm is about: "<equipment>/<signal>" is its tag."""
    return alarm.tag.partition("/")[0]


def _lanes(plant: Plant | None, scene: Scene) -> Iterator[Lane]:
    for each in plant.classes if plant else ():
        yield Lane(equipment_class=each.equipment_class, words=each.words, tiles=scene.tiles(each))


def _deviations(batches: Sequence[Batch]) -> Iterator[OpenDeviation]:
    for batch in batches:
        for each in batch.open_deviations:
            opened = each.opened
            yield OpenDeviation(
                deviation=opened.fact.deviation,
                batch=batch.number,
                kind=named(DEVIATIONS, opened.fact.kind),
                what=opened.fact.what,
                since=opened.happened_at,
            )
