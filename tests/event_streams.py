"""Listen to `GET /v1/changes` of an app in this process, as its server would: no HTTP library streams from one."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from waiting import eventually


@dataclass(frozen=True)
class Heard:
    event: str  # "" for a block without an event, as a heartbeat is
    data: Any
    id: str | None


@dataclass
class Listening:
    """One connection. `stuck`: the client doesn't read, so nothing more is taken once `stuck` is set."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    reading: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def heard(self) -> list[Heard]:
        return [block(text) for text in self.body.decode().split("\n\n")[:-1] if not text.startswith("retry:")]

    @property
    def names(self) -> list[str]:
        return [heard.event for heard in self.heard if heard.event]

    @property
    def purged(self) -> list[tuple[str, int]]:
        return [(heard.data["tag"], heard.data["revision"]) for heard in self.heard if heard.event == "purge"]

    @property
    def jobs(self) -> list[tuple[str, str]]:
        """Which job, and its status."""
        return [(heard.data["job_id"], heard.data["status"]) for heard in self.heard if heard.event == "job"]

    def states(self, of: str) -> list[str]:
        """What was said of how things stand with `tags`, or with `jobs`; on a stream that hears of jobs."""
        return [heard.event for heard in self.heard if heard.event and heard.data.get("of") == of]

    @property
    def last_id(self) -> str:
        """What a browser would send when it comes back."""
        return [heard.id for heard in self.heard if heard.id is not None][-1]

    @property
    def problem(self) -> Any:
        return json.loads(self.body)


def block(text: str) -> Heard:
    lines = [line.partition(":") for line in text.split("\n") if not line.startswith(":")]
    fields = {name: value.removeprefix(" ") for name, _, value in lines}
    data = json.loads(fields["data"]) if "data" in fields else None
    return Heard(fields.get("event", ""), data, fields.get("id"))


@asynccontextmanager
async def listening(
    app: Callable[..., Awaitable[None]],
    target: str = "/v1/changes",
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
) -> AsyncIterator[Listening]:
    """Connected, and answered; the client goes at the end."""
    connection = Listening()
    connection.reading.set()
    task = asyncio.create_task(serve(app, connection, target, headers or {}, method))
    try:
        await eventually(lambda: connection.body or task.done())
        yield connection
    finally:
        connection.reading.set()
        connection.gone.set()
        await asyncio.wait_for(task, timeout=5)


async def serve(
    app: Callable[..., Awaitable[None]], connection: Listening, target: str, headers: Mapping[str, str], method: str
) -> None:
    parts = urlsplit(target)
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": parts.path, "raw_path": parts.path.encode(), "query_string": parts.query.encode(), "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.1", 1), "server": ("api", 80), "state": {},
    }  # fmt: skip
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        waits = [asyncio.ensure_future(event.wait()) for event in (connection.over, connection.gone)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            connection.status = message["status"]
            connection.headers = {name.decode().title(): value.decode() for name, value in message["headers"]}
            return
        if not message.get("more_body"):
            connection.body += message.get("body", b"")
            connection.over.set()
            return
        await connection.reading.wait()
        connection.body += message["body"]

    await app(scope, receive, send)
