"""A door to equipment behind MQTT Sparkplug B, and the source of its readings.

Satisfies `core.equipment.Door`, and gives readings as `core.telemetry.Source` asks. A device is reachable from its
birth to its death (`session.py`); it takes commands by the convention in `convention.py`, and remembers them by key. A
message may be lost: a command is written again under its key until the device says that it has it, and is asked after
until it has ended. What nobody can tell is an UnreachableError, and can be recalled after the next birth.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

from cytoloop.adapters.sparkplug.asking import (
    addressed,
    command_metrics,
    history_metrics,
    reading_of,
    recall_metrics,
)
from cytoloop.adapters.sparkplug.births import Taken
from cytoloop.adapters.sparkplug.collecting import Collected, Count
from cytoloop.adapters.sparkplug.convention import (
    DEVICES,
    HISTORY_ANSWERED,
    HISTORY_COUNT,
    HISTORY_FROM,
    HISTORY_UPTO,
    OUTCOME_DOCUMENT,
    OUTCOME_KEY,
    OUTCOME_STATE,
    SIGNALS,
    read_outcome,
)
from cytoloop.adapters.sparkplug.host import HostApplication
from cytoloop.adapters.sparkplug.payload import Metric
from cytoloop.adapters.sparkplug.state import Came, Effect, Metrics, Node, Remark
from cytoloop.adapters.sparkplug.topics import Topic
from cytoloop.core.equipment import Command, Outcome, UnreachableError
from cytoloop.core.errors import UserError
from cytoloop.core.telemetry import Readings, moment
from cytoloop.core.time import Instant

HISTORIES = (HISTORY_ANSWERED, HISTORY_COUNT, HISTORY_FROM, HISTORY_UPTO)
TURNS = 20
"""How often a device is asked to send readings again before they are given up."""
REMARKS = 1000
"""Remarks that are kept."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device last said of a key."""

    number: int
    """How many answers came before it."""
    state: str
    document: str


