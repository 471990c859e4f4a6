"""One call to Shopify: typed, bounded, repeated only where that is safe."""

import asyncio
import gzip
import logging
from datetime import UTC, datetime

import httpx2
import orjson
import pytest
from prometheus_client import REGISTRY

from shared.shopify import LocalBudget, Share, ShopifyClient, ShopifySettings
from shared.shopify.bucket import Bucket
from shared.shopify.clock import Clock
from shared.shopify.errors import (
    AnswerTooLarge,
    NeverLeft,
    ShopifyFaulted,
    ShopifyRefused,
    ShopifyUnavailable,
    Throttled,
    UserErrors,
)
from shared.shopify.http import http_client
from shared.shopify.tokens import ClientCredentials, StaticToken

TOKEN = "shpat_canary"
STATUS = {"maximumAvailable": 2000.0, "currentlyAvailable": 1900, "restoreRate": 100.0}
COST = {"cost": {"requestedQueryCost": 3, "actualQueryCost": 2, "throttleStatus": STATUS}}
SHOP = {"data": {"shop": {"name": "Blue Hall"}}, "extensions": COST}
THROTTLED = {
    "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
    "extensions": {
        "cost": {
            "requestedQueryCost": 300,
            "actualQueryCost": None,
            "throttleStatus": STATUS | {"currentlyAvailable": 100},
        }
    },
}
DELETED = {"data": {"webhookSubscriptionDelete": {"deletedWebhookSubscriptionId": "1", "userErrors": []}}}
NOT_DELETED = {
    "data": {
        "webhookSubscriptionDelete": {
            "deletedWebhookSubscriptionId": None,
            "userErrors": [{"field": ["id"], "message": "Webhook subscription does not exist"}],
        }
    },
    "extensions": COST,
}


class World:
    """A Shopify that answers what it is told to, and time that passes only in pauses."""

    def __init__(self, *answers, **settings):
        self.answers = list(answers)
        self.requests = []
        self.pauses = []
        self.time = 0.0
        self.oversleeps = 1.0  # seconds that pass for each second of a pause
        defaults = {"shopify_shop": "blue-hall.myshopify.com", "shopify_access_token": TOKEN}
        self.settings = ShopifySettings(**defaults | settings)
        self.http = http_client(self.settings, httpx2.MockTransport(self.answer))
        self.clock = Clock(
            now=lambda: datetime(2026, 12, 1, tzinfo=UTC),
            monotonic=lambda: self.time,
            sleep=self.pause,
            chance=lambda: 1.0,
        )
        self.budget = LocalBudget(Bucket.full(1000, 50, 0.0), head_room=0, monotonic=lambda: self.time)
        self.client = self.make(StaticToken(self.settings.shopify_access_token))

    def make(self, tokens):
        return ShopifyClient(self.settings, tokens, self.http, self.budget, self.clock)

    async def pause(self, seconds):
        self.pauses.append(seconds)
        self.time += seconds * self.oversleeps

    async def answer(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, dict):
            return httpx2.Response(200, content=orjson.dumps(answer), headers={"X-Shopify-API-Version": "2026-10"})
        return answer

    async def shop(self, **more):
        return await self.client.execute("shop", **more)

    async def delete(self, **more):
        return await self.client.execute("webhook_subscription_delete", {"id": "1"}, **more)


async def test_the_document_goes_to_its_version_with_the_token_and_its_variables():
    world = World(DELETED)
    await world.delete()
    (request,) = world.requests
    assert request.method == "POST"
    assert str(request.url) == "https://blue-hall.myshopify.com/admin/api/2026-10/graphql.json"
    assert request.headers["X-Shopify-Access-Token"] == TOKEN
    sent = orjson.loads(request.content)
    assert sent["variables"] == {"id": "1"}
    assert sent["operationName"] == "WebhookSubscriptionDelete"
    assert "fragment" not in sent["query"]


async def test_an_answer_says_when_the_read_began_and_what_it_cost():
    answer = await World(SHOP).shop()
    assert answer.data["shop"]["name"] == "Blue Hall"
    assert answer.read_began_at == datetime(2026, 12, 1, tzinfo=UTC)
    assert (answer.cost.requested, answer.cost.actual) == (3, 2)


async def test_points_are_settled_and_the_limit_is_followed():
    world = World(SHOP)
    await world.shop()
    assert world.budget.bucket.maximum == 2000
    assert world.budget.bucket.available == 1900
    assert world.budget.bucket.held == 0


