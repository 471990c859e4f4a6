"""Faults that are aimed: who gets what, and what takes effect, when, and how often."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from shop_control import ShopControl
from waiting import eventually

UPDATE = """mutation ($p: ProductUpdateInput!) { productUpdate(product: $p) {
  product { title } userErrors { field message } } }"""
SET = """mutation ($i: ProductSetInput!) { productSet(input: $i) {
  product { id } userErrors { field message } } }"""
ADJUST = """mutation ($i: InventoryAdjustQuantitiesInput!, $key: String!) {
  inventoryAdjustQuantities(input: $i) @idempotent(key: $key) {
    inventoryAdjustmentGroup { changes { name delta } } userErrors { field code } } }"""


@pytest.fixture
async def shop(sim):
    control = ShopControl(sim.url)
    yield control
    await control.aclose()


@pytest.fixture
async def product(sim):
    return await sim.product()


def renaming(product, title):
    return {"p": {"id": f"gid://shopify/Product/{product['id']}", "title": title}}


def five_less(product):
    variant = product["variants"][0]
    change = {
        "inventoryItemId": f"gid://shopify/InventoryItem/{variant['inventory_item_id']}",
        "locationId": f"gid://shopify/Location/{variant['levels'][0]['location_id']}",
        "delta": -5,
        "changeFromQuantity": None,
    }
    return {"i": {"name": "available", "reason": "correction", "changes": [change]}, "key": "k"}


async def test_a_request_that_fails_before_its_effect_has_none_and_costs_nothing(sim, shop, product):
    await shop.fails_before("productUpdate")
    answer = await sim.post(UPDATE, renaming(product, "Rock"))
    assert (answer.status_code, answer.json()) == (503, {"errors": "Service Unavailable"})
    assert await shop.journal() == []
    assert (await shop.state())["points_spent"] == 0
    assert (await sim.data(UPDATE, renaming(product, "Rock")))["productUpdate"]["product"]["title"] == "Rock"


async def test_a_connection_can_be_closed_without_a_byte_before_or_after_the_effect(sim, shop, product):
    await shop.fault("productUpdate", effect="none", answer="closed")
    await shop.fault("productUpdate", effect="once", answer="closed")
    for effects in (0, 1):
        with pytest.raises(httpx2.RemoteProtocolError, match="without sending a response"):
            await sim.post(UPDATE, renaming(product, "Rock"))
        assert len(await shop.journal()) == effects


async def test_hanging_up_leaves_no_file_open(sim, shop, product):
    def opened():
        return len(list(Path("/dev/fd").iterdir()))

    before = opened()
    await shop.fault("productUpdate", answer="closed", times=20)
    for _ in range(20):
        with pytest.raises(httpx2.RemoteProtocolError):
            await sim.post(UPDATE, renaming(product, "Rock"))
    await eventually(lambda: opened() <= before + 2)  # a connection has two ends here


async def test_an_answer_is_lost_after_the_effect(sim, shop, product):
    await shop.loses_answer("productUpdate", seconds=0.05)
    assert (await sim.post(UPDATE, renaming(product, "Rock"))).status_code == 502
    assert (await shop.product(product["id"]))["title"] == "Rock"


async def test_an_answer_hangs_until_the_caller_gives_up(sim, shop, product):
    await shop.fault("productUpdate", answer="hangs")
    with pytest.raises(httpx2.ReadTimeout):
        await sim.http.post(
            f"{sim.url}/admin/api/2026-10/graphql.json",
            json={"query": UPDATE, "variables": renaming(product, "Rock")},
            headers={"X-Shopify-Access-Token": sim.token},
            timeout=0.2,
        )
    assert (await shop.product(product["id"]))["title"] == "Rock"


async def test_a_caller_that_gives_up_in_the_latency_does_not_stop_the_effect(sim, shop, product):
    await sim.knobs(latency_min=0.4, latency_max=0.4)
    asked = asyncio.create_task(sim.post(UPDATE, renaming(product, "Rock")))

    async def admitted():
        return (await shop.state())["requests"].get("admitted")

    await eventually(admitted)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert await shop.journal() == []
    (done,) = await eventually(shop.journal)
    assert done["effects"] == [f"product {product['id']}: title"]


async def test_a_late_effect_overwrites_what_was_done_meanwhile(sim, shop, product):
    await shop.takes_effect_late("productUpdate", after=0.3, match='"Late"')
    assert (await sim.post(UPDATE, renaming(product, "Late"))).status_code == 502
    assert (await shop.late_effects_due(), await shop.journal()) == (1, [])
    assert (await shop.state())["points_spent"] == 10
    await sim.data(UPDATE, renaming(product, "Newer"))

    async def settled():
        return await shop.late_effects_due() == 0

    await eventually(settled)
    newer, late = await shop.journal("productUpdate")
    assert (newer["input"]["product"]["title"], late["input"]["product"]["title"]) == ("Newer", "Late")
    assert (newer["request"], late["request"]) == (2, 1)
    assert late["admitted_at"] < newer["admitted_at"] <= newer["at"] < late["at"]
    assert (await shop.product(product["id"]))["title"] == "Late"


async def test_a_late_effect_holds_its_key_until_it_happened(sim, shop, product):
    await shop.takes_effect_late("inventoryAdjustQuantities", after=0.2, answer="closed")
    wanted = five_less(product)
    with pytest.raises(httpx2.RemoteProtocolError):
        await sim.post(ADJUST, wanted)
    meanwhile = (await sim.data(ADJUST, wanted))["inventoryAdjustQuantities"]["userErrors"]
    assert [error["code"] for error in meanwhile] == ["IDEMPOTENCY_CONCURRENT_REQUEST"]

    async def replayed():
        return (await sim.data(ADJUST, wanted))["inventoryAdjustQuantities"]["userErrors"] == []

    await eventually(replayed)
    assert len(await shop.journal()) == 1
    assert (await shop.state())["replays"] == 1


async def test_a_request_that_shopify_repeats_takes_effect_twice_and_its_second_answer_is_given(sim, shop):
    await shop.fault("productSet", effect="twice")
    wanted = {"i": {"title": "Jazz", "handle": "jazz"}}
    second = (await sim.data(SET, wanted))["productSet"]
    assert second["userErrors"][0]["message"] == "Handle 'jazz' already in use. Please provide a new handle."
    entries = await shop.journal("productSet")
    assert [bool(entry["effects"]) for entry in entries] == [True, False]
    assert {entry["request"] for entry in entries} == {1}
    assert (await shop.state())["points_spent"] == 10


async def test_a_repeated_request_with_a_key_is_a_replay(sim, shop, product):
    await shop.fault("inventoryAdjustQuantities", effect="twice")
    answer = (await sim.data(ADJUST, five_less(product)))["inventoryAdjustQuantities"]
    assert answer["userErrors"] == []
    assert answer["inventoryAdjustmentGroup"]["changes"][0] == {"name": "available", "delta": -5}
    assert len(await shop.journal()) == 1
    assert (await shop.product(product["id"]))["variants"][0]["inventory_quantity"] == 95


async def test_throttled_though_the_points_are_there(sim, shop, product):
    await shop.fault(effect="none", answer="throttled")
    answer = await sim.gql(UPDATE, renaming(product, "Rock"))
    assert answer["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert answer["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] == 2000
    for status, words in ((429, "Too Many Requests"), (430, "Shopify Security Rejection")):
        await shop.fault(effect="none", answer="error", status=status, retry_after=2)
        answer = await sim.post(UPDATE, renaming(product, "Rock"))
        assert (answer.status_code, answer.headers["Retry-After"]) == (status, "2.0")
        assert answer.json() == {"errors": words}
    assert await shop.journal() == []


async def test_an_internal_error_may_come_with_an_effect(sim, shop, product):
    await shop.fault("productUpdate", answer="internal_error")
    answer = await sim.gql(UPDATE, renaming(product, "Rock"))
    assert "data" not in answer
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert (await shop.product(product["id"]))["title"] == "Rock"


async def test_a_refusal_that_the_shops_state_does_not_have_can_be_ordered(sim, shop, product):
    message = "Another operation already in progress. Please wait until current one is finished."
    await shop.fault("productDelete", effect="none", answer="refused", user_errors=[{"message": message}])
    text = "mutation ($id: ID!) { productDelete(input: {id: $id}) { deletedProductId userErrors { field message } } }"
    asked = {"id": f"gid://shopify/Product/{product['id']}"}
    refused = (await sim.data(text, asked))["productDelete"]
    assert refused == {"deletedProductId": None, "userErrors": [{"field": None, "message": message}]}
    assert (await sim.data(text, asked))["productDelete"]["deletedProductId"] == asked["id"]


async def test_a_fault_strikes_only_what_it_is_aimed_at_and_so_often_as_it_says(sim, shop, product):
    aimed = await shop.loses_answer("productUpdate", match='"title":"Rock"', times=2)
    await shop.fails_before(query="product")
    await sim.data(UPDATE, renaming(product, "Blues"))
    await sim.data(SET, {"i": {"title": "Rock"}})
    for left in (1, 0):
        assert (await sim.post(UPDATE, renaming(product, "Rock"))).status_code == 502
        assert [one["left"] for one in await shop.faults() if one["id"] == aimed] == [left] * bool(left)
    await sim.data(UPDATE, renaming(product, "Rock"))
    assert [one["fields"] for one in await shop.struck(aimed)] == [["productUpdate"]] * 2
    read = await sim.post("query ($id: ID!) { product(id: $id) { id } }", {"id": "gid://shopify/Product/1"})
    assert read.status_code == 503
    await shop.fails_before()
    assert (await shop.clear_faults(), await shop.faults()) == (1, [])


async def test_a_throttled_request_does_not_use_a_fault_up(sim, shop, product):
    await shop.turn(bucket_size=5, restore_rate=0.001)
    await shop.loses_answer("productUpdate")
    assert (await sim.gql(UPDATE, renaming(product, "Rock")))["errors"][0]["message"] == "Throttled"
    assert len(await shop.faults()) == 1


async def test_what_makes_no_sense_is_refused(sim):
    for wanted in (
        {"effect": "none"},
        {"effect": "late", "answer": "error"},
        {"effect": "late", "effect_after": 1},
        {"effect": "once", "effect_after": 1, "answer": "error"},
        {"effect": "once", "answer": "throttled"},
        {"mutation": "productUpdate", "query": "product"},
        {"effect": "none", "answer": "refused"},
        {"answer": "hangs", "user_errors": [{"message": "no"}]},
        {"kind": "nonsense"},
    ):
        await sim.control("POST", "/faults", wanted, status=422)
