"""The announcements that are taken and not acknowledged yet. Whoever is redelivered one has not heard anything new."""

import asyncio
import contextlib
from collections.abc import Iterable

import nats.errors
from nats.aio.msg import Msg

from shared.bus import Bus
from shared.consuming import BATCH_BYTES, Buffer, pull
from shared.topology import PURGER

KEEP = 6.0  # seconds between notices that we still have a message; well within its ack_wait


class Inbox:
    """Bounded by the consumer's `max_ack_pending`: the server brings no more while so many are held."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._buffer = Buffer()
        self._held: dict[int, Msg] = {}  # by sequence number

    async def pull(self) -> None:
        """Bring in what there is, until it is cancelled; NATS away is waited for."""
        await pull(self._bus, PURGER, self._buffer)

    async def keep(self) -> None:
        """Say of every message that we still have it, until it is cancelled."""
        while True:
            await asyncio.sleep(KEEP)
            for message in (*self._buffer, *self._held.values()):
                with contextlib.suppress(nats.errors.Error, OSError):  # then it is redelivered, which costs nothing
                    await message.in_progress()

    async def take(self) -> list[Msg]:
        """What has come and was not held already, one at least; all of them are held from now on."""
        while True:
            fresh = []
            for message in await self._buffer.take(PURGER.batch, BATCH_BYTES):
                sequence = message.metadata.sequence.stream
                if sequence not in self._held:
                    fresh.append(message)
                self._held[sequence] = message  # the latest delivery is the one to be answered
            if fresh:
                return fresh

    async def release(self, sequences: Iterable[int]) -> None:
        """Acknowledge them. One that the server does not hear is delivered, and purged, once more."""
        for sequence in sequences:
            message = self._held.pop(sequence, None)
            if message is not None:
                with contextlib.suppress(nats.errors.Error, OSError):
                    await message.ack()

    async def forget(self, sequence: int) -> None:
        """It is a dead letter now."""
        message = self._held.pop(sequence, None)
        if message is not None:
            with contextlib.suppress(nats.errors.Error, OSError):
                await message.term()

    async def give_back(self) -> None:
        """Whoever purges after us gets at once what we have."""
        for message in (*self._buffer.empty(), *self._held.values()):
            with contextlib.suppress(nats.errors.Error, OSError):  # then after its `ack_wait`
                await message.nak()
        self._held.clear()
