"""What /v1/status says of being in step with Shopify: backfill, reconcile, drift, open runs; whatever is missing."""

from typing import Any

import asyncpg
import httpx2
import jsonschema
import orjson
import pytest
from databases import fresh_database
from projected import Event, Shop
from waiting import eventually

from sandbox.servers import free_port
from shared.migrations import load
from shared.points import points_key
from shared.tags import Tags

NOTHING = {"backfill": None, "last_reconcile": None, "drift": None, "runs": None}


async def run(shop: Shop, kind: str, scope: str = "", state: str = "succeeded", **columns: Any) -> None:
    """A row of `runs`; one that is over began a minute ago and ended now."""
    values = {"kind": kind, "scope": scope, "asked_by": "schedule", "state": state} | columns
    names = ", ".join(values)
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    over = state in ("succeeded", "failed", "cancelled")
    await shop.connection.execute(
        f"INSERT INTO runs ({names}, asked_at, started_at, finished_at) VALUES ({places}, now() - interval '1 minute',"  # noqa: S608 (our own names)
        f" now() - interval '1 minute', {'now()' if over else 'NULL'})",
        *values.values(),
    )


async def drifted(shop: Shop, cause: str, age: str = "0 hours") -> None:
    await shop.connection.execute(
        "INSERT INTO drift (event_id, field, cause, found_at, theirs_at)"
        " VALUES (42, 'title', $1, now() - $2::text::interval, now())",
        cause,
        age,
    )


async def told(api: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await api.get("/v1/status")
    assert answer.status_code == 200
    status = answer.json()
    document = (await api.get("/openapi.json")).json()
    shape = {"$ref": "#/components/schemas/LiveStatus", "components": document["components"]}
    jsonschema.validate(status, shape)
    assert set(status) == set(document["components"]["schemas"]["LiveStatus"]["properties"])
    return status


async def test_before_anything_ran_there_is_nothing_to_say(api: httpx2.AsyncClient):
    status = await told(api)
    causes = {"missed": 0, "late": 0, "truncated": 0, "tie": 0}
    assert {name: status[name] for name in NOTHING} == {
        **NOTHING,
        "drift": {"last_24h": 0, "by_cause": causes},
        "runs": [],
    }
    assert status["shopify"] == {"budget_left": None}


async def test_the_last_reconcile_its_drift_and_what_runs_now_are_told(api: httpx2.AsyncClient, shop: Shop):
    report = orjson.dumps({"checked": 1200, "repaired": 12, "drift": {"missed": 3}}).decode()
    await run(shop, "reconcile", "whole", report="{}")
    await run(shop, "reconcile", "window", report=report)
    await run(shop, "reconcile", "window", "failed", error="no")
    await run(shop, "rebuild", "", "running", stage="reading", done=30, expected=100)
    for cause, age in (("missed", "1 hour"), ("missed", "23 hours"), ("tie", "2 hours"), ("late", "25 hours")):
        await drifted(shop, cause, age)
    status = await told(api)
    reconciled = status["last_reconcile"]
    assert (reconciled["scope"], reconciled["checked"], reconciled["repaired"]) == ("window", 1200, 12)
    assert reconciled["finished_at"].endswith("Z")
    assert 0 <= reconciled["age_seconds"] < 60
    assert status["drift"] == {"last_24h": 3, "by_cause": {"missed": 2, "late": 0, "truncated": 0, "tie": 1}}
    assert status["runs"] == [{"kind": "rebuild", "scope": "", "stage": "reading", "done": 30, "expected": 100}]


@pytest.mark.parametrize(
    ("states", "finished", "products", "failed", "complete"),
    [
        (["running"], False, 30, False, False),
        (["succeeded"], True, 33, False, True),
        (["succeeded", "failed"], False, 30, True, True),
        (["succeeded", "cancelled"], True, 33, False, True),
        (["asked"], False, 30, False, False),
    ],
)
async def test_a_backfill_is_finished_only_when_it_succeeded(
    api: httpx2.AsyncClient, shop: Shop, states, finished, products, failed, complete
):
    for state in states:
        report = '{"products": 33, "expected": 33}' if state == "succeeded" else None
        error = "BulkOperationFailed: no" if state == "failed" else None
        await run(shop, "backfill", "", state, done=30, expected=40, report=report, error=error)
    backfill = (await told(api))["backfill"]
    assert (backfill["finished_at"] is not None) == finished
    assert (backfill["products"], backfill["failed"], backfill["complete"]) == (products, failed, complete)
    assert backfill["expected"] == (33 if products == 33 else 40)
    assert backfill["started_at"] is not None
    assert backfill["error"] == ("BulkOperationFailed" if failed else None)
    assert (backfill["last_succeeded_at"] is not None) == complete


async def test_on_tables_of_the_release_before_it_says_what_it_can(serve, postgres_dsn: str):
    async with fresh_database(postgres_dsn) as old:
        connection = await asyncpg.connect(old)
        try:
            await connection.execute(load("syncer")[0].sql)
        finally:
            await connection.close()
        async with serve(postgres_dsn=old) as api:
            status = await told(api)
            assert {name: status[name] for name in NOTHING} == NOTHING
            assert (status["events"], "postgres" in status["degraded"]) == (0, False)


async def test_without_postgresql_it_says_that_nothing_is_known(serve):
    async with serve(ready=False, postgres_dsn=f"postgresql://nobody@127.0.0.1:{free_port()}/nothing") as api:
        status = await told(api)
        assert {name: status[name] for name in NOTHING} == NOTHING
        assert "postgres" in status["degraded"]


async def test_the_points_that_are_left_at_shopify_are_read_from_redis(serve, tags: Tags):
    async with serve(shopify_shop="Blue-Hall.myshopify.com") as api:
        assert (await told(api))["shopify"] == {"budget_left": None}
    now = (await tags.client.time())[0]
    figures = {"maximum": 2000, "rate": 100, "available": 1500, "at": now + 60, "held": 0}
    await tags.client.hset(points_key("blue-hall.myshopify.com"), mapping=figures)
    async with serve(shopify_shop="Blue-Hall.myshopify.com") as api:
        assert (await told(api))["shopify"] == {"budget_left": 1500.0}


async def test_the_process_that_answers_tells_of_its_memory_and_of_what_it_hears(serve, shop: Shop):
    await shop.save(Event(42))
    async with serve(l1_max_bytes=1 << 20) as api, serve() as other:
        await eventually(lambda: hears(api))
        for _ in range(4):
            assert (await api.get("/v1/events/42")).status_code == 200

        async def counted() -> dict[str, Any]:
            process: dict[str, Any] = (await told(api))["process"]
            assert process["l1"]["hits"] == 3
            return process

        process = await eventually(counted)  # a status is up to a second old
        assert (process["l1"]["documents"], process["l1"]["misses"]) == (1, 1)
        assert process["l1"]["hit_ratio"] == 0.75
        assert 0 < process["l1"]["bytes"] < process["l1"]["max_bytes"]
        assert process["feed"]["silent_seconds"] < 1
        assert process["live_streams"] == 0
        assert process["id"] == (await told(api))["process"]["id"] != (await told(other))["process"]["id"]


async def hears(api: httpx2.AsyncClient) -> bool:
    """Before that nothing is answered from memory."""
    live: bool = (await told(api))["process"]["feed"]["live"]
    return live


async def test_without_nats_it_says_so_and_that_it_hears_nothing(serve):
    async with serve(nats_url=f"nats://127.0.0.1:{free_port()}") as api:
        status = await told(api)
        assert "nats" in status["degraded"]
        assert status["process"]["feed"] == {"live": False, "silent_seconds": None, "heard": None}
