"""Create and update every stream and consumer of `topology`, once, before the services: `python -m shared.provision`.

Two services that declared one stream would overwrite each other's settings, and an existing durable keeps its old ones
in silence: one place does it.
"""

import asyncio
import sys
import time

import nats
import nats.errors
import nats.js.errors
import structlog
from nats.js import JetStreamContext

from shared.bus import BusUnavailable
from shared.errors import Permanent, UnderstudyError
from shared.settings import NatsSettings, ServiceSettings, load
from shared.telemetry import configure
from shared.topology import CONSUMERS, STREAMS

log = structlog.get_logger()

TIMEOUT = 10.0  # seconds for one answer: a file-backed stream of a busy server takes its time
CONNECT_TIMEOUT = 5  # seconds
WAIT = 60.0  # seconds for NATS to come up: its public image has no shell, so Compose can't ask it for its health
PAUSE = 0.5  # seconds between two attempts


class ProvisioningRefused(Permanent):
    """NATS does not take this stream or consumer as it stands in the topology."""


async def provision(settings: NatsSettings) -> list[str]:
    """Make NATS as the topology says, however often; returns what was created or updated, by name.

    Raises:
        BusUnavailable: nobody answers there, or not as JetStream.
        ProvisioningRefused: a setting was changed that can't be, or a limit of the server is in the way.
    """
    try:
        # The client alone would make 60 attempts at each address, 2 s apart, whatever `allow_reconnect` says.
        async with asyncio.timeout(CONNECT_TIMEOUT):
            client = await nats.connect(
                settings.nats_url.get_secret_value().split(","),
                name="provision",
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                error_cb=_leave_to_the_exception,
            )
    except (nats.errors.Error, OSError, TimeoutError) as error:
        raise BusUnavailable(f"NATS does not answer: {error!r}") from error
    try:
        return await _provision(client.jetstream(timeout=TIMEOUT), settings.nats_replicas)
    except nats.js.errors.ServiceUnavailableError as error:
        raise BusUnavailable(f"JetStream does not answer: {error.description or error!r}") from error
    except nats.js.errors.APIError as error:  # before its own base, which is every error of the client
        raise ProvisioningRefused(error.description or repr(error)) from error
    except (nats.errors.Error, TimeoutError, OSError) as error:
        raise BusUnavailable(f"JetStream does not answer: {error!r}") from error
    finally:
        await client.close()


async def _leave_to_the_exception(_error: Exception) -> None:
    """Every error of this short-lived client is raised as well."""


async def provision_soon(settings: NatsSettings, within: float) -> list[str]:
    """The same, for a NATS that is being started as well: tries again until it answers, for `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        try:
            return await provision(settings)
        except BusUnavailable:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(PAUSE)


async def _provision(jetstream: JetStreamContext, replicas: int) -> list[str]:
    existing = {info.config.name for info in await jetstream.streams_info()}
    done = []
    for stream in STREAMS:
        config = stream.config(replicas)
        await (jetstream.update_stream(config) if stream.name in existing else jetstream.add_stream(config))
        done.append(stream.name)
    for consumer in CONSUMERS:
        await jetstream.add_consumer(consumer.stream.name, consumer.config())  # updates an existing one, too
        done.append(f"{consumer.stream.name}/{consumer.durable}")
    return done


def main() -> None:
    configure(ServiceSettings(), "provision")
    try:
        done = asyncio.run(provision_soon(load(NatsSettings), WAIT))
    except UnderstudyError as error:
        log.error("provision.failed", error=str(error))  # noqa: TRY400 (the message says it all)
        sys.exit(1)
    log.info("provision.done", names=done)


if __name__ == "__main__":
    main()
