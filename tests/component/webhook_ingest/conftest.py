"""webhook-ingest over a real NATS, in this process; and what its stream then holds."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx2
import nats
import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from waiting import eventually
from webhooks import SECRET, SHOP

from sandbox.servers import Servers
from shared.contracts import Contract, parse
from shared.provision import provision
from shared.settings import NatsSettings
from shared.topology import CHANGES
from webhook_ingest.app import create_app
from webhook_ingest.settings import IngestSettings

Serve = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@dataclass
class Stream:
    """What CHANGES holds."""

    jetstream: JetStreamContext

    async def messages(self) -> list[Contract]:
        state = (await self.jetstream.stream_info(CHANGES.name)).state
        found = []
        for sequence in range(max(1, state.first_seq), state.last_seq + 1):
            message = await self.jetstream.get_msg(CHANGES.name, sequence)
            found.append(parse(message.headers, message.data or b""))
        return found


@pytest.fixture
async def changes(nats_url: str) -> AsyncIterator[Stream]:
    """The stream, provisioned and empty."""
    await provision(NatsSettings(nats_url=nats_url))
    client = await nats.connect(nats_url)
    jetstream = client.jetstream()
    # Deleted and made again: a purged stream still knows the ids of the test before.
    await jetstream.delete_stream(CHANGES.name)
    await provision(NatsSettings(nats_url=nats_url))
    try:
        yield Stream(jetstream)
    finally:
        await client.close()


@pytest.fixture
async def no_changes_stream(nats_url: str) -> AsyncIterator[None]:
    client = await nats.connect(nats_url)
    with suppress(NotFoundError):
        await client.jetstream().delete_stream(CHANGES.name)
    yield
    await provision(NatsSettings(nats_url=nats_url))
    await client.close()


@pytest.fixture
def serve(servers: Servers) -> Serve:
    """`async with serve(setting=…) as client`: the service, connected unless `connected=False`."""

    @asynccontextmanager
    async def serving(*, connected: bool = True, **settings: Any) -> AsyncIterator[httpx2.AsyncClient]:
        defaults = {
            "nats_url": servers.nats_url,
            "nats_monitor_url": servers.nats_monitor_url,
            "shopify_webhook_secrets": SECRET,
            "shopify_shop": SHOP,
        }
        app = create_app(IngestSettings(**(defaults | settings)))
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://ingest") as client,
        ):
            if connected:
                await eventually(lambda: is_connected(client))
            yield client

    return serving


async def is_connected(client: httpx2.AsyncClient) -> bool:
    return "not connected" not in (await client.get("/readyz")).text
