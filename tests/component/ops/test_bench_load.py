"""The load generator: on time, charged for every wait, and honest about what came back wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from ops.bench.load import Load, Outcome, Plan
from ops.bench.loading import figures, generate, keeps_up
from ops.bench.request import request
from ops.bench.wire import BROKEN, connected

HOST = "127.0.0.1"
ASKED = request("bench", "/").decode()
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[int]:
    """Calls `answer` for each request; the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await answer(await reader.readuntil(b"\r\n\r\n"), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    serving = await asyncio.start_server(serve, HOST, 0)
    try:
        yield serving.sockets[0].getsockname()[1]
    finally:
        serving.close()


async def fine(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(FINE)


async def run(answer: Answer, **plan: object) -> Outcome:
    async with server(answer) as port:
        return await Load(Plan([(HOST, port)], [ASKED], **plan)).run()  # type: ignore[arg-type]


async def test_as_many_are_sent_as_are_due_and_those_of_the_warm_up_do_not_count() -> None:
    outcome = await run(fine, connections=10, rate=400.0, seconds=0.5, warm_up=0.25)
    assert outcome.statuses == {"200": 100}
    assert (outcome.errors, outcome.answered) == (0, 100)
    assert outcome.latencies["p50_ms"] <= outcome.latencies["p99_ms"] <= outcome.latencies["max_ms"]
    assert figures(outcome)["p99 ms"] == outcome.latencies["p99_ms"]


async def test_a_server_that_stalls_is_charged_for_everyone_who_was_due_meanwhile() -> None:
    stall = 0.2  # seconds
    first = True

    async def stalling(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal first
        if first:
            first = False
            await asyncio.sleep(stall)
        writer.write(FINE)

    outcome = await run(stalling, connections=1, rate=200.0, seconds=0.5)
    assert outcome.answered == 100
    assert outcome.waited >= stall * 200 - 5, "those that found no idle connection"
    assert outcome.latencies["p90_ms"] > stall * 1000 / 2, "not only the one that was under way"


async def test_without_a_rate_every_connection_asks_once_at_the_same_time() -> None:
    outcome = await run(fine, connections=50)
    assert outcome.statuses == {"200": 50}


async def test_a_wrong_status_and_a_broken_connection_are_errors() -> None:
    answers = iter([b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\n\r\n"])

    async def once(_: bytes, writer: asyncio.StreamWriter) -> None:
        answer = next(answers, None)
        if answer is None:
            writer.close()
            return
        writer.write(answer)

    outcome = await run(once, connections=3)
    assert outcome.statuses == {str(BROKEN): 1, "304": 1, "500": 1}
    assert outcome.wrong == 2
    assert not keeps_up(outcome, 1000)


async def test_who_never_answers_leaves_the_requests_unanswered() -> None:
    async def never(_: bytes, __: asyncio.StreamWriter) -> None:
        pass

    outcome = await run(never, connections=5, patience=0.1)
    assert (outcome.unanswered, outcome.errors, outcome.latencies) == (5, 5, {})
    assert "p99 ms" not in figures(outcome)


@pytest.mark.parametrize(
    ("pieces", "status", "body"),
    [
        ([FINE[:9], FINE[9:30], FINE[30:]], 200, b"ok"),
        ([b"HTTP/1.1 304 Not Modified\r\ncontent-length: 999\r\n\r\n"], 304, b""),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], BROKEN, b""),
    ],
)
async def test_an_answer_is_framed_by_its_length(pieces: list[bytes], status: int, body: bytes) -> None:
    async def in_pieces(_: bytes, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    heard: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
    async with server(in_pieces) as port:
        (wire,) = await connected(HOST, port, 1)
        wire.ask(ASKED.encode(), lambda status, _, body, __: heard.set_result((status, body)))
        assert await asyncio.wait_for(heard, 5) == (status, body)
        wire.abort()


async def test_the_generator_is_a_process_of_its_own() -> None:
    async with server(fine) as port:
        plan = Plan([(HOST, port)], [ASKED], connections=4, rate=200.0, seconds=0.2)
        outcome = await asyncio.to_thread(generate, plan)
    assert outcome.statuses == {"200": 40}
    assert outcome.late_p99_ms >= outcome.late_p50_ms >= 0
