"""Searching the shop, with Shopify's traps: an index that lags, totals that are stale, counts with a limit."""

from waiting import eventually

FIND = """query ($q: String!) { products(first: 10, query: $q, sortKey: UPDATED_AT) { nodes { id title } }
  productsCount(query: $q) { count precision } }"""


async def found(sim, query):
    answer = await sim.data(FIND, {"q": query})
    return [p["title"] for p in answer["products"]["nodes"]], answer["productsCount"]["count"]


async def test_the_index_lags_behind_and_reads_by_id_do_not(sim):
    product = await sim.product("Old", tags=["jazz"])
    gone = await sim.product("Gone", tags=["jazz"])
    gid = f"gid://shopify/Product/{product['id']}"
    await sim.knobs(search_lag=3600)
    await sim.control("PATCH", f"/products/{product['id']}", {"title": "New", "tags": ["rock"]})
    await sim.control("DELETE", f"/products/{gone['id']}")
    await sim.product("Just made", tags=["rock"])
    assert await found(sim, "tag:rock") == ([], 0)
    assert await found(sim, "tag:jazz") == (["New"], 2)
    assert (await sim.data(f'{{ product(id: "{gid}") {{ title }} }}'))["product"]["title"] == "New"
    assert len((await sim.data("{ products(first: 5) { nodes { id } } }"))["products"]["nodes"]) == 2
    await sim.knobs(search_lag=0)
    assert await found(sim, "tag:rock") == (["New", "Just made"], 2)
    await sim.knobs(search_lag=0.05)
    await sim.control("PATCH", f"/products/{product['id']}", {"tags": ["folk"]})

    async def indexed():
        return await found(sim, "tag:folk") == (["New"], 1)

    await eventually(indexed)


async def test_total_inventory_stays_stale_while_the_levels_are_fresh(sim):
    product = await sim.product()
    await sim.knobs(stale_total_inventory=3600)
    await sim.control("POST", "/sell", {"variant_id": product["variants"][0]["id"], "quantity": 40})
    text = """{ product(id: "gid://shopify/Product/%d") {
      totalInventory variants(first: 1) { nodes { inventoryQuantity } } } }"""
    answer = (await sim.data(text % product["id"]))["product"]
    assert (answer["totalInventory"], answer["variants"]["nodes"][0]["inventoryQuantity"]) == (100, 60)


async def test_a_count_stops_at_its_limit_and_ids_have_ranges(start_sim):
    sim = await start_sim(events=20)
    ids = sorted(p["id"] for p in (await sim.control("GET", "/products"))["products"])
    query = f"id:>={ids[3]} id:<{ids[8]}"
    text = """query ($q: String) { some: productsCount(query: $q, limit: 3) { count precision }
      all: productsCount(query: $q, limit: null) { count precision }
      products(first: 50, query: $q) { nodes { legacyResourceId } } }"""
    answer = await sim.data(text, {"q": query})
    assert answer["some"] == {"count": 3, "precision": "AT_LEAST"}
    assert answer["all"] == {"count": 5, "precision": "EXACT"}
    assert [int(p["legacyResourceId"]) for p in answer["products"]["nodes"]] == ids[3:8]


async def test_levels_of_a_location_are_found_by_when_they_changed(start_sim):
    sim = await start_sim(events=5)
    product = (await sim.control("GET", "/products"))["products"][0]
    variant = product["variants"][0]
    location = variant["levels"][0]["location_id"]
    stocked = {"variant_id": variant["id"], "location_id": location, "available": 7}
    edited = await sim.control("POST", "/inventory", stocked)
    since = next(x["updated_at"] for x in edited["levels"] if x["location_id"] == location)
    text = """query ($id: ID!, $q: String) { location(id: $id) { inventoryLevels(first: 250, query: $q) {
      nodes { item { legacyResourceId } } } } }"""
    variables = {"id": f"gid://shopify/Location/{location}", "q": f"updated_at:>='{since}'"}
    levels = (await sim.data(text, variables))["location"]["inventoryLevels"]["nodes"]
    assert levels == [{"item": {"legacyResourceId": str(variant["inventory_item_id"])}}]


async def test_variants_items_and_bulk_operations_are_searched(sim):
    variant = (await sim.product(variants=[{"title": "VIP", "price": "1", "sku": "V-1"}]))["variants"][0]
    found = await sim.data("""{ productVariants(first: 5, query: "sku:V-1") { nodes { legacyResourceId } }
      inventoryItems(first: 5, query: "sku:nothing") { nodes { id } } bulkOperations(first: 1) { nodes { id } } }""")
    assert found["productVariants"]["nodes"] == [{"legacyResourceId": str(variant["id"])}]
    assert found["inventoryItems"]["nodes"] == found["bulkOperations"]["nodes"] == []
