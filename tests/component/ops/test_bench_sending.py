"""Commands are sent when they are due, but those of one event one after the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ops.bench.commanded import Command, alike
from ops.bench.request import request
from ops.bench.sending import send

HOST = "127.0.0.1"
TAKES = 0.1  # seconds for an answer


class Server:
    """Takes its time, and remembers who was under way together."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.at_once = 0
        self.together: set[str] = set()  # paths that were asked while they were asked already
        self._open: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _ = head.split(maxsplit=2)
                body = await reader.readexactly(int(head.lower().partition("content-length: ")[2].split()[0]))
                self.together |= {path} & set(self._open)
                self._open.append(path)
                self.at_once = max(self.at_once, len(self._open))
                self.order.append(f"{method} {path} {body.decode()}")
                await asyncio.sleep(TAKES)
                self._open.remove(path)
                status = b"429 Too Many" if b"5" in body else b"202 Accepted"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Server, int]]:
    server = Server()
    listening = await asyncio.start_server(server.serve, HOST, 0)
    try:
        yield server, listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


def bytes_of(command: Command) -> bytes:
    return request("bench", f"/{command.event_id}", {}, command.effect[1].encode(), "PATCH")


async def test_commands_of_one_event_wait_for_each_other_and_others_do_not() -> None:
    async with serving() as (server, port):
        sent = await send(alike(["a", "b"], 6, "T"), 1000.0, (HOST, port), bytes_of)
    assert server.together == set()
    assert server.at_once == 2
    assert [line for line in server.order if " /a " in line] == ["PATCH /a T 0", "PATCH /a T 2", "PATCH /a T 4"]
    assert (len(sent.taken), sent.refused) == (5, 1)
    assert max(sent.taken) > 2 * TAKES, "who waits for the one before is charged for it"
