"""The connection to one server: made when somebody first asks, and again by itself after it was lost.

A question has `patience` seconds, connecting included; whoever gets no answer by then is told that the equipment is
unreachable. Only what may be asked twice is asked again within that time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from cytoloop.adapters.opcua.directory import Directory, discover, started
from cytoloop.adapters.opcua.library import library
from cytoloop.adapters.opcua.security import Access, refused, secure_client
from cytoloop.core.equipment import UnreachableError
from cytoloop.core.errors import UserError

T = TypeVar("T")
PAUSE = 0.05
"""Seconds between two tries to connect."""
SESSION = 60_000
"""Milliseconds after which a server forgets a session whose client went away."""
CLOCK_EVERY = 60.0
"""Seconds after which the server's clock is looked at again."""
MOST_DIFFERENCE = timedelta(seconds=2)
"""Clock difference above which it is said."""


@dataclass(slots=True, kw_only=True)
class Connection:
    """A connection with its directory of devices and what is known of the server's clock."""

    endpoint: str
    patience: float
    access: Access
    most_difference: timedelta = MOST_DIFFERENCE
    tell: Callable[[str], None] = lambda _: None
    """Is told what a person should know: a clock that is off, a connection that came back."""
    difference: timedelta | None = None
    """The server's clock minus ours, as it was last measured; None before."""
    connections: int = 0
    """How often a connection was made."""
    directory: Directory | None = None
    _client: Any = None
    _connecting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _leaving: "set[asyncio.Task[None]]" = field(default_factory=set)
    _clock_at: float = 0.0

    async def ask(self, question: Callable[[Any, Directory], Awaitable[T]], *, again: bool = True) -> T:
        """The server's answer. UnreachableError when there is none, or the connection itself is refused.

        What the question raises of its own comes through.

        `again`: the question may be asked a second time when the connection was lost before its answer came.
        """
        deadline = asyncio.get_running_loop().time() + self.patience
        while True:
            client = None
            try:
                async with asyncio.timeout_at(deadline):
                    client, directory = await plainly(self._reached())
                    return await plainly(question(client, directory))
            except _lost() as error:
                sent = client is not None
                await self._let_go(client)
                if self._out_of_time(deadline) or (sent and not again):
                    raise self._unreachable(error) from error
            await asyncio.sleep(PAUSE)

    async def open(self) -> None:
        """Connect now. UserError when the server refuses us or cannot be driven, UnreachableError when it is silent."""
        try:
            async with asyncio.timeout(self.patience):
                await plainly(self._connected())
        except _lost() as error:
            raise self._unreachable(error) from error

    async def client(self) -> tuple[Any, Directory]:
        """The connection itself, for those who stay on it (a subscription); UnreachableError when there is none."""

        async def itself(client: Any, directory: Directory) -> tuple[Any, Directory]:
            return client, directory

        return await self.ask(itself)

    @property
    def current(self) -> Any:
        """The connection that stands, None when there is none."""
        return self._client

    async def lost(self, client: Any) -> None:
        """Somebody found the connection dead."""
        await self._let_go(client)

    async def close(self) -> None:
        """Disconnect. Safe to call twice."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.gather(_disconnected(client, 1.0), return_exceptions=True)
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _reached(self) -> tuple[Any, Directory]:
        """A connection in the middle of work: what refuses us now leaves what was commanded in doubt."""
        try:
            return await self._connected()
        except UserError as error:
            raise UnreachableError(str(error)) from error

    async def _connected(self) -> tuple[Any, Directory]:
        async with self._connecting:
            if self._client is None:
                await self._connect()
            client, directory = self._client, self.directory
        assert directory is not None, "who is connected has looked around"
        if asyncio.get_running_loop().time() - self._clock_at > CLOCK_EVERY:
            await self._measure_clock(client)
        return client, directory

    async def _connect(self) -> None:
        client = await self._client_let_in()
        try:
            await self._measure_clock(client)
            self.directory = await self._known(client) or await discover(client, self.endpoint)
        except BaseException:
            self._leave(client)
            raise
        self._client = client
        self.connections += 1
        if self.connections > 1:
            self.tell(f"{self.endpoint}: connected again")

    async def _client_let_in(self) -> Any:
        asyncua = library()
        client = asyncua.Client(self.endpoint, timeout=self.patience * 0.4, watchdog_intervall=self.patience * 0.4)
        client.name = client.description = "Cytoloop"
        client.session_timeout = SESSION
        try:
            await secure_client(client, self.access, self.endpoint)
            await client.connect()
        except asyncua.ua.UaError as error:
            self._leave(client)
            raise self._not_let_in(error) from error
        except BaseException:
            self._leave(client)
            raise
        return client

    def _not_let_in(self, error: Exception) -> Exception:
        said = refused(error, self.endpoint, self.access)
        if said is None and "No matching endpoints" in str(error):
            said = f"{self.endpoint} does not offer a connection without security; name a security folder for it"
        return UserError(said) if said else error

    async def _known(self, client: Any) -> Directory | None:
        """The directory as it was, when the same server still runs."""
        before = self.directory
        if before is None or before.started != await started(client):
            return None
        return before if list(before.namespaces) == await client.get_namespace_array() else None

    async def _measure_clock(self, client: Any) -> None:
        """Compare CurrentTime of the server with the middle of asking for it."""
        ua, loop = library().ua, asyncio.get_running_loop()
        before, asked = datetime.now(UTC), loop.time()
        theirs = await client.get_node(ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)).read_value()
        ours = before + timedelta(seconds=(loop.time() - asked) / 2)
        difference = (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)) - ours
        changed = self.difference is None or abs(difference - self.difference) > self.most_difference
        self.difference, self._clock_at = difference, loop.time()
        if changed and abs(difference) > self.most_difference:
            way = "ahead of" if difference > timedelta(0) else "behind"
            self.tell(
                f"the clock of {self.endpoint} is {abs(difference.total_seconds()):.1f} s {way} ours; its times are "
                "kept as they come: set one of the two right"
            )

    async def _let_go(self, client: Any) -> None:
        if client is not None and client is self._client:
            self._client = None
        if client is not None:
            self._leave(client)

    def _leave(self, client: Any) -> None:
        """Disconnect in the background: a dead connection takes its time to say so."""
        task = asyncio.create_task(_disconnected(client, self.patience))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _out_of_time(self, deadline: float) -> bool:
        return asyncio.get_running_loop().time() + PAUSE >= deadline

    def _unreachable(self, error: BaseException) -> UnreachableError:
        return UnreachableError(
            f"the plant at {self.endpoint} does not answer ({str(error) or 'timeout'}); "
            "check that it runs and that the address is right"
        )


async def plainly(work: Awaitable[T]) -> T:
    """`work`, with a cancellation that the library dressed up as plain: asyncio's own timeouts know no other."""
    try:
        return await work
    except asyncio.CancelledError as error:
        if type(error) is asyncio.CancelledError:
            raise
        raise asyncio.CancelledError from error


def _lost() -> tuple[type[BaseException], ...]:
    """What a lost connection looks like."""
    return OSError, TimeoutError, library().ua.UaError


async def _disconnected(client: Any, patience: float) -> None:
    try:
        async with asyncio.timeout(patience):
            await plainly(client.disconnect())
    except _lost():
        pass
    finally:
        client.disconnect_socket()
