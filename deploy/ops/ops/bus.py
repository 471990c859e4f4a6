"""Speak to JetStream for the length of one command; a server that is away is an error with an address."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import nats
import nats.errors
import nats.js.errors
from nats.js import JetStreamContext

from ops.failures import Refused, ServerDown, SettingWrong
from shared.settings import is_nats

T = TypeVar("T")

CONNECT_WITHIN = 3  # seconds
ANSWER_WITHIN = 5.0  # seconds
DEFAULT_PORT = 4222


@asynccontextmanager
async def jetstream(url: str) -> AsyncIterator[JetStreamContext]:
    """Raises ServerDown, also for what fails inside; Refused when JetStream knows no such stream; SettingWrong."""
    if not is_nats(url):
        raise SettingWrong("--nats (NATS_URL) is no nats:// address (is the password percent-encoded?)")
    try:
        async with asyncio.timeout(CONNECT_WITHIN + 1):
            client = await nats.connect(
                url.split(","),
                name="understudy",
                connect_timeout=CONNECT_WITHIN,
                allow_reconnect=False,
                max_reconnect_attempts=1,  # the client tries 60 times to connect, reconnecting or not
                error_cb=_quiet,
            )
    except (nats.errors.Error, OSError, TimeoutError) as error:
        raise ServerDown(f"NATS does not answer at {_shown(url)}: {error!r}") from error
    try:
        yield client.jetstream(timeout=ANSWER_WITHIN)
    except nats.js.errors.NotFoundError as error:
        raise Refused(f"NATS at {_shown(url)}: {error.description}; was `understudy provision` run?") from error
    except (nats.js.errors.ServiceUnavailableError, nats.errors.NoRespondersError) as error:
        raise Refused(f"NATS at {_shown(url)} has no such stream; was `understudy provision` run?") from error
    except (nats.errors.Error, OSError, TimeoutError) as error:
        raise ServerDown(f"NATS at {_shown(url)} stopped answering: {error!r}") from error
    finally:
        await client.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def _quiet(_: Exception) -> None:
    """The error is raised where the answer is waited for, too; one message is enough."""


def _shown(addresses: str) -> str:
    """Hosts and ports of addresses that were checked; no passwords."""
    hosts = [urlsplit(address) for address in addresses.split(",")]
    return ", ".join(f"{host.hostname}:{host.port or DEFAULT_PORT}" for host in hosts)
