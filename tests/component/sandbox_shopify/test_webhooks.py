"""Webhooks as they arrive: signed, in Shopify's shape, late, twice, retried, and given up."""

import base64
import hashlib
import hmac
import re

import pytest
from waiting import eventually


def signature(raw, secret=b"hush"):
    return base64.b64encode(hmac.new(secret, raw, hashlib.sha256).digest()).decode()


async def edit(sim, product, **fields):
    return await sim.control("PATCH", f"/products/{product['id']}", fields)


async def test_an_edit_arrives_signed_with_shopifys_headers(sim, receiver):
    product = await sim.product("A/B <c>")
    await sim.subscribe("PRODUCTS_UPDATE", receiver.url)
    await edit(sim, product, title="New/Title & more")
    await sim.flush()
    (got,) = receiver.got
    assert got.headers["x-shopify-hmac-sha256"] == signature(got.raw)
    assert got.headers["x-shopify-topic"] == "products/update"
    assert got.headers["x-shopify-shop-domain"] == "understudy.myshopify.com"
    assert got.headers["x-shopify-api-version"] == "2026-10"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-shopify-webhook-id"] != got.headers["x-shopify-event-id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", got.headers["x-shopify-triggered-at"])
    assert rb"New\/Title \u0026 more" in got.raw
    assert (got.body["id"], got.body["title"]) == (product["id"], "New/Title & more")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0[12]:00", got.body["updated_at"])


async def test_each_subscription_gets_its_own_delivery_of_one_event(sim, receiver):
    product = await sim.product()
    for topic in ("PRODUCTS_UPDATE", "INVENTORY_LEVELS_UPDATE"):
        await sim.subscribe(topic, receiver.url)
    await sim.control("POST", "/sell", {"variant_id": product["variants"][0]["id"], "quantity": 2})
    await sim.flush()
    by_topic = {got.headers["x-shopify-topic"]: got for got in receiver.got}
    assert set(by_topic) == {"products/update", "inventory_levels/update"}
    assert len({got.headers["x-shopify-event-id"] for got in receiver.got}) == 1
    assert len({got.headers["x-shopify-webhook-id"] for got in receiver.got}) == 2
    assert by_topic["inventory_levels/update"].body["available"] == 98
    assert by_topic["products/update"].body["variants"][0]["inventory_quantity"] == 98


async def test_create_and_delete_are_told(sim, receiver):
    for topic in ("PRODUCTS_CREATE", "PRODUCTS_DELETE"):
        await sim.subscribe(topic, receiver.url)
    product = await sim.product()
    await sim.control("DELETE", f"/products/{product['id']}")
    await sim.flush()
    bodies = {got.headers["x-shopify-topic"]: got.body for got in receiver.got}
    assert bodies["products/create"]["title"] == "Jazz"
    assert bodies["products/delete"] == {"id": product["id"]}


async def test_a_subscription_gets_the_metafields_and_fields_it_asked_for(sim, receiver):
    metafield = {"namespace": "event", "key": "subtitle", "value": "Live"}
    product = await sim.product(metafields=[metafield])
    await sim.subscribe(
        "PRODUCTS_UPDATE",
        receiver.url,
        metafieldNamespaces=["event"],
        includeFields=["id", "updated_at", "metafields", "variants.price"],
    )
    await edit(sim, product, title="New")
    await sim.flush()
    body = receiver.got[0].body
    assert set(body) == {"id", "updated_at", "metafields", "variants"}
    assert body["variants"] == [{"price": "49.00"}]
    assert (body["metafields"][0]["value"], body["metafields"][0]["type"]) == ("Live", "single_line_text_field")


async def test_a_failed_delivery_is_retried_with_the_original_bytes(sim, receiver):
    product = await sim.product()
    await sim.subscribe("PRODUCTS_UPDATE", receiver.url)
    await sim.knobs(webhook_retry_scale=0.002)
    receiver.answers = [500, 302, 404]
    await edit(sim, product, title="First")
    await eventually(lambda: receiver.got)
    await edit(sim, product, title="Second")
    await sim.flush()
    first = [got for got in receiver.got if got.body["title"] == "First"]
    assert len({got.raw for got in first}) == 1
    assert len({got.headers["x-shopify-webhook-id"] for got in first}) == 1
    assert len(receiver.got) == 5
    assert receiver.got[-1].body["title"] == "First"


async def test_a_retry_may_carry_a_new_id(sim, receiver):
    await sim.knobs(webhook_new_id_on_retry=True)
    await sim.subscribe("PRODUCTS_CREATE", receiver.url)
    receiver.answers = [500, 500]
    await sim.product()
    await sim.flush()
    assert len({got.headers["x-shopify-webhook-id"] for got in receiver.got}) == 3
    assert len({got.raw for got in receiver.got}) == 1


