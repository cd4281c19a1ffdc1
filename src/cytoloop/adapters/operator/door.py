"""The person's door: waits until a person has answered, wherever they did.

What a person is asked stands in the record before this door hears of it, and so does the answer before it gives it on:
the door holds nothing. It looks for the answer now and then, and at once when somebody in this process says that one
was given. After a crash, or in another process, the same request simply still stands.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.time import Clock, after

VERBS = frozenset({"scan", "ask", "add", "transfer", "print", "decide", "sign"})
"""What a person can do."""

Find = Callable[[str], Outcome | None]
"""What the answer to the request of that key came to; None while there is none."""
Stands = Callable[[str], bool]
"""Whether a person was asked under that key."""

_Bell = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class PersonDoor:
    """Satisfies `core.equipment.Door` for targets "person:<role>". Never unreachable: people are waited for."""

    def __init__(self, *, clock: Clock, find: Find, stands: Stands, poll: float) -> None:
        """`poll`: hours of the clock from one look for an answer to the next."""
        self._clock, self._find, self._stands, self._poll = clock, find, stands, poll
        self._refused: dict[str, Outcome] = {}
        self._bells: dict[str, list[_Bell]] = {}
        self._lock = Lock()

    async def perform(self, command: Command) -> Outcome:
        """Wait for the person's answer. What no person can do is answered at once."""
        if command.verb not in VERBS:
            return self._refused.setdefault(command.key, self._cannot(command))
        return await self._answer(command.key)

    async def recall(self, key: str) -> Outcome | None:
        """The person's answer, waited for while the request stands; None: no person was ever asked."""
        if key in self._refused:
            return self._refused[key]
        found = self._find(key)
        if found is None and self._stands(key):
            return await self._answer(key)
        return found

    def wake(self, key: str) -> None:
        """Look now: the request of that key was answered in this process. For any thread."""
        with self._lock:
            bells = list(self._bells.get(key, ()))
        for loop, bell in bells:
            loop.call_soon_threadsafe(bell.set)

    async def _answer(self, key: str) -> Outcome:
        with self._bell(key) as bell:
            while (found := self._find(key)) is None:
                await self._news(bell)
                bell.clear()
        return found

    async def _news(self, bell: asyncio.Event) -> None:
        """Return when the bell rings or it is time to look again."""
        later = after(self._clock.now(), self._poll)
        turns = [asyncio.ensure_future(bell.wait()), asyncio.ensure_future(self._clock.until(later))]
        try:
            await asyncio.wait(turns, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for turn in turns:
                turn.cancel()
            await asyncio.gather(*turns, return_exceptions=True)

    @contextmanager
    def _bell(self, key: str) -> Iterator[asyncio.Event]:
        bell = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._bells.setdefault(key, []).append(bell)
        try:
            yield bell[1]
        finally:
            with self._lock:
                self._bells[key].remove(bell)
                if not self._bells[key]:
                    del self._bells[key]

    def _cannot(self, command: Command) -> Outcome:
        note = f"{command.target}: a person cannot {command.verb}"
        return Outcome(key=command.key, ok=False, at=self._clock.now(), by=command.target, note=note)
