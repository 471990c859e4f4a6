"""A server that is away is not asked, and is asked again once it answers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from waiting import eventually

from read_api.circuit import Circuit, Watched
from shared.errors import Unavailable

INTERVAL = 0.005  # seconds


class Server:
    def __init__(self) -> None:
        self.there = True
        self.asked = 0

    async def ping(self) -> None:
        self.asked += 1
        if not self.there:
            raise Unavailable


def watched(heartbeat: float | None = None) -> Watched:
    registry = CollectorRegistry()
    return Watched("it", Gauge("used", "-", registry=registry), Counter("errors", "-", registry=registry), heartbeat)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def circuit(server: Server) -> AsyncIterator[Circuit]:
    made = Circuit(server, INTERVAL, watched())
    yield made
    await made.close()


async def test_it_opens_at_the_first_failure_and_closes_when_the_server_answers(circuit: Circuit, server: Server):
    server.there = False
    circuit.trip(Unavailable())
    assert not circuit.closed
    await eventually(lambda: server.asked > 3)
    assert not circuit.closed
    server.there = True
    assert await eventually(lambda: circuit.closed)


async def test_a_server_that_answers_is_left_alone(circuit: Circuit, server: Server):
    circuit.start()
    await eventually(lambda: server.asked == 1)
    await asyncio.wait((circuit._watch,), timeout=1)
    assert (server.asked, circuit.closed) == (1, True)


async def test_many_failures_at_once_make_one_watch(circuit: Circuit, server: Server):
    server.there = False
    circuit.trip(Unavailable())
    watch = circuit._watch
    for _ in range(100):
        circuit.trip(Unavailable())
    assert circuit._watch is watch


async def test_with_a_heartbeat_it_opens_though_nobody_asks(server: Server):
    circuit = Circuit(server, INTERVAL, watched(heartbeat=INTERVAL))
    circuit.start()
    await eventually(lambda: server.asked > 3)
    assert circuit.closed
    server.there = False
    await eventually(lambda: not circuit.closed)
    server.there = True
    await eventually(lambda: circuit.closed)
    await circuit.close()
