"""What the app may do in the shop, what it finds there, and what time it is."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SCOPES = "{ currentAppInstallation { accessScopes { handle } } }"


async def test_a_missing_scope_is_denied_and_the_granted_ones_are_listed(sim):
    await sim.control("PUT", "/scopes", {"scopes": ["write_products", "read_locations"]})
    listed = (await sim.data(SCOPES))["currentAppInstallation"]["accessScopes"]
    assert [scope["handle"] for scope in listed] == ["read_locations", "read_products", "write_products"]
    await sim.data("{ products(first: 1) { nodes { id } } locations(first: 1) { nodes { id } } }")
    answer = await sim.gql('{ inventoryItem(id: "gid://shopify/InventoryItem/1") { id } }')
    required = "`read_inventory` access scope."
    assert answer["data"] == {"inventoryItem": None}
    assert answer["errors"][0]["message"] == f"Access denied for inventoryItem field. Required access: {required}"
    assert answer["errors"][0]["extensions"] == {
        "code": "ACCESS_DENIED",
        "documentation": "https://shopify.dev/api/usage/access-scopes",
        "requiredAccess": required,
    }
    await sim.control("PUT", "/scopes", {"scopes": ["read_products"]})
    answer = await sim.gql('mutation { productCreate(product: {title: "x"}) { product { id } } }')
    assert answer["errors"][0]["extensions"]["requiredAccess"] == "`write_products` access scope."
    assert (await sim.control("GET", "/products"))["products"] == []


async def test_definitions_are_there_can_be_made_and_forgotten(sim):
    text = '{ metafieldDefinitions(first: 50, ownerType: %s, namespace: "%s") { nodes { key type { name } } } }'

    async def keys(owner, namespace):
        found = (await sim.data(text % (owner, namespace)))["metafieldDefinitions"]["nodes"]
        return {one["key"]: one["type"]["name"] for one in found}

    assert (await keys("PRODUCTVARIANT", "ticket"))["capacity"] == "number_integer"
    known = (await sim.control("GET", "/definitions"))["definitions"]
    starts_at = next(one for one in known if one["key"] == "starts_at")
    await sim.control("DELETE", f"/definitions/{starts_at['id']}")
    assert "starts_at" not in await keys("PRODUCT", "event")
    made = """mutation ($d: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $d) {
      createdDefinition { namespace key name } userErrors { field message code } } }"""
    wanted = {"ownerType": "PRODUCT", "namespace": "event", "key": "starts_at", "name": "Start", "type": "date_time"}
    answers = [(await sim.data(made, {"d": wanted}))["metafieldDefinitionCreate"] for _ in range(2)]
    assert answers[0]["createdDefinition"] == {"namespace": "event", "key": "starts_at", "name": "Start"}
    assert [error["code"] for error in answers[1]["userErrors"]] == ["TAKEN"]
    assert (await keys("PRODUCT", "event"))["starts_at"] == "date_time"


async def test_an_expired_api_version_falls_forward_and_its_header_says_so(sim):
    versions = (await sim.data("{ publicApiVersions { handle displayName supported } }"))["publicApiVersions"]
    assert {"handle": "2026-10", "displayName": "2026-10 (Latest)", "supported": True} in versions
    assert (await sim.post("{ shop { name } }")).headers["x-shopify-api-version"] == "2026-10"
    await sim.knobs(oldest_api_version="2027-01")
    answer = await sim.post("{ publicApiVersions { handle } }")
    assert answer.headers["x-shopify-api-version"] == "2027-01"
    assert [one["handle"] for one in answer.json()["data"]["publicApiVersions"]] == ["2027-01", "2027-04", "unstable"]


async def test_shopifys_clock_may_be_ahead(sim, receiver):
    await sim.subscribe("PRODUCTS_UPDATE", receiver.url)
    product = await sim.product()
    await sim.knobs(clock_skew=3600)
    answer = await sim.post("{ shop { name } }")
    now = datetime.now(UTC)
    assert 3590 < (parsedate_to_datetime(answer.headers["date"]) - now).total_seconds() < 3610
    edited = await sim.control("PATCH", f"/products/{product['id']}", {"title": "x"})
    assert 3590 < (datetime.fromisoformat(edited["updated_at"]) - now).total_seconds() < 3610
    await sim.flush()
    triggered = datetime.fromisoformat(receiver.got[-1].headers["x-shopify-triggered-at"])
    assert 3590 < (triggered - now).total_seconds() < 3610


async def test_all_subscriptions_can_vanish(sim, receiver):
    for topic in ("PRODUCTS_UPDATE", "PRODUCTS_DELETE"):
        await sim.subscribe(topic, receiver.url)
    assert await sim.control("DELETE", "/subscriptions") == {"deleted": 2}
    assert (await sim.control("GET", "/state"))["subscriptions"] == []
    left = await sim.data("{ webhookSubscriptions(first: 5) { nodes { id } } }")
    assert left["webhookSubscriptions"]["nodes"] == []


async def test_a_subscriptions_options_are_reported_and_obeyed(sim, receiver):
    wanted = {"format": "XML", "includeFields": ["id", "status", "variants.price"], "filter": "status:active"}
    await sim.subscribe("PRODUCTS_UPDATE", receiver.url, **wanted)
    text = "{ webhookSubscriptions(first: 5) { nodes { format includeFields filter apiVersion { handle } } } }"
    (found,) = (await sim.data(text))["webhookSubscriptions"]["nodes"]
    assert found == {**wanted, "apiVersion": {"handle": "2026-10"}}
    product = await sim.product()
    path = f"/products/{product['id']}"
    await sim.control("PATCH", path, {"status": "draft"})
    await sim.control("PATCH", path, {"status": "active"})
    await sim.flush()
    (got,) = receiver.got
    assert got.headers["content-type"] == "application/xml"
    assert got.raw.decode().splitlines()[1:4] == [
        "<product>",
        f'  <id type="integer">{product["id"]}</id>',
        "  <status>active</status>",
    ]


async def test_a_location_closes_and_opens(sim):
    first, second = [x["id"] for x in (await sim.control("GET", "/locations"))["locations"]]
    tickets = [{"title": "VIP", "price": "1", "quantities": {first: 10, second: 5}}]
    product = await sim.product(variants=tickets)
    await sim.control("PATCH", f"/locations/{second}", {"active": False})
    variant = (await sim.control("GET", f"/products/{product['id']}"))["variants"][0]
    assert (variant["inventory_quantity"], [x["location_id"] for x in variant["levels"]]) == (10, [first])
    listed = """{ locations(first: 5) { nodes { name } }
      all: locations(first: 5, includeInactive: true) { nodes { isActive } } }"""
    found = await sim.data(listed)
    assert [x["name"] for x in found["locations"]["nodes"]] == ["Box office"]
    assert sorted(x["isActive"] for x in found["all"]["nodes"]) == [False, True]
    await sim.control("PATCH", f"/locations/{first}", {"active": False}, status=409)
    await sim.control("PATCH", f"/locations/{second}", {"active": True})
    close = """mutation ($id: ID!, $to: ID) { locationDeactivate(locationId: $id, destinationLocationId: $to) {
      location { isActive } locationDeactivateUserErrors { code } } }"""
    await sim.control("PUT", "/scopes", {"scopes": ["write_locations", "read_products", "read_inventory"]})
    ids = {"id": f"gid://shopify/Location/{first}"}
    refused = (await sim.data(close, ids))["locationDeactivate"]
    assert refused == {"location": None, "locationDeactivateUserErrors": [{"code": "HAS_ACTIVE_INVENTORY_ERROR"}]}
    moved = (await sim.data(close, {**ids, "to": f"gid://shopify/Location/{second}"}))["locationDeactivate"]
    assert moved == {"location": {"isActive": False}, "locationDeactivateUserErrors": []}
    variant = (await sim.control("GET", f"/products/{product['id']}"))["variants"][0]
    assert [(x["location_id"], x["available"]) for x in variant["levels"]] == [(second, 10)]
