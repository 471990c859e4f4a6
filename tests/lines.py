"""A TCP line to a server, which a test can cut, hold and close: what a network does, to one process alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from sandbox.servers import free_port

CHUNK = 1 << 16  # bytes


@dataclass(eq=False)
class Pipe:
    """One connection. While it is held, what the server says reaches nobody; what it is told, it hears."""

    writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    passes: asyncio.Event = field(default_factory=asyncio.Event)

    def cut(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


class Line:
    """`url`: where the server is to be found through this line."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._target = urlsplit(target)
        self._carrying: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._port = free_port()  # not one of those that outgoing connections take while it is closed
        self.pipes: list[Pipe] = []

    @property
    def url(self) -> str:
        credentials, at, _ = self._target.netloc.rpartition("@")
        return urlunsplit(self._target._replace(netloc=f"{credentials}{at}127.0.0.1:{self._port}"))

    async def open(self) -> None:
        """Again after `close`: at the same address."""
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def close(self) -> None:
        """All connections break, and none is made any more."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    def hold(self, *pipes: Pipe) -> None:
        """Without any named: all there are."""
        for pipe in pipes or self.pipes:
            pipe.passes.clear()

    def release(self) -> None:
        for pipe in self.pipes:
            pipe.passes.set()

    def cut(self) -> None:
        for pipe in self.pipes:
            pipe.cut()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carrying = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(carrying)
        carrying.add_done_callback(self._carrying.discard)
        carrying.add_done_callback(lambda _: writer.transport.abort())  # one that is cancelled may never have begun

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, server = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:  # it is down
            return
        pipe = Pipe((writer, server))
        pipe.passes.set()
        self.pipes.append(pipe)
        always = asyncio.Event()
        always.set()
        ways = [
            asyncio.create_task(_pour(reader, server, always)),
            asyncio.create_task(_pour(answers, writer, pipe.passes)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.pipes.remove(pipe)
            pipe.cut()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter, passes: asyncio.Event) -> None:
    """Until either side is gone."""
    try:
        while chunk := await source.read(CHUNK):
            await passes.wait()
            target.write(chunk)
            await target.drain()
    except OSError:
        return


@asynccontextmanager
async def line(target: str) -> AsyncIterator[Line]:
    made = Line(target)
    await made.open()
    try:
        yield made
    finally:
        await made.close()
