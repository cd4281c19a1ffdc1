"""What became of a command, asked of a server that keeps the house's memory.

The memory has a name and a beginning. A key that it does not know certainly never arrived, provided that it is the
memory that was there when the command was sent; otherwise nobody can tell, and the step stays in doubt.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cytoloop.adapters.opcua.connection import Connection
from cytoloop.adapters.opcua.directory import Directory
from cytoloop.adapters.opcua.memory import Window, window_of
from cytoloop.adapters.opcua.sending import NotTakenError, call, refusal_of
from cytoloop.core.equipment import Command, Outcome, UnreachableError
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, parse
from cytoloop.core.time import Instant, instant

Send = Callable[[Any, Directory], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Told:
    """An outcome as the server told it."""

    outcome: Outcome
    window: Window | None = None
    """Of a read: which readings it covers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says of a key."""

    state: str
    told: str
    memory: str
    began: Instant


class LostMemoryError(UnreachableError):
    """The server that could have told was started anew without its memory: only a person can tell now."""


@dataclass(slots=True, kw_only=True)
class Recollection:
    """Commands of one connection by their keys."""

    connection: Connection
    poll: float
    sent_at: Callable[[str], Instant | None] | None
    _sent: dict[str, str] = field(default_factory=dict)
    """Key that this process sent -> name of the memory that was there."""

    async def perform(self, command: Command, send: Send) -> Told:
        """Send a command and wait for its end.

        When the connection breaks before the answer, the server is asked about the key, and only when the same memory
        does not know it is the command sent again, under the same key, for two patiences at most.
        """
        give_up = asyncio.get_running_loop().time() + 2 * self.connection.patience

        async def attempt(client: Any, directory: Directory) -> Answer | None:
            """Ask and send over one connection: behind it stands one server with one memory."""
            answer = _answer(await call(client, directory.site["Outcome"], command.key))
            self._sent.setdefault(command.key, answer.memory)
            if answer.state != "unknown":
                return answer
            self._same_memory(command.key, answer)
            await send(client, directory)
            return None

        while True:
            try:
                answer = await self.connection.ask(attempt, again=False)
            except NotTakenError as why:
                return Told(refusal_of(command, str(why), await self._plant_time()))
            except LostMemoryError:
                raise
            except UnreachableError:
                if asyncio.get_running_loop().time() > give_up:
                    raise
            else:
                return await self._ended(command.key, answer or await self._ask("Outcome", command.key))

    async def recall(self, key: str) -> Told | None:
        """What became of a key, waiting for its end; None: it certainly never arrived, and may not arrive later."""
        answer = await self._ask("Recall", key)
        if answer.state == "unknown":
            self._same_memory(key, answer)
            return None
        return await self._ended(key, answer)

    async def site(self, method: str, *arguments: str) -> list[Any]:
        """Call a method of the Site; UserError when the server has none."""

        async def called(client: Any, directory: Directory) -> list[Any] | None:
            found = directory.site.get(method)
            return await call(client, found, *arguments) if found is not None else None

        try:
            answer = await self.connection.ask(called)
        except NotTakenError as error:
            raise UserError(f"{self.connection.endpoint}: {method}: {error}; see the server's own messages") from error
        if answer is None:
            raise UserError(
                f"{self.connection.endpoint} serves LADS alone: it has no {method}; use `cytoloop plant serve`"
            )
        return answer

    async def _plant_time(self) -> Instant:
        return instant(str((await self.site("PlantTime"))[0]))

    async def _ask(self, method: str, key: str) -> Answer:
        return _answer(await self.site(method, key))

    async def _ended(self, key: str, answer: Answer) -> Told:
        while answer.state == "underway":
            await asyncio.sleep(self.poll)
            answer = await self._ask("Outcome", key)
        if answer.state == "unknown":
            raise self._lost(key)
        return decoded(answer.told)

    def _same_memory(self, key: str, answer: Answer) -> None:
        """UnreachableError when the memory that does not know the key began after the command was sent."""
        if key in self._sent:
            if self._sent[key] != answer.memory:
                raise self._lost(key)
            return
        sent = self.sent_at(key) if self.sent_at is not None else None
        if sent is not None and sent + (self.connection.difference or timedelta(0)) < answer.began:
            raise self._lost(key)

    def _lost(self, key: str) -> LostMemoryError:
        return LostMemoryError(
            f"{self.connection.endpoint} was started anew and has lost its memory of commands; look at the equipment "
            f"and say whether {key} was done"
        )


def _answer(found: list[Any]) -> Answer:
    state, told, memory, began = (str(each) for each in found)
    return Answer(state, told, memory, instant(began))


def decoded(text: str) -> Told:
    """An outcome from the server's JSON; UnreachableError when it is none (nobody can tell what happened)."""
    try:
        data = parse(text)
        if not isinstance(data, dict) or not isinstance(values := data.get("values"), Mapping):
            raise ValueError("it is no outcome")
        given: dict[str, JSON] = dict(values)
        window = window_of(data["window"]) if "window" in data else None
        return Told(
            Outcome(
                key=str(data["key"]), ok=data["ok"] is True, at=instant(str(data["at"])), by=str(data["by"]),
                values=given, note=str(data["note"]),
            ),
            window,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise UnreachableError(f"the plant's answer cannot be read ({error}); look at the equipment itself") from error
