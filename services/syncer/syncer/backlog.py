"""How far the projector is behind what is on CHANGES."""

import asyncio

import nats.errors
import nats.js.errors
from faststream.exceptions import IncorrectState
from faststream.nats import NatsBroker
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo

from shared.bus import ANSWER_TIMEOUT, BusUnavailable
from shared.topology import SYNCER_CHANGES, Consumer


class Backlog:
    """Of one durable consumer; asks the server."""

    def __init__(self, broker: NatsBroker, consumer: Consumer = SYNCER_CHANGES) -> None:
        self._broker = broker
        self._consumer = consumer

    async def behind(self, target: int | None = None) -> int:
        """How many messages are not settled; of those up to the sequence number `target`, at most.

        Raises:
            BusUnavailable
        """
        info = await self._info()
        unsettled = (info.num_pending or 0) + (info.num_ack_pending or 0)
        if target is None:
            return unsettled
        floor = info.ack_floor.stream_seq if info.ack_floor else 0
        return min(unsettled, max(0, target - floor))

    async def last(self) -> int:
        """The sequence number of the newest message in the stream. Raises BusUnavailable."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return (await self._jetstream().stream_info(self._consumer.stream.name)).state.last_seq
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise BusUnavailable(f"NATS does not answer: {error!r}") from error

    async def _info(self) -> ConsumerInfo:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                info: ConsumerInfo = await self._jetstream().consumer_info(
                    self._consumer.stream.name, self._consumer.durable
                )
                return info
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise BusUnavailable(f"NATS does not answer: {error!r}") from error

    def _jetstream(self) -> JetStreamContext:
        try:
            return self._broker.connection.jetstream()
        except IncorrectState as error:
            raise BusUnavailable("not connected to NATS yet") from error
