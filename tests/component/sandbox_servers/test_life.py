"""Servers are killed, started again and keep what they promised to keep; nothing outlives us."""

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import asyncpg
import nats
import psutil
import pytest
import redis.asyncio
from nats.js.api import StorageType
from waiting import eventually

from sandbox.processes import Died, ProcessError
from sandbox.servers import Nats, PortTaken, Postgres, Valkey
from sandbox.servers.ports import is_free


async def test_nats_killed_right_after_its_acknowledgement_still_has_the_message():
    with Nats() as server:
        client = await nats.connect(server.url)
        stream = client.jetstream()
        await stream.add_stream(name="KEPT", subjects=["kept.>"], storage=StorageType.FILE)
        for number in range(50):
            await stream.publish("kept.one", str(number).encode(), stream="KEPT")
        address = server.url
        await client.close()
        server.kill()
        server.start()
        assert server.url == address
        client = await nats.connect(server.url)
        assert (await client.jetstream().stream_info("KEPT")).state.messages == 50
        await client.close()


async def test_postgres_killed_right_after_a_commit_still_has_the_row():
    with Postgres() as server:
        connection = await asyncpg.connect(server.dsn)
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        server.kill()
        connection.terminate()
        server.start()
        connection = await asyncpg.connect(server.dsn)
        assert await connection.fetchval("SELECT number FROM kept") == 1
        await connection.close()


async def test_postgres_is_durable_unless_told_otherwise():
    with Postgres() as careful, Postgres(durable=False) as fast:
        assert careful.sql("SHOW fsync").strip() == "on"
        assert fast.sql("SHOW fsync").strip() == "off"


async def test_a_database_is_copied_from_its_template():
    with Postgres(durable=False) as server:
        server.sql("CREATE TABLE seeds AS SELECT 7 AS number", database="understudy")
        dsn = server.create_database("copy", template="understudy")
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SELECT number FROM seeds") == 7
        await connection.close()


async def test_postgres_wants_its_password():
    with Postgres(durable=False) as server, pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.dsn, password="guessed")


async def test_postgres_runs_below_directories_that_are_closed_to_others(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with Postgres(closed / "state", durable=False) as server:
        assert server.sql("SELECT 1").strip() == "1"


async def test_a_paused_postgres_answers_nothing_until_it_is_resumed():
    with Postgres(durable=False) as server:
        connection = await asyncpg.connect(server.dsn)
        server.pause()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncpg.connect(server.dsn), timeout=0.3)
        server.resume()
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


async def test_valkey_forgets_all_when_it_is_killed():
    with Valkey() as server:
        async with redis.asyncio.from_url(server.url) as cache:
            await cache.set("a", "b")
        server.kill()
        server.start()
        async with redis.asyncio.from_url(server.url) as cache:
            assert await cache.get("a") is None
            assert (await cache.config_get("maxmemory-policy")) == {"maxmemory-policy": "allkeys-lru"}


async def test_data_in_a_given_directory_are_there_for_the_next_server(tmp_path: Path):
    with Postgres(tmp_path / "data") as server:
        server.sql("CREATE TABLE kept AS SELECT 1 AS number", database="understudy")
        first_port = server.port
    assert is_free(first_port)
    with Postgres(tmp_path / "data") as server:
        assert server.sql("SELECT number FROM kept", database="understudy").strip() == "1"


async def test_a_given_port_that_is_taken_is_an_error_and_not_the_other_server():
    with Valkey() as first, pytest.raises((Died, PortTaken), match=r"already in use|another program"):
        Valkey(port=first.port).start()


async def test_what_was_never_started_cannot_be_asked():
    with Valkey() as server:
        assert server.process is not None
        with pytest.raises(ProcessError, match="runs already"):
            server.start()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_nothing_outlives_a_parent_that_is_ended(how: signal.Signals, tmp_path: Path):
    program = tmp_path / "parent.py"
    program.write_text(
        "import time\n"
        "from sandbox.servers import embedded\n"
        "with embedded(durable=False) as servers:\n"
        "    print(*(server.process.pid for server in servers.all))\n"
        "    print(*(server.directory for server in servers.all), flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, program, stdout=PIPE, stderr=DEVNULL)
    assert parent.stdout is not None
    pids = (await parent.stdout.readline()).decode().split()
    directories = (await parent.stdout.readline()).decode().split()
    family = [process for pid in pids for process in _family(int(pid))]
    assert len(family) > 3  # PostgreSQL's children too
    parent.send_signal(how)
    await parent.wait()
    await eventually(lambda: not any(map(_runs, family)), within=15)
    await eventually(lambda: not any(Path(directory).exists() for directory in directories), within=15)


def _family(pid: int) -> list[psutil.Process]:
    leader = psutil.Process(pid)
    return [leader, *leader.children(recursive=True)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
