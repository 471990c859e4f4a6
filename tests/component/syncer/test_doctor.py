"""The doctor against a simulated Shopify, a real NATS and a real PostgreSQL: what it finds, and what it mends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from faststream.nats import NatsBroker
from pydantic import HttpUrl
from shop_control import ShopControl
from waiting import eventually

from sandbox.shopify.app import create_app
from sandbox.shopify.serving import serving
from sandbox.shopify.settings import ShopifySettings as SimulatorSettings
from shared.bus import Bus, consumer_problem, make_broker, running
from shared.contracts import Origin, ProductChangedV1, ProductDeletedV1, Shape
from shared.postgres import transaction
from shared.provision import provision
from shared.settings import NatsSettings
from shared.shopify import ShopifyClient, ShopifySettings, shopify
from shared.topology import CHANGES, DEAD_LETTERS, SYNCER_CHANGES
from syncer.doctor import Doctor, Registrar, wanted
from syncer.doctor.canary import TAG, TITLE, Canary
from syncer.doctor.ledger import Ledger
from syncer.doctor.registrar import LOCK, MARGIN
from syncer.doctor.subscriptions import TOPICS
from syncer.rules import Rules
from syncer.runs import Run, Runner, Runs
from syncer.settings import SyncerSettings

TOKEN, SECRET, SHOP = "shpat_of_the_test", "secret-of-the-test", "understudy.myshopify.com"
HOOKS = HttpUrl("http://127.0.0.1:9/hooks")
VERSION = "2026-10"
GRACE = 30.0  # seconds
MINUTE = timedelta(minutes=1)
ADD = """mutation ($topic: WebhookSubscriptionTopic!, $input: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $input) { userErrors { message } } }"""


@dataclass
class Practice:
    """The doctor, and everything it looks at."""

    control: ShopControl
    client: ShopifyClient
    registrar: Registrar
    doctor: Doctor
    runs: Runs
    broker: NatsBroker
    settings: SyncerSettings

    @property
    def pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        return self.runs.pool

    async def visit(self, scope: str = "check") -> dict[str, list[tuple[str, str, str | None]]]:
        """By check: (state, says, todo) of each finding of the run's report."""
        run = await self.runs.ask("doctor", scope, asked_by="operator")
        await Runner("doctor", self.pool, self.doctor).step()
        [row] = await self.rows("SELECT state, report, error FROM runs WHERE id = $1", run)
        assert row["state"] == "succeeded", row
        found: dict[str, list[tuple[str, str, str | None]]] = {}
        for each in row["report"]["findings"]:
            found.setdefault(each["check"], []).append((each["state"], each["says"], each["todo"]))
        return found

    async def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        async with transaction(self.pool) as connection:
            return [dict(row) for row in await connection.fetch(statement, *arguments)]

    async def registered(self) -> dict[str, dict[str, Any]]:
        answer = await self.client.execute("webhook_subscriptions")
        return {each["topic"]: each for each in answer.data["webhookSubscriptions"]["nodes"]}

    async def remove(self, *topics: str) -> None:
        """As Shopify does after 8 failures."""
        for topic, each in (await self.registered()).items():
            if topic in topics or not topics:
                await self.client.execute("webhook_subscription_delete", {"id": each["id"]})

    async def gaps(self) -> list[datetime]:
        """Since when what was asked for shall be reconciled."""
        asked = await self.rows("SELECT options FROM runs WHERE kind = 'reconcile' AND asked_by = 'doctor' ORDER BY id")
        return [datetime.fromisoformat(each["options"]["since"]) for each in asked]

    async def backfilled(self) -> None:
        """The shop was read whole, an hour ago."""
        await self.rows(
            "INSERT INTO runs (kind, asked_by, state, started_at, finished_at) "
            "VALUES ('backfill', 'start', 'succeeded', now() - interval '1 hour', now() - interval '1 hour')"
        )


Open = Callable[..., Awaitable[Practice]]


