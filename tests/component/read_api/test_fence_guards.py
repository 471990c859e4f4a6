"""Each guard of the cache protocol is needed: without it, a race is lost."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, ClassVar

import asyncpg
import pytest
import races
from races import Race
from redis.asyncio import Redis
from replicas import Kit, Stage, stage

from read_api.database import Database
from read_api.floors import Floors
from read_api.l1 import L1, Entry
from read_api.reader import Answer, Reader, Wanted
from shared.tags import Document, Tags, event_tag


def without(script: str, guard: str) -> type[Tags]:
    """Tags one of whose scripts lacks what `guard` (a regular expression) finds in it, once."""
    source = (files("shared.tags") / f"{script}.lua").read_text()
    mutilated, found = re.subn(guard, "", source)
    assert found == 1, f"{script}.lua has no such guard any more: {guard}"

    class Unguarded(Tags):
        def __init__(self, client: Redis) -> None:
            super().__init__(client)
            setattr(self, f"_{script}", client.register_script(mutilated))

    return Unguarded


class UnhearingFloors(Floors):
    def heard(self, event: Any, *, late: bool, sequence: int) -> None:
        """What others announce is not for us."""


class UnansweringFloors(Floors):
    def lift(self, tag: str, revision: int) -> None:
        """What we have answered is forgotten."""


class UnhearingL1(L1):
    def heard(self, event: Any, *, late: bool, sequence: int) -> None:
        """What others announce is not for us."""


class UnansweringL1(L1):
    """What we have answered makes nothing older; only what is heard does."""

    def drop(self, tag: str, revision: int) -> None:
        pass

    def heard(self, event: Any, *, late: bool, sequence: int) -> None:  # noqa: ARG002 (as there)
        super().drop(event_tag(event.event_id), event.revision)


class TimelessL1(L1):
    def store(self, tag: str, name: str, document: Document, generation: int) -> Entry | None:  # noqa: ARG002 (that is what is missing)
        return super().store(tag, name, document, self.generation)


class TrustingL1(L1):
    @property
    def trusted(self) -> bool:
        return True


class UnmovedL1(TrustingL1):
    def interrupted(self) -> None:
        """What may have been missed will not have been important."""

    def resumed(self, *, missed: bool) -> None:
        """As above."""


class ContentReader(Reader):
    async def _load_once(self, wanted: Wanted) -> tuple[Answer, bool]:
        return await self._coalescer.join((wanted.tag, wanted.name), lambda: self._fetch(wanted))


class LaggingDatabase(Database):
    """A read replica that never catches up."""

    held: ClassVar[dict[str, list[asyncpg.Record]]] = {}

    async def rows(self, query: str, **values: Any) -> list[asyncpg.Record]:
        rows = await super().rows(query, **values)
        return self.held.setdefault(query, rows)


async def loaded_from_a_replica(stage: Stage) -> None:
    """A newcomer's own loads come from a read replica."""
    LaggingDatabase.held.clear()
    first = await stage.replica()
    await stage.read(first)
    await stage.change()
    stage.seen()
    await stage.read(await stage.replica())


@dataclass(frozen=True)
class Guard:
    """What is taken out, and the race that is lost without it."""

    name: str
    race: Race
    kit: Callable[[], Kit] = Kit
    announces_first: bool = False


def fill(guard: str) -> Callable[[], Kit]:
    return lambda: Kit(tags=without("fill", guard))


LEASE = r"if not held or string\.match\(held, .*\) ~= ARGV\[2\] then return 0 end\n"
REVISION = r"if tonumber\(ARGV\[3\]\) < revision then return 0 end\n"
DROP = r"redis\.call\('DEL', KEYS\[1\]\)\n"

GUARDS = (
    Guard("lease", races.in_redis, fill(LEASE)),
    Guard("revision of a fill", races.beside_a_newer_document, fill(REVISION)),
    Guard("purge drops documents", races.with_a_newcomer, lambda: Kit(tags=without("purge", DROP))),
    Guard("floor, as heard", races.in_l1, lambda: Kit(floors=UnhearingFloors)),
    Guard("floor, as answered", races.with_redis_back_with_its_memory, lambda: Kit(floors=UnansweringFloors)),
    Guard("re-read", races.in_a_joined_load, lambda: Kit(reader=ContentReader)),
    Guard("L1 drops what it hears of", races.in_l1_that_holds_it, lambda: Kit(l1=UnhearingL1)),
    Guard("L1 drops what is below an answer", races.of_a_commit_that_nobody_has_said, lambda: Kit(l1=UnansweringL1)),
    Guard("generation", races.across_a_generation, lambda: Kit(l1=TimelessL1)),
    Guard("trust ends with silence", races.with_a_stopped_process, lambda: Kit(l1=TrustingL1)),
    Guard("a broken feed empties L1", races.with_a_broken_feed, lambda: Kit(l1=UnmovedL1)),
    Guard("order", races.with_a_newcomer_between_raising_and_announcing, announces_first=True),
    Guard("primary", loaded_from_a_replica, lambda: Kit(database=LaggingDatabase)),
)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
async def test_without_it_a_race_is_lost(guard: Guard, settings, shop):
    async with stage(settings(), shop, guard.kit()) as played:
        played.announces_first = guard.announces_first
        await guard.race(played)
        assert await played.verdict() != []
