"""Read v1, commit v2, purge, fill v1: wherever that race is run, no old document stays, and none goes out again."""

import asyncio
import time
from pathlib import Path

import pytest
from histories import WINDOW
from products import Product, by_read
from races import RACES, Race
from replicas import stage
from syncers import syncer

from sandbox.servers import Valkey


@pytest.mark.parametrize("race", RACES, ids=lambda race: race.__name__)
async def test_the_classic_race_leaves_nothing_old(race: Race, settings, shop):
    async with stage(settings(), shop) as played:
        await race(played)
        assert await played.verdict() == []


@pytest.mark.usefixtures("_provisioned")
async def test_a_redis_that_hangs_holds_up_no_announcement(projections: str, nats_url: str, tmp_path: Path):
    """Others, who can do without Redis, show the new revision meanwhile."""
    with Valkey(tmp_path / "valkey") as valkey:
        async with syncer("a syncer", projections, valkey.url, nats_url) as made:
            first, second = (by_read(Product(updated=number, title=f"Take {number}")) for number in (1, 2))
            await made.say(await made.project(first), first)
            await asyncio.to_thread(valkey.pause)
            try:
                projected = await made.project(second)
                began = time.monotonic()
                await made.say(projected, second)
                assert time.monotonic() - began < WINDOW * 0.8  # less what a feed takes, and a silence to be noticed
            finally:
                await asyncio.to_thread(valkey.resume)