@pytest.fixture
async def broker(nats_url: str) -> AsyncIterator[NatsBroker]:
    """Connected, with nothing on the bus."""
    await provision(NatsSettings(nats_url=nats_url))
    broker = make_broker(NatsSettings(nats_url=nats_url), "test")
    async with running(broker):
        await eventually(lambda: _connected(broker))
        for stream in (CHANGES, DEAD_LETTERS):
            await broker.connection.jetstream().purge_stream(stream.name)
        yield broker


async def _connected(broker: NatsBroker) -> bool:
    return await consumer_problem(broker, SYNCER_CHANGES) is None


@pytest.fixture
async def practice(pool, broker: NatsBroker, nats_url: str) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def start(
            *, hooks: HttpUrl | None = HOOKS, simulator: dict[str, Any] | None = None, **settings: Any
        ) -> Practice:
            shop = {"access_token": TOKEN, "client_secret": SECRET, "events": 1, "allow_http": True}
            url = await stack.enter_async_context(serving(create_app(SimulatorSettings(**shop | (simulator or {})))))
            control = ShopControl(url)
            stack.push_async_callback(control.aclose)
            named = {"shopify_shop": SHOP, "shopify_admin_url": url, "shopify_access_token": TOKEN}
            servers = {"nats_url": nats_url, "postgres_dsn": "postgresql://not/used", "redis_url": "redis://not-used"}
            made = SyncerSettings(**servers | named | settings)
            client = await stack.enter_async_context(shopify(ShopifySettings(**named), redis=None))
            registrar = Registrar(pool, client, wanted(hooks, made.rules().namespaces()), VERSION, GRACE)
            doctor = Doctor(pool, client, broker, made, registrar)
            return Practice(control, client, registrar, doctor, Runs(pool), broker, made)

        yield start


# The subscriptions


async def test_at_the_first_start_all_are_registered_and_nothing_was_missed(practice: Open):
    at = await practice()
    await at.registrar.step()
    there = await at.registered()
    assert len(there) == len(TOPICS)
    update = there["PRODUCTS_UPDATE"]
    assert update["uri"] == "http://127.0.0.1:9/hooks/webhooks/products/update"
    assert set(update["metafieldNamespaces"]) == {"event", "ticket"}
    assert there["PRODUCTS_DELETE"]["metafieldNamespaces"] == []
    await at.registrar.step()
    assert await at.registered() == there
    assert await at.gaps() == []


async def test_what_was_deleted_is_back_and_what_changed_meanwhile_is_reconciled(practice: Open):
    at = await practice()
    await at.registrar.step()
    [watch] = await at.rows("SELECT well_at FROM webhook_watch")
    await at.remove()
    [(state, says, _), *_] = (await at.visit())["subscriptions"]
    assert (state, "may have been missed" in says) == ("repaired", True)
    assert len(await at.registered()) == len(TOPICS)
    assert await at.gaps() == [watch["well_at"] - MARGIN]
    [begins] = await at.rows("SELECT due_at - now() AS later FROM runs WHERE kind = 'reconcile'")
    assert begins["later"] > timedelta(seconds=GRACE) - MINUTE / 6  # when its window reaches to the mending
    assert (await at.visit())["subscriptions"][0][0] == "ok"
    assert len(await at.gaps()) == 1


async def test_after_a_backfill_of_a_release_that_kept_no_watch_the_gap_begins_with_it(practice: Open):
    at = await practice()
    await at.backfilled()
    await at.registrar.step()
    [since] = await at.gaps()
    assert timedelta(hours=1) <= datetime.now(UTC) - MARGIN - since < timedelta(hours=1, minutes=1)


async def test_a_gap_is_not_forgotten_when_we_die_between_mending_and_asking(practice: Open, monkeypatch):
    at = await practice()
    await at.registrar.step()
    await at.remove("PRODUCTS_UPDATE")

    class Died(Exception):
        pass

    async def die(*_: Any, **__: Any) -> int:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Runs, "ask", die)
        with pytest.raises(Died):
            await at.registrar.step()
    assert "PRODUCTS_UPDATE" in await at.registered()
    assert await at.gaps() == []
    await at.registrar.step()
    assert len(await at.gaps()) == 1


