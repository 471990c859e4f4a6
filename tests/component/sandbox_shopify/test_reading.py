"""Reading the shop through GraphQL: pages, searches, and values that equal the plain truth."""

import pytest

IDS = "query ($after: String) { products(first: 7, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }"
WHOLE = """query ($id: ID!) { product(id: $id) {
  id legacyResourceId handle title descriptionHtml status vendor productType tags createdAt updatedAt publishedAt
  totalInventory tracksInventory options { name optionValues { name hasVariants } } variantsCount { count precision }
  metafields(first: 50) { nodes { namespace key type value compareDigest } }
  media(first: 5) { nodes { alt mediaContentType ... on MediaImage { image { url width } } } }
  variants(first: 250) { nodes {
    id title sku price compareAtPrice position inventoryPolicy inventoryQuantity availableForSale
    selectedOptions { name value } metafields(first: 10, namespace: "ticket") { nodes { key value } }
    inventoryItem { id tracked inventoryLevels(first: 10) { nodes {
      isActive location { id name } quantities(names: ["available", "committed", "on_hand"]) { name quantity } } } }
  } } } }"""


async def test_pages_joined_are_all_products(start_sim):
    sim = await start_sim(events=40)
    seen, after = [], None
    while True:
        products = (await sim.data(IDS, {"after": after}))["products"]
        seen += [node["id"] for node in products["nodes"]]
        after = products["pageInfo"]["endCursor"]
        if not products["pageInfo"]["hasNextPage"]:
            break
    truth = (await sim.control("GET", "/products"))["products"]
    assert seen == [f"gid://shopify/Product/{product['id']}" for product in truth]


async def test_products_sort_by_each_key_both_ways(start_sim):
    sim = await start_sim(events=30)
    text = "query ($k: ProductSortKeys!, $r: Boolean!) { products(first: 250, sortKey: $k, reverse: $r)"
    text += " { nodes { title updatedAt createdAt id } } }"
    for key, field in (("UPDATED_AT", "updatedAt"), ("TITLE", "title"), ("CREATED_AT", "createdAt"), ("ID", "id")):
        for reverse in (False, True):
            nodes = (await sim.data(text, {"k": key, "r": reverse}))["products"]["nodes"]
            values = [node[field].lower() for node in nodes]
            assert values == sorted(values, reverse=reverse)


async def test_a_product_equals_the_truth(start_sim):
    sim = await start_sim(events=12)
    for truth in (await sim.control("GET", "/products"))["products"]:
        product = (await sim.data(WHOLE, {"id": f"gid://shopify/Product/{truth['id']}"}))["product"]
        assert product["legacyResourceId"] == str(truth["id"])
        for ours, theirs in (("title", "title"), ("handle", "handle"), ("descriptionHtml", "body_html")):
            assert product[ours] == truth[theirs]
        assert product["status"] == truth["status"].upper()
        assert product["updatedAt"] == truth["updated_at"]
        assert product["media"]["nodes"][0]["image"]["url"] == truth["images"][0]["url"]
        assert {(m["key"], m["value"]) for m in product["metafields"]["nodes"]} == {
            (m["key"], m["value"]) for m in truth["metafields"]
        }
        for variant, true in zip(product["variants"]["nodes"], truth["variants"], strict=True):
            assert (variant["title"], variant["price"]) == (true["title"], true["price"])
            assert variant["inventoryQuantity"] == true["inventory_quantity"]
            assert len(variant["metafields"]["nodes"]) == len(true["metafields"])
            levels = variant["inventoryItem"]["inventoryLevels"]["nodes"]
            available = [next(q["quantity"] for q in x["quantities"] if q["name"] == "available") for x in levels]
            assert available == [level["available"] for level in true["levels"]]


async def test_an_unquoted_timestamp_is_silently_misread(sim):
    await sim.product()
    text = """query ($q: String!) {
      products(first: 5, query: $q) { nodes { id } } productsCount(query: "status:draft") { count } }"""
    quoted = await sim.gql(text, {"q": "updated_at:>='2999-01-01T00:00:00Z'"})
    assert quoted["data"]["products"]["nodes"] == []
    assert quoted["data"]["productsCount"] == {"count": 0}
    assert "search" not in quoted["extensions"]
    unquoted = await sim.gql(text, {"q": "updated_at:>=2999-01-01T00:00:00Z"})
    assert len(unquoted["data"]["products"]["nodes"]) == 1
    assert unquoted["extensions"]["search"][0]["path"] == ["products"]
    assert unquoted["extensions"]["search"][0]["warnings"][0]["field"] == "updated_at"


