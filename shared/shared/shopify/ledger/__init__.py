"""The points of one shop in Redis, shared by all processes: four scripts over one key, by Redis' own clock.

    take        the points, or how long to wait: nobody overtakes those who were told to wait, of any process
    give_back   what was not used; and everything an answer says about the level, the limit and the document's cost
    look        how things stand; takes and writes nothing
    join        a process begins, or was away: what it has under way, and (away) that the level is not to be trusted

Each is atomic, safe in a cluster (one key), and safe to send twice. The arithmetic is that of `shared.shopify.bucket`.
A process that dies holding points, or its place in the line, loses both in time: those points count as used.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import orjson
import redis.asyncio

from shared.points import points_key
from shared.shopify.bucket import CUT, LARGEST_REQUEST, LEAST, MISLED, RECOVERY, Bucket, Level, ThrottleStatus
from shared.shopify.shares import HEAD_ROOM
from shared.shopify.till import Ask, Granted, Later, Never
from shared.tags import RedisUnavailable, answering

WITHIN = 0.1  # seconds for one call; a local Redis takes 0.3 ms
# A second try, for a connection that was closed meanwhile, or a process that was busy itself for so long.
ATTEMPTS = 2

# Before the first answer: the smallest bucket seen in recorded answers of a live shop (docs/shopify.md 2.1).
FIRST_MAXIMUM = 1000.0  # points
FIRST_RATE = 50.0  # points a second
# When nothing is known: half of what is never taken, so it is there whatever was spent; enough to ask for `shop`.
START = HEAD_ROOM / 2
CLAIM_MARGIN = 10.0  # seconds on top of a request's time-out: to send it, and to say that it is over

_TERMS = {
    "maximum": FIRST_MAXIMUM,
    "rate": FIRST_RATE,
    "start": START,
    "head_room": HEAD_ROOM,
    "grace": 3.0,  # seconds; who was away comes back within one
    "careful": 0.25,  # of the bucket, left to those who are on their way back
    "soonest": 0.01,  # seconds between two asks: never a tight loop
    "latest": 1.0,  # seconds; others may have given back more than was expected
    "soon": 0.1,  # seconds, while requests under way have to end first
    "patience": 1.0,  # seconds a place in the line is kept for who was to come back
    "claims": 2000,  # requests under way; the largest bucket (40,000) has no points for more
    "line": 500,  # places
    "documents": 1000,
    "cut": CUT,
    "recovery": RECOVERY,
    "least": LEAST,
    "misled": MISLED,
    "largest": LARGEST_REQUEST,
    "keep": 86_400_000,  # milliseconds without any request; a bucket is full again after 20 s
}


@dataclass(frozen=True, slots=True)
class Entry:
    """How the ledger stood after a call: points, points a second, seconds of its own clock."""

    outcome: str
    seconds: float
    order: float
    born: str
    told: bool
    available: float
    maximum: float
    rate: float
    at: float
    held: float
    allowed: float

    @property
    def level(self) -> Level:
        """As far as it is allowed now."""
        bucket = Bucket(self.maximum, self.rate, self.available, self.at, held=self.held, allowed=self.allowed)
        return bucket.level(self.at)


class Ledger:
    """All methods raise RedisUnavailable, within 0.2 s. `now`: the clock's seconds instead of Redis' own."""

    def __init__(self, client: "redis.asyncio.Redis", shop: str, *, request_timeout: float = 30.0) -> None:
        # Unique over all processes; every id that this process hands out begins with it.
        self.process = f"{secrets.token_hex(6)}."
        self._key = points_key(shop)
        self._terms = orjson.dumps(_TERMS | {"claim": request_timeout + CLAIM_MARGIN})
        texts = {path.name: path.read_text("utf-8") for path in files(__name__).iterdir() if path.name.endswith(".lua")}
        self._take, self._give_back, self._look, self._join = (
            client.register_script(texts["points.lua"] + texts[f"{name}.lua"])
            for name in ("take", "give_back", "look", "join")
        )

    async def take(self, ask: Ask, *, now: float | None = None) -> tuple[Granted | Later | Never, Entry]:
        left = ask.left
        asked = {"id": ask.id, "cost": ask.cost, "rank": ask.rank, "least": left.least, "most": left.most}
        entry, _ = await self._call(self._take, asked | {"order": ask.order}, now)
        ask.order = entry.order
        match entry.outcome:
            case "granted":
                return Granted(ask.id, ask.cost), entry
            case "never":
                return Never(entry.maximum), entry
        return Later(entry.seconds), entry

    async def give_back(
        self,
        claim: str,
        actual: float,
        status: ThrottleStatus | None = None,
        learnt: tuple[str, float] | None = None,
        *,
        refused: bool = False,
        now: float | None = None,
    ) -> Entry:
        """A claim that is not known (any more) was counted as used; its status can only lower the level.

        `refused`: Shopify said that it had no points for it.
        """
        told = status and {"maximum": status.maximum, "available": status.available, "rate": status.rate}
        document, cost = learnt or (None, None)
        asked = {"id": claim, "actual": actual, "status": told, "document": document, "cost": cost}
        asked["refused"] = int(refused)
        return (await self._call(self._give_back, asked, now))[0]

    async def look(self, *, now: float | None = None) -> Entry:
        """How things stand."""
        return (await self._call(self._look, {}, now))[0]

    async def join(
        self, under_way: Mapping[str, float], *, away: bool, now: float | None = None
    ) -> tuple[Entry, dict[str, float]]:
        """`under_way`: id and cost of each request; others of this process are dropped. Also the learnt costs."""
        asked = {"process": self.process, "away": int(away), "claims": dict(under_way)}
        entry, rest = await self._call(self._join, asked, now)
        return entry, {rest[i].decode(): float(rest[i + 1]) for i in range(0, len(rest), 2)}

    async def leave(self, ask: Ask) -> None:
        """Give up a place in the line, so that the next need not wait for it to expire."""
        async with answering(), asyncio.timeout(WITHIN):
            await self._take.registered_client.hdel(self._key, f"q:{ask.id}")

    async def _call(self, script: Any, asked: Mapping[str, Any], now: float | None) -> tuple[Entry, list[bytes]]:
        said = {name: value for name, value in asked.items() if value is not None}
        said["name"] = secrets.token_hex(6)
        if now is not None:
            said["now"] = now
        reply = await self._answer(script, [orjson.dumps(said), self._terms])
        outcome, seconds, order, born, told, available, maximum, rate, at, held, allowed, *rest = reply
        numbers = (float(number) for number in (available, maximum, rate, at, held, allowed))
        return Entry(outcome.decode(), float(seconds), float(order), born.decode(), told == b"1", *numbers), rest

    async def _answer(self, script: Any, arguments: list[bytes]) -> list[bytes]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with answering(), asyncio.timeout(WITHIN):
                    reply: list[bytes] = await script([self._key], arguments)
                    return reply
            except RedisUnavailable as error:
                if attempt == ATTEMPTS or not isinstance(error.__cause__, TimeoutError):
                    raise
        raise RedisUnavailable  # never reached: the last attempt returns or raises