async def test_a_reconcile_that_was_asked_for_already_is_told_to_look_further_back(practice: Open):
    at = await practice()
    await at.registrar.step()
    [watch] = await at.rows("SELECT well_at FROM webhook_watch")
    late = datetime.now(UTC).isoformat()
    run = await at.runs.ask("reconcile", "window", asked_by="schedule", options={"since": late})
    await at.remove("PRODUCTS_DELETE")
    await at.registrar.step()
    [row] = await at.rows("SELECT options FROM runs WHERE id = $1", run)
    assert datetime.fromisoformat(row["options"]["since"]) == watch["well_at"] - MARGIN


async def test_one_that_is_under_way_and_looks_at_less_is_no_answer_and_it_is_asked_again(practice: Open):
    at = await practice()
    await at.registrar.step()
    late = datetime.now(UTC).isoformat()
    run = await at.runs.ask("reconcile", "window", asked_by="schedule", options={"since": late})
    await at.rows("UPDATE runs SET state = 'running' WHERE id = $1", run)
    await at.remove("PRODUCTS_DELETE")
    [(state, says, _), *_] = (await at.visit())["subscriptions"]
    assert (state, "when the one that is under way has ended" in says) == ("repaired", True)
    await at.rows("UPDATE runs SET state = 'succeeded', finished_at = now() WHERE id = $1", run)
    await at.registrar.step()
    assert len(await at.gaps()) == 1


async def test_one_that_lacks_metafields_is_mended_in_place(practice: Open):
    at = await practice()
    await Registrar(at.pool, at.client, wanted(HOOKS, ["event"]), VERSION, GRACE).step()
    before = (await at.registered())["PRODUCTS_CREATE"]
    await at.registrar.step()
    after = (await at.registered())["PRODUCTS_CREATE"]
    assert after["id"] == before["id"]
    assert set(after["metafieldNamespaces"]) == {"event", "ticket"}
    assert await at.gaps() == []  # what a body leaves out is read


async def test_one_whose_fields_starve_us_is_made_anew_and_the_gap_reconciled(practice: Open):
    at = await practice()
    await at.registrar.step()
    await at.remove("PRODUCTS_UPDATE")
    uri = f"{HOOKS}/webhooks/products/update"
    await add(at, "PRODUCTS_UPDATE", {"uri": uri, "includeFields": ["id", "updated_at"]})
    before = (await at.registered())["PRODUCTS_UPDATE"]
    assert before["includeFields"] == ["id", "updated_at"]
    [(state, says, _), *_] = (await at.visit())["subscriptions"]
    after = (await at.registered())["PRODUCTS_UPDATE"]
    assert (state, "includeFields" in says) == ("repaired", True)
    assert (after["includeFields"], after["id"] == before["id"]) == ([], False)
    assert len(await at.gaps()) == 1


async def test_doubles_go_and_what_leads_elsewhere_stays_and_is_mentioned(practice: Open):
    at = await practice()
    await at.registrar.step()
    await add(at, "PRODUCTS_UPDATE", {"uri": f"{HOOKS}/webhooks/products/update/"})
    await add(at, "ORDERS_CREATE", {"uri": "https://other.example/orders"})
    done, elsewhere = (await at.visit())["subscriptions"]
    assert (done[0], done[1]) == ("repaired", "Removed 1 double.")
    assert (elsewhere[0], "other.example" in elsewhere[1]) == ("ok", True)
    answer = await at.client.execute("webhook_subscriptions")
    assert len(answer.data["webhookSubscriptions"]["nodes"]) == len(TOPICS) + 1


async def test_an_address_that_shopify_refuses_is_said_in_its_words_with_what_to_do(practice: Open):
    at = await practice(simulator={"allow_http": False})
    [(state, says, todo), *_] = (await at.visit())["subscriptions"]
    assert state == "failed"
    assert "Address protocol http:// is not supported" in says
    assert todo is not None
    assert "https" in todo
    assert await at.registered() == {}
    assert await at.gaps() == []


