"""L3: a facility's day, 60 bioreactors x 100 signals x 1 Hz, through checks, alarms and dead-band into a durable store.

Two threads: one makes readings up and judges them, one writes. What is counted is every reading that was judged; what
is stored is what the dead-band lets through, made durable every ten minutes of the day and sealed at its end.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from time import perf_counter

from cytoloop.adapters.intake import Taken
from cytoloop.adapters.telemetry import SqliteTelemetry, open_telemetry
from cytoloop.bench.checked import Keeper
from cytoloop.bench.facility_day import EXPECTED, SIGNALS, Day, Reactor
from cytoloop.bench.frame import Goal, Options, Row, row
from cytoloop.core.errors import FindingError
from cytoloop.core.telemetry import ALWAYS
from cytoloop.record.segment import FORM

REACTORS = 60
PIECE = 600
"""Seconds of the day from one durable write to the next."""
DAY, QUICK_DAY, HOUR = 86_400, 600, 3_600
DEADBAND = 0.5
"""In the signals' unit; their noise is within 0.15, their daily wave 0.5 to 1.5."""

_fresh = count()


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a day."""

    took: float
    """Seconds."""
    checked: int
    stored: int


def rows(options: Options) -> list[Row]:
    """The day with a dead-band, and an hour of which every reading is stored."""
    return list(_rows(options))


def _rows(options: Options) -> Iterator[Row]:
    seconds = QUICK_DAY if options.quick else DAY
    options.tick("a day of the facility")
    run = _lived(options, Day(seconds), DEADBAND)
    what = (
        f"{_long(seconds)} of {REACTORS} bioreactors x {SIGNALS} signals at 1 Hz: {run.checked:,} readings checked, "
        f"{run.stored:,} stored after the dead-band"
    )
    yield row("L3", what, [seconds / run.took], "x real time", goal=Goal(bound=1000))
    options.tick("an hour of the facility, every reading stored")
    seconds = QUICK_DAY if options.quick else HOUR
    run = _lived(options, Day(seconds), 0.0)
    what = f"{_long(seconds)} of it without a dead-band: {run.checked:,} readings checked, {run.stored:,} stored"
    yield row("L3", what, [seconds / run.took], "x real time")


def _lived(options: Options, day: Day, deadband: float) -> Run:
    reactors = [
        Reactor(f"B-{number:03d}", f"bioreactor-{number:02d}", day, 1000 * options.seed + number)
        for number in range(1, REACTORS + 1)
    ]
    keeper = Keeper(lambda block: day.checks(block.tags[0].name.partition("/")[0], deadband))
    _warmed(day)
    path = options.scratch / f"day-{next(_fresh)}.db"
    with closing(open_telemetry(path, FORM, create=True)) as store, ThreadPoolExecutor(1) as writer:
        began = perf_counter()
        stored = _through(reactors, keeper, store, writer, day)
        sealed = sum(each.readings for r in range(1, REACTORS + 1) for each in store.seal(f"B-{r:03d}", ALWAYS[1]))
        took = perf_counter() - began
    path.unlink()
    _demand(keeper, stored, sealed)
    return Run(took, keeper.checked, stored)


def _through(
    reactors: Sequence[Reactor], keeper: Keeper, store: SqliteTelemetry, writer: ThreadPoolExecutor, day: Day
) -> int:
    """Piece after piece of the day; how many readings were stored. One piece is written while the next is judged."""
    stored, writing, piece = 0, None, min(PIECE, day.seconds // 4)
    for start in range(0, day.seconds, piece):
        taken = [keeper.judge(each.block(start, min(start + piece, day.seconds))) for each in reactors]
        states = keeper.states(taken)
        stored += _done(writing)
        writing = writer.submit(_write, keeper, store, taken, states)
    return stored + _done(writing)


def _write(keeper: Keeper, store: SqliteTelemetry, taken: Sequence[Taken], states: dict[str, bytes]) -> int:
    return keeper.write(store, taken, states)


def _done(writing: "Future[int] | None") -> int:
    return writing.result() if writing is not None else 0


def _warmed(day: Day) -> None:
    """Have the machine code made before the clock runs."""
    other = Reactor("B-000", "bioreactor-00", day, 1)
    Keeper(lambda block: day.checks("bioreactor-00", 1.0)).judge(other.block(0, 2))


def _demand(keeper: Keeper, stored: int, sealed: int) -> None:
    """A day in which something was lost, doubled or overlooked is no figure."""
    found = {kind: keeper.moments[kind] for kind in EXPECTED}
    wanted = {kind: number * REACTORS for kind, number in EXPECTED.items()}
    if dict(keeper.moments) != wanted or stored != sealed:
        raise FindingError(f"the day came out wrong: {found} where {wanted} was made, {stored} stored, {sealed} sealed")


def _long(seconds: int) -> str:
    return {DAY: "a day", HOUR: "an hour"}.get(seconds, f"{seconds // 60} minutes")
