"""Send commands on a timetable that waits for nobody, but those of one event one after the other."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from ops.bench.commanded import Command
from ops.bench.wire import Wire, connected

CONNECTIONS = 32

Bytes = Callable[[Command], bytes]  # the whole request


@dataclass
class Sent:
    """`taken`: seconds from when a command was due until it was answered. `refused`: answers that took it not."""

    began: float = 0.0  # time.perf_counter
    taken: list[float] = field(default_factory=list)
    refused: int = 0
    late: list[float] = field(default_factory=list)  # seconds that it was sent after it was due


async def send(commands: Sequence[Command], rate: float, place: tuple[str, int], bytes_of: Bytes) -> Sent:
    """`rate` commands a second. Raises OSError, TimeoutError."""
    idle: asyncio.Queue[Wire] = asyncio.Queue()
    wires = await connected(*place, CONNECTIONS)
    for wire in wires:
        idle.put_nowait(wire)
    sent, before = Sent(time.perf_counter()), dict[str, asyncio.Task[None]]()
    try:
        async with asyncio.TaskGroup() as tasks:
            for count, command in enumerate(commands):
                due = sent.began + count / rate
                if (early := due - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                sent.late.append(time.perf_counter() - due)
                earlier = before.get(command.event_id)
                one = _one(sent, idle, bytes_of(command), due, earlier)
                before[command.event_id] = tasks.create_task(one)
    finally:
        for wire in wires:
            wire.abort()
    return sent


async def _one(
    sent: Sent, idle: "asyncio.Queue[Wire]", request: bytes, due: float, earlier: "asyncio.Task[None] | None"
) -> None:
    if earlier is not None and not earlier.done():
        await asyncio.wait((earlier,))
    wire = await idle.get()
    answer: asyncio.Future[tuple[int, float]] = asyncio.get_running_loop().create_future()

    def answered(status: int, _head: bytes, _body: bytes, at: float) -> None:
        if not answer.done():
            answer.set_result((status, at))

    wire.ask(request, answered)
    status, at = await answer
    idle.put_nowait(wire)
    if status in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
        sent.taken.append(at - due)
    else:
        sent.refused += 1