async def test_inventory_tells_of_items_and_of_where_they_are_stocked(sim, receiver):
    for topic in ("ITEMS_CREATE", "ITEMS_UPDATE", "ITEMS_DELETE", "LEVELS_CONNECT", "LEVELS_DISCONNECT"):
        await sim.subscribe(f"INVENTORY_{topic}", receiver.url)
    product = await sim.product()
    variant = product["variants"][0]
    second = (await sim.control("GET", "/locations"))["locations"][1]["id"]
    stocking = {"variant_id": variant["id"], "location_id": second}
    await sim.control("POST", "/inventory", {**stocking, "available": 3})
    await sim.control("POST", "/inventory", {**stocking, "available": None})
    await edit(sim, product, variants=[{"id": variant["id"], "sku": "NEW"}])
    await sim.control("DELETE", f"/products/{product['id']}")
    await sim.flush()
    item = variant["inventory_item_id"]
    bodies = {}
    for got in receiver.got:
        bodies.setdefault(got.headers["x-shopify-topic"], []).append(got.body)
    assert [body["id"] for body in bodies["inventory_items/create"]] == [item]
    assert [body["sku"] for body in bodies["inventory_items/update"]] == ["NEW"]
    assert [body["id"] for body in bodies["inventory_items/delete"]] == [item]
    assert {body["available"] for body in bodies["inventory_levels/connect"]} == {100, 3}
    assert bodies["inventory_levels/disconnect"] == [{"inventory_item_id": item, "location_id": second}]


async def test_a_retry_goes_to_the_address_of_its_time(sim, receiver):
    product = await sim.product()
    gid = await sim.subscribe("PRODUCTS_UPDATE", receiver.url)
    await sim.knobs(webhook_retry_scale=0.002)
    receiver.answers = [500]
    await edit(sim, product, title="First")
    await eventually(lambda: receiver.got)
    text = """mutation ($id: ID!, $s: WebhookSubscriptionInput!) {
      webhookSubscriptionUpdate(id: $id, webhookSubscription: $s) { userErrors { message } } }"""
    await sim.data(text, {"id": gid, "s": {"uri": "http://127.0.0.1:9/elsewhere"}})
    await sim.flush()
    assert len(receiver.got) == 2


async def test_after_eight_failed_retries_the_subscription_is_removed(sim, receiver):
    product = await sim.product()
    await sim.subscribe("PRODUCTS_UPDATE", receiver.url)
    receiver.always = 500
    await edit(sim, product, title="New")
    await sim.flush()
    assert len(receiver.got) == 9
    state = await sim.control("GET", "/state")
    assert state["subscriptions"] == []
    assert (state["webhooks"]["failed"], state["webhooks"]["subscriptions_removed"]) == (1, 1)
    text = "{ webhookSubscriptions(first: 5) { nodes { id } } }"
    assert (await sim.data(text))["webhookSubscriptions"]["nodes"] == []


async def test_counted_by_subscription_eight_failures_of_any_remove_it(sim, receiver):
    await sim.knobs(webhook_removal_counts="subscription", webhook_retry_scale=1)
    await sim.subscribe("PRODUCTS_CREATE", receiver.url)
    receiver.always = 500
    for number in range(8):
        await sim.product(f"P{number}")
    await sim.flush()
    assert (await sim.control("GET", "/state"))["subscriptions"] == []
    assert len(receiver.got) == 8


async def test_nobody_there_is_a_failure_too(sim):
    product = await sim.product()
    await sim.subscribe("PRODUCTS_UPDATE", "http://127.0.0.1:9/hook")
    await edit(sim, product, title="New")
    await sim.flush()
    (delivery,) = (await sim.control("GET", "/webhooks"))["deliveries"]
    assert (delivery["status"], delivery["attempts"]) == ("failed", 9)
    assert "Connect" in delivery["last_answer"]


async def test_an_answer_that_takes_too_long_is_a_failure(sim, receiver):
    product = await sim.product()
    await sim.subscribe("PRODUCTS_UPDATE", receiver.url)
    await sim.knobs(webhook_timeout=0.05)
    receiver.pause = 0.5
    await edit(sim, product, title="New")
    await eventually(lambda: receiver.got)

    async def timed_out():
        (delivery,) = (await sim.control("GET", "/webhooks"))["deliveries"]
        return delivery["last_answer"] == "timeout"

    await eventually(timed_out)


async def test_duplicates_losses_and_reordering_are_knobs(sim, receiver):
    await sim.subscribe("PRODUCTS_CREATE", receiver.url)
    await sim.knobs(webhook_duplicate_share=1)
    await sim.product("Twice")
    await sim.flush()
    assert len(receiver.got) == 2
    assert receiver.got[0].raw == receiver.got[1].raw
    assert receiver.got[0].headers["x-shopify-webhook-id"] == receiver.got[1].headers["x-shopify-webhook-id"]
    await sim.knobs(webhook_duplicate_share=0, webhook_loss_share=1)
    await sim.product("Lost")
    await sim.flush()
    assert len(receiver.got) == 2
    receiver.got.clear()
    await sim.knobs(webhook_loss_share=0, webhook_reorder_window=0.3)
    titles = [f"P{number}" for number in range(20)]
    for title in titles:
        await sim.product(title)
    await sim.flush()
    arrived = [got.body["title"] for got in receiver.got]
    assert sorted(arrived) == sorted(titles)
    assert arrived != titles


