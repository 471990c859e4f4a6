"""Inventory mutations: keys that count once, comparisons that hold, and the order of Shopify's checks."""

import asyncio

import pytest

SET = """mutation ($i: InventorySetQuantitiesInput!, $key: String!) {
    inventorySetQuantities(input: $i) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id changes { name delta quantityAfterChange } } userErrors { field message code } } }"""
ADJUST = """mutation ($i: InventoryAdjustQuantitiesInput!, $key: String!) {
    inventoryAdjustQuantities(input: $i) @idempotent(key: $key) {
    inventoryAdjustmentGroup { changes { name delta } } userErrors { field message code } } }"""


@pytest.fixture
async def stock(sim):
    product = await sim.product()
    variant = product["variants"][0]
    return {
        "product": product["id"],
        "item": f"gid://shopify/InventoryItem/{variant['inventory_item_id']}",
        "location": f"gid://shopify/Location/{variant['levels'][0]['location_id']}",
    }


def setting(stock, quantity, **fields):
    one = {"inventoryItemId": stock["item"], "locationId": stock["location"], "quantity": quantity}
    return {"name": "available", "reason": "correction", "quantities": [{**one, "changeFromQuantity": None, **fields}]}


async def available(sim, stock):
    product = await sim.control("GET", f"/products/{stock['product']}")
    return product["variants"][0]["inventory_quantity"]


async def test_setting_available_moves_on_hand_too(sim, stock):
    answer = (await sim.data(SET, {"i": setting(stock, 40), "key": "1"}))["inventorySetQuantities"]
    assert answer["userErrors"] == []
    assert answer["inventoryAdjustmentGroup"]["changes"] == [
        {"name": "available", "delta": -60, "quantityAfterChange": None},
        {"name": "on_hand", "delta": -60, "quantityAfterChange": None},
    ]
    assert await available(sim, stock) == 40


async def test_without_the_directive_it_is_a_bad_request(sim, stock):
    text = SET.replace(" @idempotent(key: $key)", "").replace(", $key: String!", "")
    answer = await sim.gql(text, {"i": setting(stock, 40)})
    assert answer["errors"] == [
        {
            "message": "The @idempotent directive is required for this mutation but was not provided.",
            "locations": [{"line": 2, "column": 5}],
            "extensions": {"code": "BAD_REQUEST"},
            "path": ["inventorySetQuantities"],
        }
    ]
    assert answer["data"] == {"inventorySetQuantities": None}
    assert answer["extensions"]["cost"]["actualQueryCost"] == 10
    assert await available(sim, stock) == 100


async def test_change_from_quantity_must_be_there_before_anything_else(sim, stock):
    text = SET.replace(" @idempotent(key: $key)", "").replace(", $key: String!", "")
    wanted = setting(stock, 40)
    del wanted["quantities"][0]["changeFromQuantity"]
    answer = await sim.gql(text, {"i": wanted})
    assert answer["errors"][0]["message"] == (
        "InventoryQuantityInput must include the following argument: changeFromQuantity."
    )
    assert answer["errors"][0]["extensions"]["code"] == "INVALID_FIELD_ARGUMENTS"


async def test_a_stale_comparison_changes_nothing(sim, stock):
    wanted = setting(stock, 40, changeFromQuantity=99)
    answer = (await sim.data(SET, {"i": wanted, "key": "1"}))["inventorySetQuantities"]
    assert [e["code"] for e in answer["userErrors"]] == ["CHANGE_FROM_QUANTITY_STALE"]
    assert await available(sim, stock) == 100
    fresh = setting(stock, 40, changeFromQuantity=100)
    assert (await sim.data(SET, {"i": fresh, "key": "1"}))["inventorySetQuantities"]["userErrors"] == []
    assert await available(sim, stock) == 40


async def test_a_key_has_one_effect(sim, stock):
    one = {"inventoryItemId": stock["item"], "locationId": stock["location"], "delta": -5, "changeFromQuantity": None}
    wanted = {"name": "available", "reason": "correction", "changes": [one]}
    first = await sim.data(ADJUST, {"i": wanted, "key": "k"})
    again = await sim.data(ADJUST, {"i": wanted, "key": "k"})
    assert first == again
    assert await available(sim, stock) == 95
    other = {**wanted, "changes": [{**one, "delta": -6}]}
    refused = (await sim.data(ADJUST, {"i": other, "key": "k"}))["inventoryAdjustQuantities"]
    assert [e["code"] for e in refused["userErrors"]] == ["IDEMPOTENCY_KEY_PARAMETER_MISMATCH"]
    assert await available(sim, stock) == 95


