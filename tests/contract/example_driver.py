"""An example driver: an orbital shaker that speaks lines of JSON over TCP."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from pydantic import TypeAdapter

from cytoloop.core.equipment import Command, Outcome, UnreachableError
from cytoloop.core.json import JSON, canonical, parse
from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import STATUS, Readings, Tag, microseconds, readings
from cytoloop.core.time import Clock, Instant

COMMAND, OUTCOME = TypeAdapter(Command), TypeAdapter(Outcome)
READINGS = TypeAdapter(tuple[Reading, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class ShakerDriver:
    """A door to one shaker. It remembers nothing: what was done is asked of the device, by the command's key."""

    unit: str
    host: str
    port: int
    clock: Clock
    patience: float = 2.0
    """Seconds of the wall to wait for an answer."""
    look: timedelta = timedelta(seconds=20)
    """Of the clock, between two looks at a command that is underway."""

    async def perform(self, command: Command) -> Outcome:
        """Send it, and wait for its end. The device knows the key: a second sending changes nothing."""
        await self._ask({"do": COMMAND.dump_python(command, mode="json")})
        outcome = await self.recall(command.key)
        if outcome is None:
            raise UnreachableError(f"{self.unit} took {command.key} and has forgotten it; look at the device")
        return outcome

    async def recall(self, key: str) -> Outcome | None:
        """What the device remembers of the key; None only when the device itself says that it never saw it."""
        while True:
            answer = await self._ask({"what": key})
            if not answer["seen"]:
                return None
            if answer["outcome"] is not None:
                return OUTCOME.validate_python(answer["outcome"])
            await self.clock.until(self.clock.now() + self.look)

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        """What the device kept of that time: a gap of the line is no gap in what is asked for afterwards."""
        just_before = since - timedelta(microseconds=1)
        answer = await self._ask({"measured": just_before.isoformat()})
        found = [each for each in READINGS.validate_python(answer["readings"]) if each.at < until]
        received = microseconds(self.clock.now())
        rows = [
            (Tag(f"{unit}/{each.signal}", each.unit), microseconds(each.at), received, each.value, STATUS[each.quality])
            for each in found
        ]
        return readings(batch, rows) if rows else None

    async def _ask(self, question: dict[str, JSON]) -> dict[str, JSON]:
        """One question on a connection of its own: after a cut line there is nothing to repair."""
        try:
            async with asyncio.timeout(self.patience):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    writer.write(canonical(question) + b"\n")
                    line = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise UnreachableError(
                f"{self.unit} at {self.host}:{self.port} does not answer; see to its line"
            ) from error
        if not line.endswith(b"\n"):
            raise UnreachableError(f"{self.unit} was cut off in the middle of its answer; ask again")
        answer = parse(line)
        assert isinstance(answer, dict), "the device answers with an object"
        return answer
