"""A process that was stopped with a request on its way does not send it any more when its time is over."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import orjson
import pytest

SENDER = Path(__file__).with_name("stopped_sender.py")
POINTS = 8
STOPPED = 0.12  # seconds; longer than the requests may take
ANSWER = b'{"data":{"webhookSubscriptionDelete":{"userErrors":[]}}}'


class Server:
    """Reads whole requests, remembers what they were, and answers each."""

    def __init__(self):
        self.requests = []

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                self.requests.append(orjson.loads(await reader.readexactly(length))["variables"]["id"])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="waits for the stop as Linux tells it")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_request_whose_time_was_over_while_the_process_was_stopped_never_leaves(loop):
    """At points evenly spread from `before` to the last look at the clock, right in front of the system call."""
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    sender = await asyncio.create_subprocess_exec(
        sys.executable,
        SENDER,
        str(port),
        loop,
        str(POINTS),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30):
            said, _ = await asyncio.gather(sender.stderr.read(), resumed(sender.pid))
            await sender.wait()
    finally:
        if sender.returncode is None:
            os.kill(sender.pid, signal.SIGKILL)
            await sender.wait()
        listening.close()
    lines = [orjson.loads(line) for line in said.splitlines()]
    assert len(lines) == POINTS
    assert lines[-1]["of"] > 50, lines[-1]
    assert sum(line["stopped"] for line in lines) > POINTS / 2, lines
    assert not [line for line in lines if line["may_have_happened"]]
    assert server.requests == ["unhurried"] * 2


async def resumed(pid):
    """As often as it stops, until it has ended."""
    while (state := await asyncio.to_thread(state_of, pid)) is not None:
        if state == "T":
            await asyncio.sleep(STOPPED)  # the stop itself
            os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(0.005)  # between two looks at another process


def state_of(pid):
    """Its letter in /proc; None when it is no more."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else state
