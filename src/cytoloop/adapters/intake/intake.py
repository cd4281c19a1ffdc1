"""The intake of one batch: blocks of readings in, what is to be stored and what they showed out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytoloop.adapters.intake.forms import FORMS, MOMENT, STATE, Rows, check_rows, fresh_states, moments
from cytoloop.adapters.intake.machine import judge, ordered, passed
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.intake import KEPT, LATE, NEVER, Check, Moment
from cytoloop.core.json import JSON, canonical, parse
from cytoloop.core.telemetry import Readings, Tag
from cytoloop.core.units import convert

FORMAT = "cytoloop-intake/1"
STATUS = 4
"""Place of the one column that judging changes."""
ROOM = 4096
"""Moments that are collected before they are taken over."""
Columns = tuple[NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Readings of a tag that came in another unit."""

    tag: str
    unit: str
    house_unit: str
    at: int
    why: str = ""
    """Why they could not be converted and were not kept; empty: they were converted."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a block of readings."""

    kept: Readings
    """To be stored."""
    late: Readings
    """Not later than what their tags had already: to be settled by their names in the store."""
    moments: tuple[Moment, ...] = ()
    units: tuple[Refused, ...] = ()
    checked: int = 0


class Intake:
    """The checks of one batch at work. Memory is constant for each tag, and `state` is all of it.

    Blocks may come in any order of arrival, but a block's readings must be later than those of blocks before it: what
    is not is late.
    """

    def __init__(self, checks: Iterable[Check] = (), state: bytes | None = None) -> None:
        self._codes: dict[str, int] = {}
        self._checks: list[Check] = []
        self._rows, self._states = check_rows(()), fresh_states(0)
        self._out = (np.zeros(ROOM, MOMENT), np.zeros(1, np.int64))
        if state is not None:
            names, self._states = _decoded(state)
            self._name(Check(tag=name, unit="") for name in names)
        self.arm(checks)

    def check(self, tag: str) -> Check:
        """What `tag` is held against now."""
        return self._checks[self._codes[tag]]

    def arm(self, checks: Iterable[Check]) -> None:
        """Hold these tags against other checks from now on; what is remembered of them stays."""
        given = list(checks)
        if not given:
            return
        new = [each for each in given if each.tag not in self._codes]
        for each in given:
            if each.tag in self._codes:
                self._checks[self._codes[each.tag]] = each
        self._name(new)
        self._states = np.concatenate([self._states, fresh_states(len(self._checks) - len(self._states))])
        self._rows = check_rows(self._checks)

    def _name(self, checks: Iterable[Check]) -> None:
        for each in checks:
            self._codes[each.tag] = len(self._checks)
            self._checks.append(each)

    def take(self, block: Readings) -> Taken:
        """Judge a block of readings. Nothing is told of what a later block may still show."""
        self.arm(Check(tag=tag.name, unit=tag.unit) for tag in block.tags if tag.name not in self._codes)
        columns, units = self._columns(block)
        verdict = np.zeros(len(columns[0]), np.uint8)
        told = tuple(self._judged(columns, verdict))
        kept, late = (self._chosen(block, columns, verdict == wanted) for wanted in (KEPT, LATE))
        return Taken(kept, late, told, units, len(verdict))

    def passed(self, tags: Iterable[str], until: int) -> tuple[Moment, ...]:
        """What it shows that nothing usable of these tags came before `until`, once all of that time was asked for."""
        codes = np.array([self._codes[tag] for tag in tags], np.int64)
        if not len(codes):
            return ()
        out = (np.zeros(2 * len(codes), MOMENT), np.zeros(1, np.int64))
        passed(codes, until, (self._rows, self._states), out)
        return self._moments(out)

    def disarmed(self, tags: Iterable[str], at: int) -> tuple[Moment, ...]:
        """Nobody waits for these tags from `at` on: the alarms of theirs that are over by that."""
        told = list[Moment]()
        for tag in tags:
            row = self._states[self._codes[tag]]
            for field, kind in (("raised", "limit-cleared"), ("missing", "missing-cleared")):
                if row[field] != NEVER:
                    told.append(Moment(kind, tag, at, int(row[field])))  # type: ignore[arg-type]  # a kind of the table
            for field in ("out", "back", "raised", "missing"):
                row[field] = NEVER
            row["noted"] = row["missing_noted"] = 0
        return tuple(told)

    def state(self) -> bytes:
        """Everything that is remembered, to go on from later."""
        head = canonical({"format": FORMAT, "tags": [each.tag for each in self._checks]})
        return head + b"\n" + self._states.tobytes()

    def states(self) -> Mapping[str, Mapping[str, Any]]:
        """Tag -> what is remembered of it. For looking."""
        names = STATE.names or ()
        return {tag: {name: self._states[code][name] for name in names} for tag, code in self._codes.items()}

    # -- a block --------------------------------------------------------------------------------------------------

    def _columns(self, block: Readings) -> tuple[Columns, tuple[Refused, ...]]:
        """The block's columns in house units, each tag's readings in order of time; what was said of units."""
        codes = np.array([self._codes[tag.name] for tag in block.tags], np.uint16)
        place = np.frombuffer(memoryview(block.tag), "u2")
        rest = [np.frombuffer(memoryview(getattr(block, name)), form) for name, form in FORMS.items() if name != "tag"]
        rest[3] = rest[3].copy()
        units = tuple(self._units(block, place, rest))
        columns: Columns = (codes[place] if len(codes) else place, *rest)
        refused = [number for number, tag in enumerate(block.tags) if any(u.why and u.tag == tag.name for u in units)]
        if refused:
            columns = _picked(columns, ~np.isin(place, refused))
        tag, at = _read_only(columns[0]), _read_only(columns[1])
        if not ordered(tag, at, np.full(len(self._checks), NEVER, np.int64)):
            columns = _picked(columns, np.lexsort((columns[1], columns[0])))
        return tuple(column if place == STATUS else _read_only(column) for place, column in enumerate(columns)), units

    def _units(self, block: Readings, place: NDArray[np.uint16], rest: list[NDArray[Any]]) -> Iterable[Refused]:
        """Convert what came in another unit; say what was converted and what cannot be."""
        for number, tag in enumerate(block.tags):
            house = self._checks[self._codes[tag.name]].unit
            if tag.unit == house:
                continue
            where = place == number
            first = int(rest[0][where].min()) if where.any() else NEVER
            try:
                slope, offset = _line(tag.unit, house)
            except UserError as error:
                yield Refused(tag.name, tag.unit, house, first, str(error))
                continue
            rest[2] = np.where(where, rest[2] * slope + offset, rest[2])
            yield Refused(tag.name, tag.unit, house, first)

    def _judged(self, columns: Columns, verdict: NDArray[np.uint8]) -> Iterable[Moment]:
        place = 0
        while place < len(verdict):
            self._out[1][0] = 0
            place = judge(place, columns, (self._rows, self._states), verdict, self._out)
            yield from self._moments(self._out)

    def _chosen(self, block: Readings, columns: Columns, rows: NDArray[np.bool_]) -> Readings:
        """The readings of these rows, in house units."""
        codes = [self._codes[tag.name] for tag in block.tags]
        number = np.zeros(len(self._checks), np.uint16)
        number[codes] = np.arange(len(codes))
        places = np.flatnonzero(rows)
        tag, at, received, value, status = (column[places] for column in columns[:5])
        return Readings(
            batch=block.batch,
            tags=tuple(_in_unit(tag, self._checks[code].unit) for tag, code in zip(block.tags, codes, strict=True)),
            tag=number[tag].data,
            at=at.data,
            received=received.data,
            value=value.data,
            status=status.data,
        )

    def _moments(self, out: tuple[Rows, NDArray[np.int64]]) -> tuple[Moment, ...]:
        count = int(out[1][0])
        return moments(out[0][:count], [each.tag for each in self._checks]) if count else ()