async def test_a_key_in_use_is_refused(sim, stock):
    await sim.knobs(latency_min=0.3, latency_max=0.3)
    wanted = {"i": setting(stock, 40), "key": "k"}
    answers = await asyncio.gather(sim.data(SET, wanted), sim.data(SET, wanted))
    codes = [[e["code"] for e in a["inventorySetQuantities"]["userErrors"]] for a in answers]
    assert sorted(codes) == [[], ["IDEMPOTENCY_CONCURRENT_REQUEST"]]


async def test_a_lost_answer_can_be_asked_again_with_its_key(sim, stock):
    one = {"inventoryItemId": stock["item"], "locationId": stock["location"], "delta": -5, "changeFromQuantity": None}
    wanted = {"i": {"name": "available", "reason": "correction", "changes": [one]}, "key": "k"}
    await sim.knobs(lost_answer_share=1, lost_answer_seconds=0)
    assert (await sim.post(ADJUST, wanted)).status_code == 502
    await sim.knobs(lost_answer_share=0)
    assert (await sim.data(ADJUST, wanted))["inventoryAdjustQuantities"]["userErrors"] == []
    assert await available(sim, stock) == 95


async def test_stock_is_refused_in_shopifys_words(sim, stock):
    async def codes(wanted):
        answer = (await sim.data(SET, {"i": wanted, "key": "x"}))["inventorySetQuantities"]["userErrors"]
        return [(e["field"], e["code"]) for e in answer]

    good = setting(stock, 1)
    at = ["input", "quantities", "0"]
    for wanted, expected in (
        ({**good, "name": "committed"}, (["input", "name"], "INVALID_NAME")),
        ({**good, "reason": "because"}, (["input", "reason"], "INVALID_REASON")),
        (setting(stock, -1), ([*at, "quantity"], "INVALID_QUANTITY_NEGATIVE")),
        (setting(stock, 10**9 + 1), ([*at, "quantity"], "INVALID_QUANTITY_TOO_HIGH")),
        (
            setting({**stock, "item": "gid://shopify/InventoryItem/1"}, 1),
            ([*at, "inventoryItemId"], "INVALID_INVENTORY_ITEM"),
        ),
        (setting({**stock, "location": "gid://shopify/Location/1"}, 1), ([*at, "locationId"], "INVALID_LOCATION")),
    ):
        assert await codes(wanted) == [expected]
    twice = {**good, "quantities": good["quantities"] * 2}
    assert {code for _, code in await codes(twice)} == {"NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"}


async def test_an_item_is_stocked_at_another_location(sim, stock):
    second = (await sim.control("GET", "/locations"))["locations"][1]["id"]
    text = """mutation ($item: ID!, $at: ID!, $n: Int, $key: String!) {
      inventoryActivate(inventoryItemId: $item, locationId: $at, available: $n) @idempotent(key: $key) {
        inventoryLevel { id quantities(names: ["available"]) { quantity } } userErrors { field message } } }"""
    wanted = {"item": stock["item"], "at": f"gid://shopify/Location/{second}", "n": 7}
    made = (await sim.data(text, {**wanted, "key": "1"}))["inventoryActivate"]
    assert made["inventoryLevel"]["quantities"] == [{"quantity": 7}]
    again = (await sim.data(text, {**wanted, "key": "2"}))["inventoryActivate"]
    message = "Not allowed to set available quantity when the item is already active at the location."
    assert again["userErrors"] == [{"field": ["available"], "message": message}]
    assert await available(sim, stock) == 107


async def test_tracking_is_switched_on_by_the_item(sim, stock):
    text = """mutation ($id: ID!, $i: InventoryItemInput!) { inventoryItemUpdate(id: $id, input: $i) {
      inventoryItem { tracked sku } userErrors { field message } } }"""
    updated = (await sim.data(text, {"id": stock["item"], "i": {"tracked": False, "sku": "S"}}))["inventoryItemUpdate"]
    assert updated["inventoryItem"] == {"tracked": False, "sku": "S"}
    nobody = (await sim.data(text, {"id": "gid://shopify/InventoryItem/1", "i": {}}))["inventoryItemUpdate"]
    assert nobody["userErrors"] == [
        {"field": ["id"], "message": "The product couldn't be updated because it does not exist."}
    ]
