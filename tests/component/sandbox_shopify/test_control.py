"""The control room: what a test does to the shop as merchant, buyer or saboteur."""

from waiting import eventually

from sandbox.shopify import control


async def test_a_product_is_made_edited_and_deleted(sim):
    product = await sim.product(
        "Jazz",
        status="draft",
        tags=["b", "a"],
        metafields=[{"namespace": "event", "key": "subtitle", "value": "x"}],
        images=[{"url": "https://cdn.example.com/a.jpg", "alt": "A"}],
        variants=[
            {"title": "VIP", "price": "49", "quantity": 5},
            {"title": "Standing", "price": "20", "sku": "ST", "metafields": [
                {"namespace": "ticket", "key": "capacity", "value": "100", "type": "number_integer"}]},
        ],
    )  # fmt: skip
    assert (product["status"], product["tags"], product["handle"]) == ("draft", ["a", "b"], "jazz")
    path = f"/products/{product['id']}"
    variant = product["variants"][1]
    edited = await sim.control(
        "PATCH",
        path,
        {
            "title": "Rock",
            "status": "ACTIVE",
            "metafields": [
                {"namespace": "event", "key": "subtitle", "value": None},
                {"namespace": "event", "key": "venue_city", "value": "Berlin"},
            ],
            "variants": [{"id": variant["id"], "price": "21.50", "title": "Floor"}],
        },
    )
    assert (edited["title"], edited["status"], edited["handle"]) == ("Rock", "active", "jazz")
    assert [m["key"] for m in edited["metafields"]] == ["venue_city"]
    assert [(v["title"], v["price"]) for v in edited["variants"]] == [("VIP", "49.00"), ("Floor", "21.50")]
    assert edited["options"] == [{"name": "Ticket", "values": ["VIP", "Floor"]}]
    await sim.control("DELETE", path)
    await sim.control("GET", path, status=404)


async def test_variants_come_and_go(sim):
    product = await sim.product()
    added = await sim.control("POST", f"/products/{product['id']}/variants", {"title": "Late", "price": "5"})
    await sim.control("POST", f"/products/{product['id']}/variants", {"title": "Late"}, status=409)
    await sim.control("DELETE", f"/variants/{added['id']}")
    (left,) = (await sim.control("GET", f"/products/{product['id']}"))["variants"]
    await sim.control("DELETE", f"/variants/{left['id']}", status=409)


async def test_stock_over_two_locations_adds_up(sim):
    first, second = [x["id"] for x in (await sim.control("GET", "/locations"))["locations"]]
    tickets = [{"title": "VIP", "price": "1", "quantities": {first: 10, second: 5}}]
    variant = (await sim.product(variants=tickets))["variants"][0]
    assert variant["inventory_quantity"] == 15
    sold = await sim.control("POST", "/sell", {"variant_id": variant["id"], "quantity": 4, "location_id": second})
    assert [(x["available"], x["committed"], x["on_hand"]) for x in sold["levels"]] == [(10, 0, 10), (1, 4, 5)]
    await sim.control("POST", "/sell", {"variant_id": variant["id"], "quantity": 11}, status=409)
    third = (await sim.control("POST", "/locations", {"name": "Third"}))["id"]
    stocked = await sim.control(
        "POST", "/inventory", {"variant_id": variant["id"], "location_id": third, "available": 7}
    )
    assert stocked["inventory_quantity"] == 18
    gone = await sim.control(
        "POST", "/inventory", {"variant_id": variant["id"], "location_id": first, "available": None}
    )
    assert gone["inventory_quantity"] == 8


async def test_the_journal_tells_everything_in_order(sim):
    product = await sim.product()
    text = """mutation ($id: ID!, $t: String!) { productUpdate(product: {id: $id, title: $t}) {
      product { title } userErrors { field message } } }"""
    gid = f"gid://shopify/Product/{product['id']}"
    await sim.data(text, {"id": gid, "t": "Rock"})
    await sim.data(text, {"id": gid, "t": ""})
    entries = (await sim.control("GET", "/journal"))["entries"]
    assert [(e["origin"], e["action"]) for e in entries] == [
        ("control", "create"),
        ("admin", "productUpdate"),
        ("admin", "productUpdate"),
    ]
    assert entries[1]["effects"] == [f"product {product['id']}: title"]
    assert (entries[2]["effects"], entries[2]["user_errors"][0]["message"]) == ([], "Title can't be blank")
    assert (await sim.control("GET", f"/journal?after={entries[1]['sequence']}"))["entries"] == entries[2:]


async def test_the_journal_is_filtered_and_says_what_it_has_forgotten(sim):
    product = await sim.product()
    text = """mutation ($id: ID!, $t: String!) { productUpdate(product: {id: $id, title: $t}) { product { id } } }"""
    await sim.data(text, {"id": f"gid://shopify/Product/{product['id']}", "t": "Rock"})
    await sim.data('mutation { productCreate(product: {title: "x"}) { product { id } } }')
    journal = await sim.control("GET", "/journal?origin=admin")
    assert [entry["action"] for entry in journal["entries"]] == ["productUpdate", "productCreate"]
    assert [entry["request"] for entry in journal["entries"]] == [1, 2]
    assert all(entry["admitted_at"] <= entry["at"] for entry in journal["entries"])
    assert (journal["forgotten"], journal["last"]) == (0, 3)
    (control,) = (await sim.control("GET", "/journal?origin=control"))["entries"]
    assert (control["request"], control["admitted_at"]) == (None, None)
    (created,) = (await sim.control("GET", "/journal?action=productCreate"))["entries"]
    assert created == journal["entries"][1]


async def test_traffic_edits_and_sells_until_it_is_stopped(start_sim):
    sim = await start_sim(events=5)
    await sim.control("POST", "/traffic", {"edits_per_second": 200, "sales_per_second": 200})

    async def busy():
        actions = {e["action"] for e in (await sim.control("GET", "/journal"))["entries"]}
        return {"edit", "sell"} <= actions

    await eventually(busy)
    await sim.control("POST", "/traffic", {})
    assert await sim.control("GET", "/traffic") == {"edits_per_second": 0, "sales_per_second": 0}


async def test_its_api_is_documented_where_it_is_put_together(sim):
    document = (await sim.http.get(f"{sim.url}/openapi.json")).json()
    for path in document["paths"]:
        assert "/".join(path.split("/")[:3]) in control.__doc__
