"""The classic race (read v1, commit v2, purge, fill v1) wherever it can be run, each with barriers and no pause.

A race plays itself on a stage; `Stage.verdict` says who was answered wrongly, then or at the end.
"""

import time
from collections.abc import Awaitable, Callable

from histories import WINDOW
from lines import line
from pydantic import SecretStr
from replicas import TAG, Stage
from syncers import syncer
from waiting import eventually

from read_api.reader import MIN_REVISION_PATIENCE
from shared.tags import EVENTS
from shared.topology import PROJECTIONS

Race = Callable[[Stage], Awaitable[None]]


async def in_l1(stage: Stage) -> None:
    """What was loaded before the announcement comes in after it."""
    replica = await stage.replica()
    replica.gates.loaded.close()
    loading = stage.reading(replica)
    await replica.gates.loaded.reached()
    await stage.change()
    await stage.heard()
    replica.gates.loaded.open()
    await loading


async def in_l1_that_holds_it(stage: Stage) -> None:
    """It is in L1 already when the announcement comes."""
    replica = await stage.replica()
    await stage.read(replica)
    await stage.change()


async def in_redis(stage: Stage) -> None:
    """The leader has loaded; then the tag is raised, and evicted with all that it knew."""
    replica = await stage.replica()
    replica.gates.loaded.close()
    loading = stage.reading(replica)
    await replica.gates.loaded.reached()
    await stage.commit()
    await stage.purge()
    await stage.evict()
    replica.gates.loaded.open()
    await loading
    await stage.announce()


async def on_the_way_from_redis(stage: Stage) -> None:
    """Redis has said v1, and the answer is still on its way when the tag is raised and all is announced."""
    first, second = await stage.replica(), await stage.replica()
    await stage.read(first)
    second.gates.elected.close()
    reading = stage.reading(second)
    await second.gates.elected.reached()
    await stage.change()
    await stage.heard()
    second.gates.elected.open()
    await reading


async def across_a_generation(stage: Stage) -> None:
    """The feed breaks while the document is loaded, and its return has missed the announcement."""
    replica, own = await stage.with_a_feed_of_its_own()
    replica.gates.loaded.close()
    loading = stage.reading(replica)
    await replica.gates.loaded.reached()
    await stage.missed(replica, own)
    await stage.returns(replica, own)
    replica.gates.loaded.open()
    await loading


async def joined_across_a_generation(stage: Stage) -> None:
    """The same, and a reader of the new generation has joined the load of the old one."""
    replica, own = await stage.with_a_feed_of_its_own()
    replica.gates.loaded.close()
    loading = stage.reading(replica)
    await replica.gates.loaded.reached()
    await stage.missed(replica, own)
    await stage.returns(replica, own)
    joining = stage.reading(replica)
    await eventually(lambda: joining.done() or replica.coalescer.waiting == 2)
    replica.gates.loaded.open()
    await loading
    await joining


async def in_a_joined_load(stage: Stage) -> None:
    """Others of this process have seen v2; who comes now joins a load that will give v1."""
    replica = await stage.replica()
    replica.gates.loaded.close()
    loading = stage.reading(replica)
    await replica.gates.loaded.reached()
    await stage.change()
    await stage.read(replica, "tickets")
    joining = [stage.reading(replica) for _ in range(10)]
    await eventually(lambda: replica.coalescer.waiting == 11)
    replica.gates.loaded.open()
    for each in [loading, *joining]:
        await each


async def in_two_processes(stage: Stage) -> None:
    """The leader has loaded; another process waits for it, and leads as soon as the tag is raised."""
    slow, quick = await stage.replica(), await stage.replica()
    slow.gates.loaded.close()
    loading = stage.reading(slow)
    await slow.gates.loaded.reached()
    waiting = stage.reading(quick)
    await eventually(lambda: quick.coalescer.waiting == 1)
    await stage.change()
    await waiting
    slow.gates.loaded.open()
    await loading


async def of_a_commit_that_nobody_has_said(stage: Stage) -> None:
    """One process has answered v2, which its syncer has not raised yet: its other document is of v1."""
    replica = await stage.replica()
    await stage.read(replica)
    await stage.commit()
    await stage.read(replica, "tickets")
    await stage.read(replica)
    await stage.purge()
    await stage.announce()


async def beside_a_newer_document(stage: Stage) -> None:
    """One document of the tag is stored at v2 while another is loaded at v1; the tag is at v2 when it is raised."""
    slow, quick = await stage.replica(), await stage.replica()
    slow.gates.loaded.close()
    loading = stage.reading(slow)
    await slow.gates.loaded.reached()
    await stage.commit()
    await stage.read(quick, "tickets")
    await stage.purge()
    slow.gates.loaded.open()
    await loading
    await stage.announce()