async def test_a_throttled_query_waits_for_its_points_and_tries_again():
    world = World(THROTTLED, SHOP)
    await world.shop()
    assert world.pauses == [2.0]
    assert len(world.requests) == 2


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (THROTTLED, Throttled),
        (httpx2.Response(429, headers={"Retry-After": "4.0"}), Throttled),
        (httpx2.Response(502, text="<html>"), ShopifyUnavailable),
        (httpx2.Response(200, text="<html>"), ShopifyFaulted),
        (httpx2.ConnectError("no"), ShopifyUnavailable),
        (httpx2.ReadError("no"), ShopifyUnavailable),
    ],
)
async def test_a_query_is_tried_a_bounded_number_of_times(failure, error):
    world = World(failure)
    world.oversleeps = 5  # a refusal makes us slower than Shopify asks for
    with pytest.raises(error):
        await world.shop()
    assert len(world.requests) == 4


@pytest.mark.parametrize(
    ("failure", "may_have_happened"),
    [
        (THROTTLED, False),
        (httpx2.Response(429), False),
        (httpx2.ConnectError("no"), False),
        (httpx2.ConnectTimeout("no"), False),
        (httpx2.Response(502), True),
        (httpx2.ReadError("no"), True),
        (httpx2.ReadTimeout("no"), True),
        (httpx2.RemoteProtocolError("no"), True),
        (httpx2.Response(200, text="<html>"), True),
    ],
)
async def test_a_mutation_is_sent_once_and_its_error_says_whether_it_may_have_happened(failure, may_have_happened):
    world = World(failure, DELETED)
    with pytest.raises((Throttled, ShopifyUnavailable, ShopifyFaulted)) as caught:
        await world.delete()
    assert caught.value.may_have_happened is may_have_happened
    assert len(world.requests) == 1


async def test_a_mutation_is_repeated_when_its_caller_says_that_is_safe():
    world = World(httpx2.Response(502), DELETED)
    await world.delete(safe_to_repeat=True)
    assert len(world.requests) == 2


async def test_pauses_grow_and_end_with_the_deadline():
    world = World(httpx2.Response(502), shopify_max_attempts=20)
    with pytest.raises(ShopifyUnavailable):
        await world.shop(deadline=16)
    assert world.pauses == [1, 2, 4, 8]


async def test_user_errors_are_an_error_with_the_whole_answer():
    world = World(NOT_DELETED)
    with pytest.raises(UserErrors) as caught:
        await world.delete()
    assert caught.value.errors[0].field == ("id",)
    assert caught.value.answer.cost.actual == 2
    assert "does not exist" in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 400, 402, 403, 404, 423])
async def test_a_refusal_is_permanent_and_costs_no_points(status):
    world = World(httpx2.Response(status, headers={"Location": "https://evil.test/"}))
    with pytest.raises(ShopifyRefused) as caught:
        await world.shop()
    assert caught.value.status == status
    assert len(world.requests) == 1
    assert world.budget.bucket.available == 1000


async def test_points_of_an_unknown_outcome_stay_spent_and_those_never_sent_come_back():
    world = World(httpx2.ReadTimeout("no"), shopify_max_attempts=1)
    with pytest.raises(ShopifyUnavailable):
        await world.shop()
    assert world.budget.bucket.available == 1000 - 13
    world = World(httpx2.ConnectError("no"), shopify_max_attempts=1)
    with pytest.raises(ShopifyUnavailable):
        await world.shop()
    assert world.budget.bucket.available == 1000


async def test_the_true_cost_of_a_document_is_reserved_once_it_is_known():
    dear = {"data": SHOP["data"], "extensions": {"cost": COST["cost"] | {"requestedQueryCost": 77}}}
    world = World(dear, httpx2.ReadTimeout("no"), shopify_max_attempts=1)
    await world.shop()
    with pytest.raises(ShopifyUnavailable):
        await world.shop()
    assert world.budget.bucket.available == 1900 - 77


async def test_an_answer_is_bounded_after_it_is_unpacked():
    packed = gzip.compress(b" " * 2**20)
    world = World(
        httpx2.Response(200, content=packed, headers={"Content-Encoding": "gzip"}), shopify_max_answer_bytes=2**16
    )
    with pytest.raises(AnswerTooLarge):
        await world.shop()


async def test_a_silent_shopify_is_given_up_in_time():
    world = World(SHOP, shopify_request_timeout=0.02, shopify_max_attempts=1)
    never = asyncio.Event()

    async def silent(_request):
        await never.wait()

    world.http = http_client(world.settings, httpx2.MockTransport(silent))
    with pytest.raises(ShopifyUnavailable) as caught:
        await world.make(StaticToken(world.settings.shopify_access_token)).execute("shop")
    assert caught.value.may_have_happened


