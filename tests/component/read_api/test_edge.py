"""read-api behind a Varnish that the purger tells: an edit is at the edge, and what was before never comes back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from edges import varnish
from lines import Line, line
from projected import ORGANIZER, Event, Shop
from waiting import eventually

from sandbox.processes import Process
from shared.bus import Bus, make_broker, running, stream_problem
from shared.contracts import EventProjectedV1
from shared.loops import Loop
from shared.postgres import close, connect
from shared.settings import NatsSettings, PostgresSettings
from shared.topology import PROJECTIONS
from syncer import metrics
from syncer.purger.agent import Purger
from syncer.purger.settings import CdnSettings

JAZZ = Event(42)
PATH = f"/v1/events/{JAZZ.id}"
REPEAT_AFTER = 1.0  # seconds; more than an answer takes in these tests


@dataclass
class Whole:
    """Everything between an edit and a reader at the edge."""

    shop: Shop
    bus: Bus
    reader: httpx2.AsyncClient  # at the edge
    line: Line  # between the edge and read-api

    async def edit(self, event: Event, **changes: Any) -> Event:
        """What the syncer does: commit, raise Redis, announce."""
        changed = await self.shop.change(event, **changes)
        announcement = await self.shop.announcement(changed)
        collection = await self.shop.collection()
        given = announcement.model_dump() | {"events_revision": collection}
        await self.bus.publish(EventProjectedV1(**given))
        return changed

    async def title(self, path: str = PATH) -> str | None:
        answer = await self.reader.get(path)
        return answer.json()["title"] if answer.status_code == 200 else None

    async def shows(self, title: str | None) -> bool:
        return await self.title() == title

    async def is_kept(self, path: str = PATH) -> bool:
        return "edge; hit" in (await self.reader.get(path)).headers.get("Cache-Status", "")


@pytest.fixture
async def whole(process: Process, shop: Shop, settings, nats_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    # Ten seconds at the edge by default: whatever changes there sooner was purged.
    nats, database = NatsSettings(nats_url=nats_url), settings().postgres_dsn.get_secret_value()
    broker = make_broker(nats, "test")
    pool = await connect(PostgresSettings(postgres_dsn=database), "test")
    async with line(process.url) as between:  # type: ignore[attr-defined]
        with varnish(tmp_path, between.url.removeprefix("http://")) as edge:
            given = {
                "cdn_provider": "varnish", "cdn_varnish_urls": edge.purges, "cdn_interval": 0.05,
                "cdn_repeat_after": REPEAT_AFTER,
            }  # fmt: skip
            purger = Loop("purger", Purger(CdnSettings.model_validate(given), pool, Bus(broker)).step, 0.1)
            async with running(broker), httpx2.AsyncClient(base_url=edge.url, timeout=10, trust_env=False) as reader:
                await eventually(lambda: _answers(broker))
                purger.start()
                await eventually(lambda: _settled(pool), within=15)
                yield Whole(shop, Bus(broker), reader, between)
                await purger.stop()
    await close(pool)


async def _answers(broker: Any) -> bool:
    return await stream_problem(broker, PROJECTIONS) is None


async def _settled(pool: Any) -> bool:
    """It began, and has purged everything for the last time."""
    return await pool.fetchval("SELECT edge IS NOT NULL AND owed IS NULL FROM purger")


async def test_an_edit_is_at_the_edge_a_withdrawn_event_gone_from_it_and_no_draft_or_token_ever_there(whole: Whole):
    await whole.shop.save(JAZZ, Event(7, status="draft", secret="canary-secret"))
    assert await whole.title() == "Jazz Night"
    assert await whole.is_kept()
    await whole.reader.get("/v1/events")
    assert await whole.is_kept("/v1/events")
    changed = await whole.edit(JAZZ, title="Blues Night")
    await eventually(lambda: whole.shows("Blues Night"))
    await eventually(lambda: _listed(whole, "Blues Night"))
    await _is_told_organizers_only(whole)
    await whole.edit(changed, status="draft")
    await eventually(lambda: whole.shows(None))


async def _is_told_organizers_only(whole: Whole) -> None:
    """Each address with and without a token, twice, in both orders."""
    for path in ("/v1/manage/events/7", "/v1/manage/events", "/v1/manage/events/7/tickets"):
        for _ in range(2):
            answer = await whole.reader.get(path, headers=ORGANIZER)
            assert answer.status_code == 200
            assert "hit" not in answer.headers["Cache-Status"].partition("edge")[2]
            assert (await whole.reader.get(path)).status_code == 401
    for path in ("/v1/events/7", "/v1/events", "/v1/events/7/tickets", "/v1/events/by-handle/event-7"):
        for headers in (ORGANIZER, {}, ORGANIZER):
            assert "canary" not in (await whole.reader.get(path, headers=headers)).text


async def _listed(whole: Whole, title: str) -> bool:
    return [each["title"] for each in (await whole.reader.get("/v1/events")).json()["events"]] == [title]


async def test_an_answer_that_was_on_its_way_when_the_edge_was_purged_does_not_stay(whole: Whole, process: Process):
    """The fill race at the edge: the old answer is stored after the first purge, and gone with its repeat."""
    await whole.shop.save(JAZZ)
    await whole.reader.get("/v1/status")  # now there is a connection, which the edge will use again
    whole.line.hold()
    asking = asyncio.create_task(whole.reader.get(PATH))
    await eventually(lambda: _answered(process), saying="read-api has answered, and its answer is on its way")
    purges = metrics.CDN_PURGES.labels("varnish", "tags")._value.get()
    await whole.edit(JAZZ, title="Blues Night")
    await eventually(lambda: metrics.CDN_PURGES.labels("varnish", "tags")._value.get() > purges)
    whole.line.release()
    assert (await asking).json()["title"] == "Jazz Night"
    assert await whole.title() == "Jazz Night", "it came in after the purge"
    await eventually(lambda: whole.shows("Blues Night"), within=REPEAT_AFTER + 3)
    assert await whole.is_kept()


async def _answered(process: Process) -> bool:
    async with httpx2.AsyncClient(trust_env=False) as client:
        said = (await client.get(f"{process.url}/metrics")).text  # type: ignore[attr-defined]
    return 'route="/v1/events/{event_id}"' in said