@dataclass(slots=True, kw_only=True)
class SparkplugDoor:
    """Drives the devices of one group. Connects when first asked, and again after a connection was lost."""

    host: HostApplication
    patience: float = 10.0
    """Seconds without a word from a device after which it counts as unreachable."""
    again: float = 1.0
    """Seconds to wait for an answer before it is asked for again."""
    remarks: "deque[tuple[Instant, str]]" = field(default_factory=lambda: deque(maxlen=REMARKS))
    """What was passed over or missed, and when, for whoever looks after the line; the latest ones."""
    _outcomes: dict[str, Outcome] = field(default_factory=dict)
    _sent: dict[str, str] = field(default_factory=dict)
    """Key -> unit it was sent to."""
    _answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    _histories: dict[str, Count] = field(default_factory=dict)
    """Requests for history that were answered -> what the device says of it."""
    _collected: dict[str, Collected] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.host.heard = self._hear

    async def perform(self, command: Command) -> Outcome:
        """Do it and return when it has ended; a key seen before gets its first outcome."""
        if command.key in self._outcomes:
            return self._outcomes[command.key]
        self._sent[command.key] = command.target
        outcome = await self._told(
            command.target,
            command.key,
            lambda device: command_metrics(command, device.metrics, self.host.clock.now()),
        )
        if outcome is None:
            raise UnreachableError(f"{command.target} took {command.key} and does not know it any more; look at it")
        return outcome

    async def recall(self, key: str) -> Outcome | None:
        """The outcome of a command sent earlier, waiting for its end; None when no device ever saw it."""
        if key in self._outcomes:
            return self._outcomes[key]
        self.host.start()
        if key not in self._sent:
            await self.host.until(lambda: bool(self._units()) and not self._absent(), self.patience)
        units = [self._sent[key]] if key in self._sent else self._units()
        if not units or (key not in self._sent and (absent := self._absent())):
            raise self.unreachable(", ".join(absent) if units else f"group {self.host.group}")
        found = await asyncio.gather(*(self._told(unit, key, None) for unit in units), return_exceptions=True)
        return _first(found)

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        """What `unit` measured from `since` up to but not including `until`; None when nothing.

        What came live is here already; the device is asked to send again what may have been missed. UnreachableError
        when it cannot be asked.
        """
        self.host.start()
        kept = self._collected.setdefault(unit, Collected())
        send, wrong = False, 0
        while (begin := kept.missing(since, until)) is not None:
            whole = kept.counted(begin, await self._history(unit, begin, send=send))
            if whole and not send:
                break
            send, wrong = not whole, 0 if whole else wrong + 1
            if wrong > TURNS:
                raise UnreachableError(f"{unit} says that it has more readings, or fewer, than it sends; look at it")
        return kept.within(batch, since, until, self.host.clock.now())

    async def close(self) -> None:
        """Disconnect. Safe to call twice."""
        await self.host.close()

    # -- commands -----------------------------------------------------------------------------------------------------

    async def _told(self, unit: str, key: str, first: "Callable[[Metrics], Iterable[Metric]] | None") -> Outcome | None:
        """What the device says of the key once it has ended; None when it never saw it.

        `first`: what to write before it is asked after; None: nothing. Exits: ended, unknown, patience without a word.
        """
        self.host.start()

        def recall(_: Metrics) -> Iterable[Metric]:
            return recall_metrics(key, self.host.clock.now())

        question, heard = first or recall, time.monotonic()
        while True:
            before = self._answers.get((unit, key))
            await self._write(unit, question)
            if await self.host.until(lambda: self._answers.get((unit, key)) is not before, self.again):  # noqa: B023
                answer, heard = self._answers[unit, key], time.monotonic()
                if answer.state == "ended":
                    return self._keep(unit, answer.document)
                if answer.state == "unknown":
                    return None
                question = recall
                await self.host.until(lambda: self._answers.get((unit, key)) is not answer, self.again)  # noqa: B023
            elif time.monotonic() - heard >= self.patience:
                raise self.unreachable(unit)

    async def _write(self, unit: str, made: "Callable[[Metrics], Iterable[Metric]]") -> None:
        """Write to the device, if it is there."""
        found = self._device(unit)
        if found is not None:
            topic, device = found
            await self.host.write(topic, addressed(made(device), device.metrics))

    async def _history(self, unit: str, since: Instant, *, send: bool) -> Count:
        """How many readings the device has from `since` on; `send`: it sends them again before it says so."""
        key, end = f"{self.host.host_id}/{next(self._numbers)}", time.monotonic() + self.patience
        while key not in self._histories:
            await self._write(unit, lambda _: history_metrics(key, since, send, self.host.clock.now()))
            if not await self.host.until(lambda: key in self._histories, self.again) and time.monotonic() >= end:
                raise self.unreachable(unit)
        return self._histories.pop(key)

    def _keep(self, unit: str, document: str) -> Outcome:
        try:
            outcome = read_outcome(document)
        except UserError as error:
            raise UnreachableError(f"what {unit} says cannot be read: {error}") from error
        return self._outcomes.setdefault(outcome.key, outcome)

    # -- devices ------------------------------------------------------------------------------------------------------

    def _device(self, unit: str) -> tuple[Topic, Metrics] | None:
        """A device that is there, and where to write to it. UserError when two edge nodes have one of that id."""
        found = [
            (Topic("DCMD", *key, unit), node.devices[unit])
            for key, node in self.host.known.items()
            if unit in node.devices and node.devices[unit].online
        ]
        if len(found) > 1:
            nodes = ", ".join(topic.node for topic, _ in found)
            raise UserError(f"{unit} is a device of several edge nodes ({nodes}); give each device an id of its own")
        return found[0] if found else None

    def _units(self) -> list[str]:
        """Every device that was ever there."""
        return sorted({unit for node in self.host.known.values() for unit in node.devices})

    def _absent(self) -> list[str]:
        """Edge nodes that this door must know and does not, and devices of known ones that are not there."""
        nodes = [name for name in self.host.nodes if (node := self.host.node(name)) is None or not node.own.online]
        named = {unit for node in self.host.known.values() for unit in _named(node)}
        return [*nodes, *(unit for unit in sorted({*self._units(), *named}) if self._device(unit) is None)]

    def unreachable(self, who: str, why: str = "") -> UnreachableError:
        """The error that says who cannot be reached and, as far as it is known, why."""
        if self.host.trouble:
            why = f"the broker at {self.host.broker.shown} does not answer ({self.host.trouble})"
        elif not why and who in self._units():
            why = "it gave no answer" if self._device(who) else "its death was said and no birth since"
        why = why or f"no birth of it came in group {self.host.group}"
        return UnreachableError(
            f"{who} cannot be reached over Sparkplug: {why}; check it, its edge node and the broker"
        )

    # -- what comes in ------------------------------------------------------------------------------------------------

    def _hear(self, effect: Effect) -> None:
        match effect:
            case Remark(text):
                self.remarks.append((self.host.clock.now(), text))
            case Came(_, device, values) if device:
                self._answer(device, {value.name: value for value in values if not value.name.startswith(SIGNALS)})
                found = (reading_of(device, value) for value in values)
                self._collected.setdefault(device, Collected()).take(each for each in found if each is not None)
            case _:
                pass

    def _answer(self, unit: str, values: dict[str, Taken]) -> None:
        """Keep what the device says of a key, or that it has sent what was asked for."""
        said = [values[name].value for name in (OUTCOME_KEY, OUTCOME_STATE, OUTCOME_DOCUMENT) if name in values]
        match said:
            case [str(key), str(state), str(document)]:
                last = self._answers.get((unit, key))
                self._answers[unit, key] = Answer(last.number + 1 if last else 0, state, document)
        match [values[name].value for name in HISTORIES if name in values]:
            case [str(key), int(number), int(begin), int(upto)]:
                self._histories[key] = Count(number, moment(begin), moment(upto))


def _named(node: Node) -> tuple[str, ...]:
    """The devices that an edge node says it has."""
    said = node.own.current.get(DEVICES)
    return tuple(str(each) for each in said.value) if said is not None and isinstance(said.value, tuple) else ()


def _first(found: list[Outcome | BaseException | None]) -> Outcome | None:
    """The outcome that one of those asked has; None when none has it, and the error when one could not be asked."""
    for each in found:
        if isinstance(each, Outcome):
            return each
    for each in found:
        if isinstance(each, BaseException):
            raise each
    return None