async def test_another_version_is_counted():
    world = World(httpx2.Response(200, json=SHOP, headers={"X-Shopify-API-Version": "2027-01"}))
    before = REGISTRY.get_sample_value("understudy_shopify_other_version_total", {"version": "2027-01"}) or 0
    await world.shop()
    assert REGISTRY.get_sample_value("understudy_shopify_other_version_total", {"version": "2027-01"}) == before + 1


async def test_outcomes_are_counted_by_document():
    def count(outcome):
        labels = {"document": "shop", "outcome": outcome}
        return REGISTRY.get_sample_value("understudy_shopify_requests_total", labels) or 0

    before = {outcome: count(outcome) for outcome in ("ok", "throttled")}
    await World(THROTTLED, SHOP).shop()
    assert {outcome: count(outcome) - seen for outcome, seen in before.items()} == {"ok": 1, "throttled": 1}


async def test_no_failure_tells_the_token(caplog, capsys):
    caplog.set_level(logging.DEBUG)
    failures = [
        THROTTLED,
        httpx2.Response(401),
        httpx2.Response(500),
        httpx2.ConnectError("no"),
        httpx2.ReadError("no"),
    ]
    for failure in failures:
        with pytest.raises(Exception) as caught:  # noqa: PT011  whichever: what it says is the point
            await World(failure, shopify_max_attempts=1).shop()
        assert TOKEN not in f"{caught.value!r} {caught.value} {caught.value.__dict__}"
    assert TOKEN not in caplog.text + "".join(capsys.readouterr())


# --- tokens


class Grants(World):
    """The same Shopify, with the client credentials grant."""

    def __init__(self, *answers, grants):
        super().__init__(
            *answers, shopify_access_token=None, shopify_client_id="id", shopify_client_secret="secret-canary"
        )
        self.grants = list(grants)
        self.granted = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.tokens = ClientCredentials(
            "id", self.settings.shopify_client_secret, self.http, within=5, clock=self.clock
        )
        self.client = self.make(self.tokens)

    async def answer(self, request):
        if request.url.path != "/admin/oauth/access_token":
            return await super().answer(request)
        self.granted.append(orjson.loads(request.content))
        await self.gate.wait()
        grant = self.grants.pop(0) if len(self.grants) > 1 else self.grants[0]
        return grant if isinstance(grant, httpx2.Response) else httpx2.Response(200, json=grant)


def grant(token, seconds=86399):
    return {"access_token": token, "scope": "read_products", "expires_in": seconds}


async def test_a_token_is_got_once_for_all_callers_and_a_cancelled_one_leaves_the_others_be():
    world = Grants(SHOP, grants=[grant("one")])
    world.gate.clear()
    callers = [asyncio.create_task(world.shop()) for _ in range(10)]
    while not world.granted:  # noqa: ASYNC110  nothing to wait on but the request itself
        await asyncio.sleep(0)
    callers[0].cancel()
    world.gate.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(answer.data for answer in answers[1:])
    assert world.granted == [{"client_id": "id", "client_secret": "secret-canary", "grant_type": "client_credentials"}]
    assert {request.headers["X-Shopify-Access-Token"] for request in world.requests} == {"one"}


async def test_a_refused_token_is_renewed_once_and_the_call_goes_on_even_a_mutation():
    world = Grants(httpx2.Response(401), DELETED, grants=[grant("one"), grant("two")])
    await world.delete()
    assert [request.headers["X-Shopify-Access-Token"] for request in world.requests] == ["one", "two"]


async def test_a_second_refusal_is_final():
    world = Grants(httpx2.Response(401), grants=[grant("one"), grant("two")])
    with pytest.raises(ShopifyRefused):
        await world.shop()
    assert len(world.requests) == 2


async def test_a_refused_static_token_is_final_at_once():
    world = World(httpx2.Response(401))
    with pytest.raises(ShopifyRefused):
        await world.shop()
    assert len(world.requests) == 1


async def test_a_token_is_renewed_before_it_ends_while_calls_go_on():
    world = Grants(SHOP, grants=[grant("one", 1000), grant("two")])
    await world.shop()
    world.time = 901
    await world.shop()
    await asyncio.wait([world.tokens._renewal])
    await world.shop()
    assert [request.headers["X-Shopify-Access-Token"] for request in world.requests] == ["one", "one", "two"]