async def test_a_destroyed_product_is_an_event(sim):
    product = await sim.product("Gone")
    await sim.control("DELETE", f"/products/{product['id']}")
    text = """{ events(first: 10, sortKey: CREATED_AT, query: "subject_type:PRODUCT AND action:destroy") {
      nodes { id action createdAt ... on BasicEvent { subjectId subjectType } } pageInfo { hasNextPage } } }"""
    events = (await sim.data(text))["events"]["nodes"]
    assert [(e["subjectId"], e["subjectType"], e["action"]) for e in events] == [
        (f"gid://shopify/Product/{product['id']}", "PRODUCT", "destroy")
    ]


async def test_lookups_find_and_do_not_find(sim):
    product = await sim.product()
    gid = f"gid://shopify/Product/{product['id']}"
    text = """query ($id: ID!, $h: String!) {
      nodes(ids: [$id, "gid://shopify/Product/1"]) { ... on Product { id } }
      productByIdentifier(identifier: {handle: $h}) { id }
      product(id: "gid://shopify/Product/1") { id }
      locations(first: 5) { nodes { id isActive } } publications(first: 5) { nodes { id name } }
      shop { currencyCode plan { shopifyPlus } resourceLimits { maxProductVariants } } }"""
    data = await sim.data(text, {"id": gid, "h": product["handle"]})
    assert data["nodes"] == [{"id": gid}, None]
    assert data["productByIdentifier"] == {"id": gid}
    assert data["product"] is None
    assert len(data["locations"]["nodes"]) == 2


async def test_an_inventory_item_leads_to_its_product(sim):
    product = await sim.product()
    item = product["variants"][0]["inventory_item_id"]
    text = """query ($id: ID!) { inventoryItem(id: $id) { id tracked
      variants(first: 1) { nodes { id product { id } } }
      inventoryLevels(first: 10) { nodes { id quantities(names: ["available"]) { quantity } } } } }"""
    found = (await sim.data(text, {"id": f"gid://shopify/InventoryItem/{item}"}))["inventoryItem"]
    assert found["variants"]["nodes"][0]["product"]["id"] == f"gid://shopify/Product/{product['id']}"
    assert found["inventoryLevels"]["nodes"][0]["quantities"] == [{"quantity": 100}]
    assert found["inventoryLevels"]["nodes"][0]["id"].endswith(f"?inventory_item_id={item}")


async def test_every_document_of_the_client_runs(start_sim):
    documents = pytest.importorskip("shared.shopify.documents")
    sim = await start_sim(events=3, knobs={"bucket_size": 100_000})
    truth = (await sim.control("GET", "/products"))["products"][0]
    ids = {"inventoryItem": f"gid://shopify/InventoryItem/{truth['variants'][0]['inventory_item_id']}"}
    ids |= {"productVariant": f"gid://shopify/ProductVariant/{truth['variants'][0]['id']}"}
    ids |= {"bulkOperation": "gid://shopify/BulkOperation/1"}
    product = f"gid://shopify/Product/{truth['id']}"
    given = {
        "location": f"gid://shopify/Location/{truth['variants'][0]['levels'][0]['location_id']}",
        "ownerType": "PRODUCT",
        "handle": truth["handle"],
        "namespace": "ticket",
        "key": "capacity",
    }
    given |= {"query": "subject_type:PRODUCT AND action:destroy"}
    for name in documents.names():
        document = documents.load(name)
        if document.kind == "mutation":
            continue
        asked_by_id = document.text.partition("(id:")[0].split()[-1]
        answer = await sim.gql(document.text, {**given, "id": ids.get(asked_by_id, product)})
        assert "errors" not in answer, (name, answer["errors"])
        assert answer["extensions"]["cost"]["requestedQueryCost"] == document.cost