async def test_a_late_share_comes_again_with_what_was_true_then(sim, receiver):
    product = await sim.product()
    await sim.subscribe("PRODUCTS_UPDATE", receiver.url)
    await sim.knobs(webhook_late_share=1, webhook_late_delay=0.3)
    await edit(sim, product, title="First")
    await sim.knobs(webhook_late_share=0)
    await edit(sim, product, title="Second")
    await sim.flush()
    assert [got.body["title"] for got in receiver.got] == ["First", "Second", "First"]
    assert receiver.got[0].raw == receiver.got[2].raw


async def test_a_delivery_can_be_delayed_and_flushing_gives_up_in_time(sim, receiver):
    await sim.subscribe("PRODUCTS_CREATE", receiver.url)
    await sim.knobs(webhook_delay_min=3600, webhook_delay_max=3600)
    await sim.product()
    flushed = await sim.control("POST", "/webhooks/flush?timeout=0.1")
    assert flushed == {"flushed": False, "pending": 1}


async def test_a_full_queue_drops_the_newest_and_says_so(start_sim, receiver):
    sim = await start_sim(webhook_queue=3, knobs={"webhook_delay_min": 3600, "webhook_delay_max": 3600})
    await sim.subscribe("PRODUCTS_CREATE", receiver.url)
    for number in range(5):
        await sim.product(f"P{number}")
    state = await sim.control("GET", "/state")
    assert (state["webhooks"]["dropped"], state["webhooks"]["pending"]) == (2, 3)


async def test_deleting_a_subscription_cancels_what_waits(sim, receiver):
    gid = await sim.subscribe("PRODUCTS_CREATE", receiver.url)
    await sim.knobs(webhook_delay_min=3600, webhook_delay_max=3600)
    await sim.product()
    text = "mutation ($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId } }"
    assert (await sim.data(text, {"id": gid}))["webhookSubscriptionDelete"] == {"deletedWebhookSubscriptionId": gid}
    await sim.flush()
    assert [d["status"] for d in (await sim.control("GET", "/webhooks"))["deliveries"]] == ["cancelled"]


async def test_a_product_with_150_variants_tells_all_their_gids(sim, receiver):
    await sim.subscribe("PRODUCTS_CREATE", receiver.url)
    tickets = [{"title": f"Row {number}", "price": "10", "quantity": 1} for number in range(150)]
    await sim.product("Arena", variants=tickets)
    await sim.flush()
    body = receiver.got[0].body
    assert (len(body["variants"]), len(body["variant_gids"])) == (100, 150)


async def test_odd_webhooks_can_be_sent_by_hand(sim, receiver):
    await sim.subscribe("PRODUCTS_UPDATE", receiver.url)
    await sim.control("POST", "/webhooks/send", {"topic": "products/update", "raw": '{"id": 9007199254740993'})
    wrong = {"topic": "products/update", "body": {"id": 1}, "secret": "other", "url": receiver.url}
    await sim.control("POST", "/webhooks/send", {**wrong, "headers": {"X-Shopify-Topic": "products/delete"}})
    await sim.flush()
    assert len(receiver.got) == 2
    broken = next(got for got in receiver.got if b"9007" in got.raw)
    assert broken.headers["x-shopify-hmac-sha256"] == signature(broken.raw)
    forged = next(got for got in receiver.got if got is not broken)
    assert forged.headers["x-shopify-hmac-sha256"] == signature(forged.raw, b"other")
    assert forged.headers["x-shopify-topic"] == "products/delete"


@pytest.mark.parametrize("bumps", [True, False])
async def test_whether_a_sale_fires_products_update_is_a_knob(sim, receiver, bumps):
    product = await sim.product()
    await sim.knobs(inventory_bumps_product=bumps)
    await sim.subscribe("PRODUCTS_UPDATE", receiver.url)
    await sim.control("POST", "/sell", {"variant_id": product["variants"][0]["id"]})
    await sim.flush()
    assert len(receiver.got) == (1 if bumps else 0)


async def test_http_addresses_are_refused_unless_allowed(start_sim):
    sim = await start_sim(allow_http=False)
    text = """mutation { webhookSubscriptionCreate(topic: PRODUCTS_UPDATE, webhookSubscription: {uri: "http://a.b/c"}) {
      webhookSubscription { id } userErrors { field message } } }"""
    made = (await sim.data(text))["webhookSubscriptionCreate"]
    assert made == {
        "webhookSubscription": None,
        "userErrors": [
            {"field": ["webhookSubscription", "callbackUrl"], "message": "Address protocol http:// is not supported"}
        ],
    }
