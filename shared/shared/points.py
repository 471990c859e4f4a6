"""Where the shop's cost points are kept in Redis, and how many are left: for whoever shows them, and spends none."""

import asyncio
from dataclasses import dataclass
from typing import Any

import redis.asyncio

from shared.tags import RedisUnavailable, answering

READ_WITHIN = 0.25  # seconds

# The arithmetic of shared/shopify/bucket.py, `now`. Of this server's clock, like all that is written there.
_READ = """
local kept = redis.call('HMGET', KEYS[1], 'maximum', 'rate', 'available', 'at', 'held')
if not kept[1] then return false end
local time = redis.call('TIME')
local maximum, rate, available, at, held =
  tonumber(kept[1]), tonumber(kept[2]), tonumber(kept[3]), tonumber(kept[4]), tonumber(kept[5])
local room = math.max(maximum - held, math.min(available, maximum))
local passed = math.max(0, time[1] + time[2] / 1000000 - at)
local left = math.min(room, available + passed * rate)
return {string.format('%.17g', left), kept[1], kept[2]}
"""


@dataclass(frozen=True, slots=True)
class Points:
    """`available` of `maximum` points may be asked for now; `restore_rate` points flow in each second."""

    available: float
    maximum: float
    restore_rate: float


def points_key(shop: str) -> str:
    """The one key of a shop's points; written by shared/shopify/ledger only."""
    return f"understudy:points:{shop}"


async def points_left(client: "redis.asyncio.Redis", shop: str) -> Points | None:
    """None while nobody has asked Shopify for anything. Raises RedisUnavailable."""
    try:
        async with asyncio.timeout(READ_WITHIN), answering():
            answer: Any = await client.eval(_READ, 1, points_key(shop))
    except TimeoutError:
        raise RedisUnavailable(f"Redis does not answer within {READ_WITHIN:g} s") from None
    return None if answer is None else Points(*(float(number) for number in answer))