async def test_a_renewal_that_fails_leaves_the_old_token_in_use_until_it_ends():
    world = Grants(SHOP, grants=[grant("one", 1000), httpx2.Response(400)])
    await world.shop()
    world.time = 901
    await world.shop()
    await asyncio.wait([world.tokens._renewal])
    await world.shop()
    assert len(world.granted) == 2
    world.time = 1001
    with pytest.raises(ShopifyRefused):
        await world.shop()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx2.Response(400, text="secret-canary"), ShopifyRefused),
        (httpx2.Response(503), ShopifyUnavailable),
        (httpx2.Response(429), Throttled),
        ({"access_token": "x"}, ShopifyFaulted),
        ({"access_token": "", "expires_in": 1}, ShopifyFaulted),
    ],
)
async def test_a_grant_that_fails_is_the_error_it_is_and_tells_no_secret(answer, error, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    world = Grants(SHOP, grants=[answer])
    with pytest.raises(error) as caught:
        await world.tokens.token()
    told = f"{caught.value!r} {caught.value}" + caplog.text + "".join(capsys.readouterr())
    assert "secret-canary" not in told


async def test_a_client_that_acts_for_a_share_shares_all_but_that():
    world = World(SHOP)
    labels = {"share": "backfill", "document": "shop"}
    before = REGISTRY.get_sample_value("understudy_shopify_points_total", labels) or 0
    await world.client.acting_for(Share.BACKFILL).execute("shop")
    assert REGISTRY.get_sample_value("understudy_shopify_points_total", labels) == before + 2
    assert world.budget.bucket.maximum == 2000
    assert world.client._share is Share.COMMANDS


async def test_what_shopify_says_of_a_documents_cost_is_learnt_once():
    world, learnt = World(SHOP), []
    for _ in range(2):
        async with world.budget.reserve(13, deadline=1) as reservation:
            await world.client.ask_for_points(reservation)
            learnt.append(reservation.learnt)
    assert learnt[0][1] == 3
    assert learnt[1] is None


# --- before it leaves


async def test_before_is_asked_when_the_points_are_there_and_nothing_was_sent():
    world, seen = World(DELETED), []

    async def before():
        seen.append((world.budget.bucket.held, len(world.requests)))
        return 5.0

    await world.delete(before=before)
    assert seen == [(20, 0)]
    assert len(world.requests) == 1


async def test_what_before_raises_is_raised_and_the_points_come_back_unused():
    world = World(DELETED)

    async def before():
        raise LookupError("the lease is gone")

    with pytest.raises(LookupError, match="the lease is gone"):
        await world.delete(before=before)
    assert world.requests == []
    assert (world.budget.bucket.available, world.budget.bucket.held) == (1000, 0)


async def test_a_caller_cancelled_while_it_asks_gives_its_points_back():
    world, asked = World(DELETED), asyncio.Event()

    async def before():
        asked.set()
        await asyncio.Event().wait()

    call = asyncio.create_task(world.delete(before=before))
    await asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (world.budget.bucket.available, world.budget.bucket.held) == (1000, 0)


async def test_time_runs_from_the_question_and_not_from_its_answer():
    world = World(DELETED)

    async def before():
        world.time += 6  # the answer was read late: the process was busy, or stopped
        return 5.0

    with pytest.raises(NeverLeft) as caught:
        await world.delete(before=before)
    assert not caught.value.may_have_happened
    assert world.requests == []
    assert world.budget.bucket.held == 0


async def test_a_request_gets_no_more_time_than_before_allows():
    world = World(SHOP, shopify_max_attempts=1)
    never = asyncio.Event()

    async def silent(_request):
        await never.wait()

    async def before():
        return 0.02

    world.http = http_client(world.settings, httpx2.MockTransport(silent))
    with pytest.raises(ShopifyUnavailable) as caught:
        await world.make(StaticToken(world.settings.shopify_access_token)).execute("shop", before=before)
    assert caught.value.may_have_happened


async def test_before_is_asked_again_before_a_second_request_with_another_token():
    world = Grants(httpx2.Response(401), DELETED, grants=[grant("one"), grant("two")])
    asked = []

    async def before():
        asked.append(len(world.requests))
        return 5.0

    await world.delete(before=before)
    assert asked == [0, 1]


async def test_points_of_an_unknown_outcome_stay_spent_though_before_was_asked():
    world = World(httpx2.ReadTimeout("no"))

    async def before():
        return 5.0

    with pytest.raises(ShopifyUnavailable):
        await world.delete(before=before)
    assert world.budget.bucket.available == 1000 - 20


async def test_the_level_is_what_the_bucket_says():
    world = World(SHOP)
    await world.shop()
    level = await world.client.level()
    assert (level.available, level.maximum, level.rate, level.held) == (1900, 2000, 100, 0)