def _in_unit(tag: Tag, unit: str) -> Tag:
    return tag if tag.unit == unit else Tag(tag.name, unit)


@cache
def _line(unit: str, house_unit: str) -> tuple[float, float]:
    """The straight line by which a number in `unit` becomes one in `house_unit`; UserError when there is none."""
    offset = convert(0.0, unit, house_unit)
    slope = convert(1.0, unit, house_unit) - offset
    ten = convert(10.0, unit, house_unit)
    if not isfinite(ten) or abs(offset + 10.0 * slope - ten) > 1e-9 * max(abs(ten), abs(offset), 1.0):
        raise UserError(f"{unit!r} is no straight multiple of {house_unit!r}; convert it where it is measured")
    return slope, offset


def _read_only(column: NDArray[Any]) -> NDArray[Any]:
    """The column as one that nothing writes to: machine code is made once for all, wherever its memory lies."""
    view = column.view()
    view.flags.writeable = False
    return view


def _picked(columns: Columns, rows: NDArray[Any]) -> Columns:
    return tuple(column[rows] if len(column) else column for column in columns)


def _decoded(state: bytes) -> tuple[list[str], Rows]:
    """Names of the tags and their states. FindingError when the bytes are not what `state` gave."""
    line, _, body = state.partition(b"\n")
    try:
        head: JSON = parse(line)
        if not isinstance(head, dict) or head["format"] != FORMAT or not isinstance(tags := head["tags"], list):
            raise ValueError(f"it is not of format {FORMAT}")
        rows = np.frombuffer(body, STATE).copy()
        if len(rows) != len(tags):
            raise ValueError(f"{len(tags)} tags are announced and {len(rows)} follow")
    except (KeyError, ValueError) as error:
        raise FindingError(f"the state of an intake cannot be read ({error}); restore the telemetry") from error
    return [str(tag) for tag in tags], rows


__all__ = ["Intake", "Refused", "Taken"]
