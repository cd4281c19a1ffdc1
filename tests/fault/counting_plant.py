"""A plant in a process of its own that counts what it does: one TCP port, one JSON line for each question.

It outlives every worker and remembers outcomes by key, as equipment that can be read back does. People answer here too,
so that an answer that was given is found again by whichever worker asks. `python -m tests.fault.counting_plant SECONDS`
prints its port; SECONDS is how long a program takes.
"""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.core.equipment import Command, Outcome, UnreachableError
from cytoloop.core.time import instant
from cytoloop.testing.doors import CountingDoor

ROOT = Path(__file__).parents[2]
QUICK = 0.02
"""Seconds that everything but a program takes."""


class Plant:
    """Answers questions; an effect happens once, when a key is first seen, and its outcome is known later."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.door = CountingDoor(ScaledClock(), "")
        self.underway: dict[str, asyncio.Task[Outcome]] = {}

    async def answer(self, question: dict[str, Any]) -> Any:
        match question["ask"]:
            case "perform":
                command = Command(**question["command"])
                if command.key not in self.underway:
                    self.underway[command.key] = asyncio.create_task(self._do(command))
                return _plain(await asyncio.shield(self.underway[command.key]))
            case "recall":
                task = self.underway.get(question["key"])
                return None if task is None else _plain(await asyncio.shield(task))
            case _:
                return dict(self.door.effects)

    async def _do(self, command: Command) -> Outcome:
        self.door.coi = f"COI-{command.key.partition('/')[0]}"
        outcome = await self.door.perform(command)
        await asyncio.sleep(self.seconds if command.verb == "program" else QUICK)
        return outcome

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self.answer(json.loads(line))).encode() + b"\n")
                await writer.drain()
        except OSError:
            return
        finally:
            writer.close()


def _plain(outcome: Outcome) -> dict[str, Any]:
    return asdict(outcome) | {"at": outcome.at.isoformat(), "readings": []}


class PlantDoor:
    """The door of a worker to it; a connection for each question, as a plant sees many clients."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def perform(self, command: Command) -> Outcome:
        plain = asdict(command) | {"arguments": dict(command.arguments)}
        return _outcome(await self._asked({"ask": "perform", "command": plain}))

    async def recall(self, key: str) -> Outcome | None:
        answer = await self._asked({"ask": "recall", "key": key})
        return None if answer is None else _outcome(answer)

    async def _asked(self, question: dict[str, Any]) -> Any:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**22)
        except OSError as error:
            raise UnreachableError(f"the plant at port {self._port} does not answer ({error})") from error
        try:
            writer.write(json.dumps(question).encode() + b"\n")
            await writer.drain()
            line = await reader.readline()
        except OSError as error:
            raise UnreachableError(f"the plant at port {self._port} was lost ({error})") from error
        finally:
            writer.close()
        if not line:
            raise UnreachableError(f"the plant at port {self._port} closed the line")
        return json.loads(line)


def _outcome(plain: dict[str, Any]) -> Outcome:
    return Outcome(**(plain | {"at": instant(plain["at"]), "readings": ()}))


def effects(port: int) -> dict[str, int]:
    """Key -> how often it had an effect."""
    with socket.create_connection(("127.0.0.1", port)) as line, line.makefile("rw", encoding="utf-8") as both:
        both.write(json.dumps({"ask": "effects"}) + "\n")
        both.flush()
        found: dict[str, int] = json.loads(both.readline())
        return found


@contextmanager
def counting_plant(seconds: float) -> Iterator[int]:
    """The port of a plant process, which ends with the block."""
    program = [sys.executable, "-m", "tests.fault.counting_plant", str(seconds)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


async def _serve(seconds: float) -> None:
    plant = Plant(seconds)
    server = await asyncio.start_server(plant.serve, "127.0.0.1", 0, limit=2**22)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
