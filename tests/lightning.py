"""What may go wrong around the caches of a storm: each fault by name, drawn by the storm's chance."""

import asyncio
from collections.abc import Callable, Coroutine

import redis.asyncio
from lines import Line
from redis.exceptions import RedisError
from storms import EVENT_IDS, Storm

from sandbox.servers import Nats, Valkey
from shared.tags import EVENTS, event_tag

Fault = Callable[[Storm], Coroutine[None, None, None]]

LONGEST_HOLD = 1.2  # seconds; then a feed has fallen silent, and a load has outlived what it loaded
LONGEST_PAUSE = 800  # milliseconds for which Redis answers nobody
MOST_PROCESSES = 6


async def strike(storm: Storm, faults: "tuple[Fault, ...] | None" = None) -> None:
    """One fault after the other, for ever; held lines are released by tasks that end with the storm."""
    async with asyncio.TaskGroup() as under_way:
        while True:
            fault = storm.chance.choice(faults or FAULTS)
            storm.log.faults.append(fault.__name__)
            task = under_way.create_task(fault(storm))
            if fault in ALONE:
                await task
            await asyncio.sleep(storm.chance.random() * storm.weather.fault_pause)


async def redis_forgets_everything(storm: Storm) -> None:
    await _redis(storm, "FLUSHALL")


async def redis_evicts_a_tag(storm: Storm) -> None:
    tag = storm.chance.choice([EVENTS, *map(event_tag, EVENT_IDS)])
    await _redis(storm, "DEL", f"understudy:{tag}")


async def redis_hangs(storm: Storm) -> None:
    await _redis(storm, "CLIENT", "PAUSE", storm.chance.randint(50, LONGEST_PAUSE), "ALL")


async def redis_restarts(storm: Storm) -> None:
    await _restart(storm, storm.servers.valkey)


async def nats_restarts(storm: Storm) -> None:
    await _restart(storm, storm.servers.nats)


async def a_feed_is_cut(storm: Storm) -> None:
    storm.chance.choice(storm.processes).nats.cut()


async def a_feed_falls_silent(storm: Storm) -> None:
    await _hold(storm, "nats")


async def a_process_loses_redis(storm: Storm) -> None:
    storm.chance.choice(storm.processes).redis.cut()


async def an_answer_of_redis_is_late(storm: Storm) -> None:
    await _hold(storm, "redis")


async def a_load_is_late(storm: Storm) -> None:
    await _hold(storm, "postgres")


async def a_process_loses_postgres(storm: Storm) -> None:
    storm.chance.choice(storm.processes).postgres.cut()


async def a_syncer_loses_a_server(storm: Storm) -> None:
    storm.chance.choice(storm.syncers_lines).cut()


async def a_syncer_dies(storm: Storm) -> None:
    await storm.a_syncer_dies()


async def a_process_starts(storm: Storm) -> None:
    if len(storm.processes) < MOST_PROCESSES:
        await storm.another_process()


FAULTS: tuple[Fault, ...] = (
    redis_forgets_everything, redis_evicts_a_tag, redis_hangs, redis_restarts, nats_restarts, a_feed_is_cut,
    a_feed_falls_silent, a_process_loses_redis, an_answer_of_redis_is_late, a_load_is_late, a_process_loses_postgres,
    a_process_starts, a_syncer_loses_a_server, a_syncer_dies,
)  # fmt: skip
ALONE = {redis_restarts, nats_restarts, a_process_starts, a_syncer_dies}


async def _hold(storm: Storm, which: str) -> None:
    """What is on its way on some of the connections comes later; others pass."""
    line = getattr(storm.chance.choice(storm.processes), which)
    if not line.pipes:
        return
    pipes = storm.chance.sample(line.pipes, storm.chance.randint(1, len(line.pipes)))
    for pipe in pipes:
        pipe.passes.clear()
    try:
        await asyncio.sleep(storm.chance.random() * LONGEST_HOLD)
    finally:
        for pipe in pipes:
            pipe.passes.set()


async def _restart(storm: Storm, server: Nats | Valkey) -> None:
    """To its end, though the storm be over. Meanwhile its lines refuse, as its port does."""
    task = asyncio.create_task(_kill_and_start(server, storm.lines_to(server.url)))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


async def _kill_and_start(server: Nats | Valkey, lines: list[Line]) -> None:
    for each in lines:
        await each.close()
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    for each in lines:
        await each.open()


async def _redis(storm: Storm, *command: str | int) -> None:
    client = redis.asyncio.Redis.from_url(storm.servers.valkey.url, socket_timeout=1.0)
    try:
        await client.execute_command(*command)
    except (RedisError, OSError):  # it hangs, or is away, already
        storm.log.faults[-1] += " (in vain)"
    finally:
        await client.aclose()
