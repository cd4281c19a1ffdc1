"""A TCP proxy that misbehaves on command: cuts, refuses, stalls, goes silent one way, delays, holds messages back."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

Way = Literal["to_server", "to_client"]
BOTH: tuple[Way, ...] = ("to_server", "to_client")


@dataclass(eq=False)
class Link:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    deaf: set[Way] = field(default_factory=set)
    """Ways in which bytes of this connection vanish while it stays open: half open."""

    def writer(self, way: Way) -> asyncio.StreamWriter:
        return self.server if way == "to_server" else self.client

    def abort(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


@dataclass(eq=False)
class Proxy:
    """Stands between a client and `target`; everything it does wrong is asked for."""

    target: int
    """Port of the server on loopback."""
    port: int = 0
    delay: float = 0.0
    """Seconds that each piece waits in each direction."""
    refusing: bool = False
    """Whether new connections are dropped at once."""
    wire: bytearray = field(default_factory=bytearray)
    """Every byte that went to the server."""
    passed: int = 0
    """Connections that were let through."""
    _going: "dict[Way, asyncio.Event]" = field(default_factory=dict)
    _links: set[Link] = field(default_factory=set)
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    _server: asyncio.Server | None = None
    _cut_after: tuple[bytes, ...] = ()
    _hold: tuple[bytes, ...] = ()
    _held: list[tuple[Link, bytes]] = field(default_factory=list)

    async def __aenter__(self) -> "Proxy":
        self._going = {way: asyncio.Event() for way in BOTH}
        self.resume()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.heal()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def endpoint(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/cytoloop"

    def cut(self) -> None:
        """Break every connection at once."""
        for link in list(self._links):
            link.abort()

    def partition(self) -> None:
        """Break every connection and let nobody in."""
        self.refusing = True
        self.cut()

    def heal(self) -> None:
        """Everything goes through again."""
        self.refusing = False
        self.resume()

    def stall(self, *ways: Way) -> None:
        """Keep bytes back, both ways or one; `resume` lets them go on."""
        for way in ways or BOTH:
            self._going[way].clear()

    def resume(self) -> None:
        for event in self._going.values():
            event.set()

    def half_open(self, *ways: Way) -> None:
        """Connections that stand now stay open and lose every byte, both ways or one. New ones are good."""
        for link in self._links:
            link.deaf |= set(ways or BOTH)

    def cut_after(self, *texts: str) -> None:
        """Pass the next message to the server that holds all of `texts`, and break the connection before the answer."""
        self._cut_after = tuple(text.encode() for text in texts)

    def hold(self, *texts: str) -> None:
        """Keep messages to the server that hold all of `texts`, and what follows them, back until `release`."""
        self._hold = tuple(text.encode() for text in texts)

    async def release(self) -> None:
        """Deliver what was held back, though its sender may be long gone."""
        held, self._held, self._hold = self._held, [], ()
        for link, data in held:
            with suppress(OSError):
                link.server.write(data)
                await link.server.drain()

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        if self.refusing:
            client.transport.abort()
            return
        try:
            answers, server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            client.transport.abort()
            return
        self.passed += 1
        link = Link(client, server)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(link, reader, "to_server"))
                pumps.create_task(self._pump(link, answers, "to_client"))
        finally:
            self._links.discard(link)
            link.abort()

    async def _pump(self, link: Link, reader: asyncio.StreamReader, way: Way) -> None:
        while data := await self._read(reader):
            if way == "to_server":
                self.wire += data
            if self.delay:
                await asyncio.sleep(self.delay)
            await self._going[way].wait()
            if way in link.deaf or self._kept_back(link, data, way):
                continue
            with suppress(OSError):
                link.writer(way).write(data)
                await link.writer(way).drain()
            if way == "to_server" and _all_in(self._cut_after, data):
                self._cut_after = ()
                link.deaf.add("to_client")
                await asyncio.sleep(0.02)  # the server has it by then
                link.abort()
        if not any(held is link for held, _ in self._held):
            link.abort()

    def _kept_back(self, link: Link, data: bytes, way: Way) -> bool:
        began = any(held is link for held, _ in self._held)
        if way != "to_server" or not (began or _all_in(self._hold, data)):
            return False
        self._held.append((link, data))
        return True

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.read(65536)
        except OSError:
            return b""


def _all_in(texts: tuple[bytes, ...], data: bytes) -> bool:
    return bool(texts) and all(text in data for text in texts)