async def test_subscriptions_of_another_version_are_made_anew_once_and_then_only_said(practice: Open):
    at = await practice()
    elsewhere = Registrar(at.pool, at.client, wanted(HOOKS, at.settings.rules().namespaces()), "2027-01", GRACE)
    await at.registrar.step()
    before = await at.registered()
    first = await elsewhere.visit()
    assert len(first.after.dated) == len(TOPICS)  # whoever asks, the simulated shop writes 2026-10
    after = await at.registered()
    assert not {each["id"] for each in before.values()} & {each["id"] for each in after.values()}
    await elsewhere.step()
    assert await at.registered() == after
    assert len(await at.gaps()) == 1


async def test_without_an_address_nothing_is_registered_and_that_is_said(practice: Open):
    at = await practice(hooks=None)
    [(state, says, _)] = (await at.visit())["subscriptions"]
    assert (state, "WEBHOOK_PUBLIC_URL" in says) == ("warning", True)
    assert await at.registered() == {}


async def test_only_one_replica_looks_after_them(practice: Open):
    at = await practice()
    async with at.pool.acquire() as connection:
        await connection.fetchval("SELECT pg_advisory_lock($1)", LOCK)
        await at.registrar.step()
        assert await at.registered() == {}
        await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
    await at.registrar.step()
    assert len(await at.registered()) == len(TOPICS)


async def add(at: Practice, topic: str, wanted_: dict[str, Any]) -> None:
    """By hand, as somebody else's program would."""
    answer = await at.control._http.post(
        f"{at.control.url}/admin/api/{VERSION}/graphql.json",
        json={"query": ADD, "variables": {"topic": topic, "input": wanted_}},
        headers={"X-Shopify-Access-Token": TOKEN},
    )
    assert answer.json()["data"]["webhookSubscriptionCreate"]["userErrors"] == [], answer.text


# Everything else


async def test_a_visit_of_a_healthy_shop_finds_nothing_failed(practice: Open):
    at = await practice(shopify_location_id=None)
    found = await at.visit()
    assert {"subscriptions", "scopes", "api_version", "location", "metafields", "webhooks", "changes"} <= set(found)
    assert {"dead_letters", "refetches", "backfill", "drift", "clock_postgres", "clock_shopify"} <= set(found)
    assert [check for check, findings in found.items() for state, *_ in findings if state == "failed"] == []
    assert found["clock_shopify"][0][0] == found["clock_postgres"][0][0] == found["api_version"][0][0] == "ok"
    assert found["backfill"][0][0] == "warning"  # nobody has read the shop yet
    [row] = await at.rows("SELECT stage, done, expected FROM runs WHERE kind = 'doctor'")
    assert row["stage"] == "done"


async def test_what_the_app_may_not_is_said_and_hides_nothing_else(practice: Open):
    at = await practice(simulator={"scopes": "read_products,read_inventory"})
    found = await at.visit()
    assert found["scopes"][0][0] == "failed"
    assert "read_locations" in found["scopes"][0][1]
    [(state, says, todo)] = found["location"]
    assert (state, "Access denied" in says, todo is not None) == ("failed", True, True)
    assert found["api_version"][0][0] == "ok"


async def test_a_version_that_fell_forward_is_failed_with_the_one_to_set(practice: Open):
    at = await practice()
    await at.control.turn(oldest_api_version="2027-01")
    [(state, says, todo)] = (await at.visit())["api_version"]
    assert (state, "answers in 2027-01" in says, "2027-01" in str(todo)) == ("failed", True, True)


@pytest.mark.parametrize(("skew", "state"), [(30, "warning"), (-3600, "failed")])
async def test_a_clock_that_goes_wrong_is_noticed(practice: Open, skew: float, state: str):
    at = await practice()
    await at.control.turn(clock_skew=skew)
    found = (await at.visit())["clock_shopify"][0]
    assert found[0] == state
    assert ("ahead of" if skew > 0 else "behind") in found[1]