async def with_a_newcomer(stage: Stage) -> None:
    """A process starts when all is said: it hears nothing of it."""
    first = await stage.replica()
    await stage.read(first)
    await stage.change()
    await stage.read(await stage.replica())


async def with_a_broken_feed(stage: Stage) -> None:
    """It is in L1 already when the feed breaks, and its return has missed the announcement."""
    replica, own = await stage.with_a_feed_of_its_own()
    await stage.read(replica)
    await stage.missed(replica, own)
    await stage.returns(replica, own)


async def with_a_silent_feed(stage: Stage) -> None:
    """NATS says nothing any more, not even that it is there."""
    replica, own = await stage.with_a_feed_of_its_own()
    await stage.read(replica)
    own.hold()
    await stage.change()
    await eventually(lambda: not replica.feed.live)
    await stage.read(replica)
    own.cut()


async def with_a_stopped_process(stage: Stage) -> None:
    """It was not run for a second, and is asked before it has heard what was announced meanwhile."""
    replica, own = await stage.with_a_feed_of_its_own()
    await stage.read(replica)
    own.hold()
    await stage.change()
    stage.seen()
    while time.monotonic() < stage.visible[-1].at + WINDOW:  # nothing of this process has its turn
        pass
    await stage.read(replica)
    own.release()


async def with_a_slow_load_while_nothing_is_heard(stage: Stage) -> None:
    """The feed is away. A load that began before the commit takes long; who comes a second after it may not join it."""
    replica, own = await stage.with_a_feed_of_its_own()
    await stage.missed(replica, own, change=False)
    replica.gates.loaded.close()
    loading = stage.reading(replica)
    await replica.gates.loaded.reached()
    await stage.change()
    stage.seen()
    await eventually(lambda: time.monotonic() >= stage.visible[-1].at + WINDOW)
    joining = stage.reading(replica)
    await eventually(lambda: joining.done() or replica.coalescer.waiting == 2)
    replica.gates.loaded.open()
    await loading
    await joining
    await stage.jetstream.purge_stream(PROJECTIONS.name)
    await stage.returns(replica, own)


async def with_redis_back_with_its_memory(stage: Stage) -> None:
    """A process that lost Redis has answered v2; when it has it again, there is v1 in it, and nothing was announced."""
    first = await stage.replica()
    for kind in ("event", "tickets"):
        await stage.read(first, kind)
    own = await stage.enter_async_context(line(stage.redis_url))
    replica = await stage.replica(redis_url=SecretStr(own.url))
    await own.close()
    await stage.commit()
    await stage.read(replica)
    await own.open()
    await eventually(lambda: replica.circuit.closed)
    await stage.read(replica, "tickets")
    await stage.purge()
    await stage.announce()


async def with_a_reader_who_names_what_is_to_come(stage: Stage) -> None:
    """It waits, has seen v2, and joins in its last look that of another, which began before v2."""
    replica = await stage.replica()
    await stage.read(replica)
    replica.gates.loaded.close()
    first = stage.reading(replica, least=3)
    await replica.gates.loaded.reached()
    await stage.change()
    await stage.heard()
    await stage.read(replica)
    began = time.monotonic()
    second = stage.reading(replica, least=3)
    await eventually(lambda: time.monotonic() > began + MIN_REVISION_PATIENCE + 0.1)
    replica.gates.loaded.open()
    await first
    await second


async def with_a_newcomer_between_raising_and_announcing(stage: Stage) -> None:
    """It hears nothing of what was announced before it came, and has to find it in Redis."""
    first = await stage.replica()
    await stage.read(first)

    async def come() -> None:
        await stage.read(await stage.replica())

    await stage.change(between=come)


async def redis_did_not_hear(stage: Stage) -> None:
    """The syncer could not reach Redis, which still holds v1; who starts then has heard of nothing. Then it can."""
    first = await stage.replica()
    await stage.read(first)
    own = await stage.enter_async_context(line(stage.redis_url))
    made = syncer("a syncer", stage.dsn, own.url, stage.nats_url)
    announcer = (await stage.enter_async_context(made)).announcer
    await own.close()
    await stage.commit()
    await announcer.raise_tags([(TAG, stage.revision), (EVENTS, await stage.shop.collection())])
    await stage.announce()
    await stage.heard()
    await stage.read(await stage.replica())
    await own.open()
    await announcer.step()


RACES: tuple[Race, ...] = (
    in_l1, in_l1_that_holds_it, in_redis, on_the_way_from_redis, across_a_generation, joined_across_a_generation,
    in_a_joined_load, in_two_processes, of_a_commit_that_nobody_has_said, beside_a_newer_document, with_a_newcomer,
    with_a_newcomer_between_raising_and_announcing, with_a_broken_feed, with_a_silent_feed, with_a_stopped_process,
    with_a_slow_load_while_nothing_is_heard, with_redis_back_with_its_memory,
    with_a_reader_who_names_what_is_to_come, redis_did_not_hear,
)  # fmt: skip
