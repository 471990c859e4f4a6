"""How far the projector is behind what is on CHANGES."""

from faststream.nats import NatsBroker

from shared import bus_state
from shared.bus import ANSWER_TIMEOUT
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
        async with bus_state.asking(self._broker, ANSWER_TIMEOUT) as jetstream:
            info = await jetstream.consumer_info(self._consumer.stream.name, self._consumer.durable)
        return bus_state.behind(info, target)

    async def last(self) -> int:
        """The sequence number of the newest message in the stream. Raises BusUnavailable."""
        async with bus_state.asking(self._broker, ANSWER_TIMEOUT) as jetstream:
            return (await jetstream.stream_info(self._consumer.stream.name)).state.last_seq