async def test_a_location_that_is_not_there_is_failed_with_those_that_are(practice: Open):
    at = await practice(shopify_location_id=12345)
    [(state, says, todo)] = (await at.visit())["location"]
    assert (state, todo) == ("failed", "Set SHOPIFY_LOCATION_ID to an active location.")
    assert all(str(each) in says for each in await at.control.locations())


async def test_what_waits_on_the_bus_and_what_was_given_up_is_counted(practice: Open):
    at = await practice()
    deleted = ProductDeletedV1(
        id="webhook:1", source="test", subject="product/42", time=datetime.now(UTC), origin=Origin.WEBHOOK,
        triggered_at=datetime.now(UTC), shop=SHOP, product_id=42,
    )  # fmt: skip
    await Bus(at.broker).publish(deleted)
    await Bus(at.broker).bury("dead.syncer.changes.product.42", deleted.headers(), b"")
    found = await at.visit()
    assert (found["changes"][0][0], "1 change on the bus" in found["changes"][0][1]) == ("ok", True)
    assert (found["dead_letters"][0][0], "1 message was given up" in found["dead_letters"][0][1]) == ("warning", True)


@pytest.mark.parametrize(
    ("origin", "words"),
    [(Origin.WEBHOOK, "by its webhook"), (Origin.RECONCILE, "not by a webhook"), (None, "not come in")],
)
async def test_an_edit_that_came_without_its_webhook_is_noticed(practice: Open, origin: Origin | None, words: str):
    at = await practice()
    await at.control.turn(clock_skew=-1800)  # half an hour ago
    product = await at.control.create("Jazz Night")
    await at.control.turn(clock_skew=0)
    triggered_at = datetime.fromisoformat(product["updated_at"])
    for number, (seen_by, at_) in enumerate(
        [(Origin.WEBHOOK, triggered_at - timedelta(hours=1)), (origin, triggered_at)]
    ):
        if seen_by is not None:
            seen = ProductChangedV1(
                id=f"{seen_by}:{product['id']}:{number}", source="test", subject=f"product/{product['id']}", time=at_,
                origin=seen_by, triggered_at=at_, shop=SHOP, product_id=product["id"], shape=Shape.WEBHOOK, body=b"{}",
            )  # fmt: skip
            await Bus(at.broker).publish(seen)
    [(_, says, _)] = (await at.visit())["webhooks"]
    assert words in says


async def test_reads_that_keep_failing_are_said(practice: Open):
    at = await practice()
    await at.rows(
        "INSERT INTO refetches (resource, id, reason, seen_at, attempts, error) "
        "VALUES ('product', 42, 'tie', now(), 9, 'ShopifyFaulted()')"
    )
    [(state, says, _)] = (await at.visit())["refetches"]
    assert (state, "ShopifyFaulted" in says) == ("warning", True)


async def test_while_shopify_is_away_one_finding_says_so_and_all_else_is_judged(practice: Open):
    at = await practice()
    at.client._settings.__dict__["shopify_max_attempts"] = 1
    await at.control.turn(error_share=1.0)
    found = await at.visit()
    [(state, says, todo)] = found["shopify"]
    assert (state, "ShopifyUnavailable" in says, todo is not None) == ("failed", True, True)
    own = {"changes", "dead_letters", "refetches", "backfill", "drift", "clock_postgres"}
    assert set(found) == own | {"shopify"}


async def test_a_backfill_that_failed_after_one_that_succeeded_is_a_warning_that_names_it(practice: Open):
    at = await practice()
    await at.backfilled()
    assert (await at.visit())["backfill"][0][0] == "ok"
    await at.rows(
        "INSERT INTO runs (kind, asked_by, state, error, started_at, finished_at) "
        "VALUES ('backfill', 'operator', 'failed', 'ExportTruncated: 3 products are missing', now(), now())"
    )
    [(state, says, _)] = (await at.visit())["backfill"]
    assert (state, "ExportTruncated: 3 products are missing" in says) == ("warning", True)


async def test_the_scopes_that_the_readme_names_are_all_that_a_visit_wants(practice: Open):
    at = await practice(simulator={"scopes": "read_products,read_inventory,read_locations"})
    assert [state for state, *_ in (await at.visit())["scopes"]] == ["ok"]


