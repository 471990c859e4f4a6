"""Say on PROJECTIONS what the syncer would, to a server that may be on its way back."""

import nats
from nats.js import JetStreamContext
from waiting import eventually

from shared.contracts import EventProjectedV1
from shared.topology import address


async def announce(jetstream: JetStreamContext, message: EventProjectedV1) -> None:
    """Until it is stored."""
    stream, subject = address(message)

    async def stored() -> bool:
        try:
            await jetstream.publish(subject, b"", stream=stream.name, headers=message.headers())
        except (nats.errors.Error, nats.js.errors.Error):
            return False
        return True

    await eventually(stored, within=15)
