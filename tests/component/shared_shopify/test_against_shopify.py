"""The client against a Shopify that behaves, and one that does not."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from shared.shopify import LocalBudget
from shared.shopify.bucket import Bucket
from shared.shopify.documents import load
from shared.shopify.errors import ShopifyRefused, ShopifyUnavailable, UserErrors


def gid(kind, number):
    return f"gid://shopify/{kind}/{number}"


async def all_products(client):
    after, found = None, []
    while True:
        page = (await client.execute("products_changed", {"query": "", "after": after, "products": 50})).data[
            "products"
        ]
        found += [{"id": gid("Product", node["legacyResourceId"])} for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def test_the_shop_its_currency_and_its_locations_are_read(simulated):
    async with simulated.connect() as client:
        shop = (await client.execute("shop")).data["shop"]
        locations = (await client.execute("locations")).data["locations"]["nodes"]
    assert shop["currencyCode"] == "EUR"
    assert shop["myshopifyDomain"] == "understudy.myshopify.com"
    assert locations


async def test_all_products_are_paged_each_once(simulated):
    async with simulated.connect() as client:
        found = await all_products(client)
    truth = (await simulated.state())["products"]
    assert len({product["id"] for product in found}) == len(found) == truth >= 60  # and hidden ones on top


async def test_150_variants_are_read_in_two_calls(simulated):
    made = await simulated.create("Festival", variants=150)
    async with simulated.connect() as client:
        product = (await client.execute("product", {"id": gid("Product", made["id"])})).data["product"]
        first = product["variants"]
        assert first["pageInfo"]["hasNextPage"]
        variables = {"id": product["id"], "after": first["pageInfo"]["endCursor"]}
        more = (await client.execute("product_variants", variables)).data["product"]
    nodes = first["nodes"] + more["variants"]["nodes"]
    assert [node["position"] for node in nodes] == list(range(1, 151))
    assert not more["variants"]["pageInfo"]["hasNextPage"]
    assert more["updatedAt"] == product["updatedAt"]


async def test_metafields_pictures_and_stock_come_with_the_product(simulated):
    variant = {
        "title": "Standing",
        "price": "25.00",
        "quantity": 40,
        "metafields": [{"namespace": "ticket", "key": "capacity", "value": "100"}],
    }
    made = await simulated.create(
        "Jazz Night",
        variants=0,
        images=[{"url": "https://cdn.test/1.png", "alt": "A stage"}],
        metafields=[
            {"namespace": "event", "key": "city", "value": "Berlin"},
            {"namespace": "internal", "key": "note", "value": "secret"},
        ],
    )
    (await simulated.control.post(f"/products/{made['id']}/variants", json=variant)).raise_for_status()
    async with simulated.connect() as client:
        product = (await client.execute("product", {"id": gid("Product", made["id"])})).data["product"]
        ticket = product["variants"]["nodes"][-1]
        item = (await client.execute("inventory_item", {"id": ticket["inventoryItem"]["id"]})).data["inventoryItem"]
    assert [m["key"] for m in product["metafields"]["nodes"]] == ["city"]
    assert product["media"]["nodes"][0]["image"]["url"]
    assert product["media"]["nodes"][0]["alt"] == "A stage"
    assert [m["value"] for m in ticket["metafields"]["nodes"]] == ["100"]
    levels = ticket["inventoryItem"]["inventoryLevels"]["nodes"]
    assert {q["name"]: q["quantity"] for q in levels[0]["quantities"]} == {
        "available": 40,
        "committed": 0,
        "on_hand": 40,
    }
    assert item["variants"]["nodes"][0]["product"]["id"] == product["id"]
    assert item["inventoryLevels"]["nodes"] == levels


async def test_the_follow_up_documents_read_on(simulated):
    made = await simulated.create("Gala")
    product_id = gid("Product", made["id"])
    async with simulated.connect() as client:
        variant = (await client.execute("product", {"id": product_id})).data["product"]["variants"]["nodes"][0]
        item = {"id": variant["inventoryItem"]["id"]}
        assert (await client.execute("product_metafields", {"id": product_id})).data["product"]["metafields"]
        assert (await client.execute("product_media", {"id": product_id})).data["product"]["media"]
        assert (await client.execute("variant_metafields", {"id": variant["id"]})).data["productVariant"]["metafields"]
        assert (await client.execute("inventory_levels", item)).data["inventoryItem"]["inventoryLevels"]


async def test_what_is_not_there_is_null_and_no_error(simulated):
    async with simulated.connect() as client:
        assert (await client.execute("product", {"id": gid("Product", 1)})).data == {"product": None}


async def test_a_subscription_is_made_listed_changed_and_deleted(simulated):
    async with simulated.connect() as client:
        wanted = {"uri": "http://127.0.0.1:1/webhooks/products/update", "metafieldNamespaces": ["event", "ticket"]}
        asked = {"topic": "PRODUCTS_UPDATE", "subscription": wanted}
        made = (await client.execute("webhook_subscription_create", asked)).data["webhookSubscriptionCreate"]
        made = made["webhookSubscription"]
        moved = {"uri": "http://127.0.0.1:1/elsewhere"}
        await client.execute("webhook_subscription_update", {"id": made["id"], "subscription": moved})
        (listed,) = (await client.execute("webhook_subscriptions")).data["webhookSubscriptions"]["nodes"]
        await client.execute("webhook_subscription_delete", {"id": made["id"]})
        left = (await client.execute("webhook_subscriptions")).data["webhookSubscriptions"]["nodes"]
    assert listed == made | moved | {"updatedAt": listed["updatedAt"]}
    assert left == []


async def test_what_shopify_says_is_wrong_is_a_user_error(simulated):
    async with simulated.connect() as client:
        with pytest.raises(UserErrors) as caught:
            await client.execute("webhook_subscription_delete", {"id": gid("WebhookSubscription", 1)})
    assert caught.value.errors[0].message == "Webhook subscription does not exist"


async def test_an_argument_that_does_not_exist_is_refused(simulated):
    async with simulated.connect() as client:
        with pytest.raises(ShopifyRefused):
            await client.execute("product", {"id": None})


@pytest.mark.parametrize("name", ["shop", "locations", "bulk_ends", "webhook_subscriptions"])
async def test_shopify_asks_for_the_cost_that_the_document_says(simulated, name):
    async with simulated.connect() as client:
        assert (await client.execute(name)).cost.requested == load(name).cost


def throttled():
    return REGISTRY.get_sample_value("understudy_shopify_throttled_total") or 0


async def test_a_rush_of_calls_is_never_throttled_and_all_are_answered(simulated):
    await simulated.turn(bucket_size=1000, restore_rate=2000, latency_min=0.01, latency_max=0.05)
    before = throttled()
    async with simulated.connect(shopify_deadline=60) as client:
        ids = [product["id"] for product in await all_products(client)]
        answers = await asyncio.gather(*(client.execute("product", {"id": id_}) for id_ in ids * 2))
    assert [answer.data["product"]["id"] for answer in answers] == ids * 2
    assert throttled() == before


async def test_a_limit_that_is_cut_meanwhile_is_followed_and_all_are_answered(simulated):
    await simulated.turn(bucket_size=4000, restore_rate=4000, latency_min=0.01, latency_max=0.03)
    budget = LocalBudget()
    async with simulated.connect(budget=budget, shopify_deadline=60) as client:
        ids = [product["id"] for product in await all_products(client)]
        calls = [asyncio.create_task(client.execute("product", {"id": id_})) for id_ in ids]
        await asyncio.wait(calls[:10])
        await simulated.turn(bucket_size=500, restore_rate=1000)
        answers = await asyncio.gather(*calls)
    assert len(answers) == len(ids)
    assert budget.bucket.maximum == 500
    assert budget.bucket.held == 0


async def test_another_process_that_spends_costs_a_wait_and_no_answer(simulated):
    await simulated.turn(bucket_size=1000, restore_rate=1000)
    blind = LocalBudget(Bucket.full(1_000_000, 1_000_000, 0.0))
    async with simulated.connect(budget=blind) as greedy, simulated.connect() as client:
        ids = [product["id"] for product in await all_products(client)][:20]
        calls = [c.execute("product", {"id": id_}) for id_ in ids for c in (greedy, client)]
        assert len(await asyncio.gather(*calls)) == 40


async def test_a_query_survives_server_errors(simulated):
    await simulated.turn(error_share=0.3)
    async with simulated.connect(shopify_max_attempts=10) as client:
        for _ in range(3):
            assert (await client.execute("shop")).data["shop"]


async def test_a_mutation_whose_answer_is_lost_happened_and_is_not_repeated(simulated):
    await simulated.turn(lost_answer_share=1, lost_answer_seconds=0)
    wanted = {"topic": "PRODUCTS_UPDATE", "subscription": {"uri": "http://127.0.0.1:1/"}}
    async with simulated.connect() as client:
        with pytest.raises(ShopifyUnavailable) as caught:
            await client.execute("webhook_subscription_create", wanted)
        assert caught.value.may_have_happened
        await simulated.turn(lost_answer_share=0)
        assert len((await client.execute("webhook_subscriptions")).data["webhookSubscriptions"]["nodes"]) == 1


async def test_client_credentials_get_in_and_get_a_new_token_after_they_were_revoked(simulated):
    app = {"shopify_client_id": "understudy-app", "shopify_client_secret": "secret-of-the-test"}
    async with simulated.connect(**app) as client:
        assert (await client.execute("shop")).data["shop"]
        (await simulated.control.post("/uninstall")).raise_for_status()
        assert (await client.execute("shop")).data["shop"]


async def test_wrong_credentials_are_refused(simulated):
    async with simulated.connect(shopify_client_id="understudy-app", shopify_client_secret="guess") as client:
        with pytest.raises(ShopifyRefused):
            await client.execute("shop")
    async with simulated.connect(shopify_access_token="guess") as client:
        with pytest.raises(ShopifyRefused, match="Invalid API key"):
            await client.execute("shop")