async def test_a_visit_that_nobody_knows_is_refused(practice: Open):
    at = await practice()
    run = await at.runs.ask("doctor", "surgery", asked_by="operator")
    await Runner("doctor", at.pool, at.doctor).step()
    [row] = await at.rows("SELECT state FROM runs WHERE id = $1", run)
    assert row["state"] == "failed"


# The canary


async def test_a_canary_whose_webhook_does_not_come_says_so_and_is_deleted(practice: Open):
    at = await practice()
    findings = await impatient(at).fly(await a_flight(at))
    [(check, state, says)] = [(found.check, found.state, found.says) for found in findings]
    assert (check, state, "no webhook of it came to the bus" in says) == ("canary_create", "failed", True)
    assert await canaries(at) == []


async def test_a_canary_that_came_to_the_bus_and_no_further_says_so(practice: Open):
    at = await practice()
    flight = asyncio.create_task(impatient(at).fly(await a_flight(at)))
    [canary] = await eventually(lambda: canaries(at))
    seen = ProductDeletedV1(
        id="webhook:2", source="test", subject=f"product/{canary}", time=datetime.now(UTC), origin=Origin.WEBHOOK,
        triggered_at=datetime.now(UTC), shop=SHOP, product_id=canary,
    )  # fmt: skip
    await Bus(at.broker).publish(seen)
    [found] = await flight
    assert (found.state, "was not projected" in found.says) == ("failed", True)
    assert await canaries(at) == []


async def test_a_canary_of_an_attempt_that_died_is_deleted_by_the_next(practice: Open):
    at = await practice()
    left = (await at.control.create(f"{TITLE} 1", tags=[TAG], status="DRAFT"))["id"]
    run = await a_flight(at)
    await at.runs.progress(run, "made", 1, 3, cursor={"product_id": left})
    await impatient(at).fly(await a_flight(at))
    assert await canaries(at) == []


async def test_a_flight_that_is_called_off_deletes_its_canary(practice: Open):
    at = await practice()
    flight = asyncio.create_task(
        Canary(at.pool, at.client, Ledger(at.pool, at.broker), Rules()).fly(await a_flight(at))
    )
    await eventually(lambda: canaries(at))
    flight.cancel()
    await asyncio.gather(flight, return_exceptions=True)
    assert await canaries(at) == []


async def test_a_merchants_product_with_the_same_tag_is_no_canary(practice: Open):
    at = await practice()
    await at.control.turn(clock_skew=-3600)  # so that both are old enough
    kept = (await at.control.create("Canary Wharf Tour", tags=[TAG], status="DRAFT"))["id"]
    await at.control.create(f"{TITLE} 1", tags=[TAG], status="DRAFT")
    await at.control.turn(clock_skew=0)
    [(state, says, _)] = (await at.visit())["canary"]
    assert (state, says) == ("repaired", "Deleted 1 canary that were left behind.")
    assert await canaries(at) == [kept]


async def test_an_app_that_may_not_write_has_no_canary(practice: Open):
    at = await practice(simulator={"scopes": "read_products,read_inventory,read_locations"})
    [(state, says, todo)] = (await at.visit("canary"))["canary"]
    assert (state, "Access denied" in says, "scope write_products" in str(todo)) == ("failed", True, True)


def impatient(at: Practice) -> Canary:
    return Canary(at.pool, at.client, Ledger(at.pool, at.broker), Rules(), leg_within=0.5)


async def a_flight(at: Practice) -> Run:
    """The open run of a canary, begun."""
    run = await at.runs.ask("doctor", "canary", asked_by="operator")
    [row] = await at.rows(
        "UPDATE runs SET state = 'running', started_at = now() WHERE id = $1 "
        "RETURNING id, kind, scope, options, cursor, asked_by, asked_at, attempts, started_at",
        run,
    )
    return Run(**row)


async def canaries(at: Practice) -> list[int]:
    return [each["id"] for each in await at.control.truth() if TAG in each["tags"]]
