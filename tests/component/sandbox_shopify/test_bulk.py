"""Bulk operations over HTTP: run, watched, cancelled, failed, and their results fetched."""

import json
import time

import httpx2
import pytest
from waiting import eventually

RUN = """mutation ($q: String!, $g: Boolean = false) { bulkOperationRunQuery(query: $q, groupObjects: $g) {
  bulkOperation { id status } userErrors { field message code } } }"""
POLL = """query ($id: ID!) { bulkOperation(id: $id) { id status type errorCode createdAt completedAt objectCount
  rootObjectCount fileSize url partialDataUrl query } }"""
CANCEL = """mutation ($id: ID!) { bulkOperationCancel(id: $id) {
  bulkOperation { id status } userErrors { field message } } }"""
PRODUCTS = "{ products { edges { node { id title variants { edges { node { id sku } } } } } } }"

# `first` counts for nothing in bulk, and is needed outside it: the same text runs in both.
EVERYTHING = """{ products(first: 250, query: "status:active,draft", sortKey: TITLE, reverse: true) { edges { node {
  __typename title ...Ids tags priceRangeV2 { minVariantPrice { amount currencyCode } } variantsCount { count }
  options { name values } subtitle: metafield(namespace: "event", key: "subtitle") { value }
  media(first: 10) { edges { node { id mediaContentType ... on MediaImage { image { url altText } } } } }
  variants(first: 250) { edges { node { id cost: price compareAtPrice selectedOptions { name value } createdAt
    taxable inventoryItem { inventoryLevels(first: 250) { edges { node { id isActive location { id name }
      quantities(names: ["available", "on_hand"]) { name quantity } } } } tracked }
    capacity: metafields(first: 5, namespace: "ticket", keys: ["capacity"]) { edges { node { key value jsonValue } } }
  } } } } } pageInfo { hasNextPage } } }
fragment Ids on Product { id legacyResourceId }"""


async def run(sim, query=PRODUCTS, *, grouped=False):
    started = (await sim.data(RUN, {"q": query, "g": grouped}))["bulkOperationRunQuery"]
    assert started["userErrors"] == []
    assert started["bulkOperation"]["status"] == "CREATED"
    return started["bulkOperation"]["id"]


async def poll(sim, gid):
    return (await sim.data(POLL, {"id": gid}))["bulkOperation"]


async def ended(sim, gid):
    async def look():
        operation = await poll(sim, gid)
        return operation if operation["status"] not in {"CREATED", "RUNNING", "CANCELING"} else None

    return await eventually(look)


async def result(sim, gid):
    operation = await ended(sim, gid)
    assert operation["status"] == "COMPLETED", operation
    return [json.loads(line) for line in (await sim.http.get(operation["url"])).text.splitlines()]


def flattened(node, parent=None):
    """What a bulk operation makes of a node of an ordinary answer: its line, then its children's."""
    below = []

    def without_connections(value):
        kept = {}
        for key, inner in value.items():
            if isinstance(inner, dict) and "edges" in inner:
                below.extend(edge["node"] for edge in inner["edges"])
                continue
            kept[key] = without_connections(inner) if isinstance(inner, dict) else inner
        return kept

    line = without_connections(node)
    yield line if parent is None else {**line, "__parentId": parent}
    for child in below:
        yield from flattened(child, node["id"])


async def test_a_result_is_what_the_api_itself_answers(start_sim):
    sim = await start_sim(events=12, knobs={"max_query_cost": 10**9, "bucket_size": 10**9})
    answer = (await sim.data(EVERYTHING))["products"]
    expected = [line for edge in answer["edges"] for line in flattened(edge["node"])]
    grouped = await result(sim, await run(sim, EVERYTHING, grouped=True))
    assert [list(line.items()) for line in grouped] == [list(line.items()) for line in expected]
    assert {list(line)[-1] for line in grouped if "mediaContentType" in line} == {"__parentId"}
    scattered = await result(sim, await run(sim, EVERYTHING))
    assert scattered != grouped
    assert sorted(map(json.dumps, scattered)) == sorted(map(json.dumps, expected))


async def test_levels_bear_their_variants_id_and_leave_an_empty_item(sim):
    variant = (await sim.product("A/B & C"))["variants"][0]
    levels = "inventoryItem { inventoryLevels { edges { node { location { name } } } } }"
    query = f"{{ productVariants {{ edges {{ node {{ id {levels} }} }} }} }}"
    operation = await ended(sim, await run(sim, query))
    gid = rf"gid:\/\/shopify\/ProductVariant\/{variant['id']}"
    assert (await sim.http.get(operation["url"])).text == (
        f'{{"id":"{gid}","inventoryItem":{{}}}}\n{{"location":{{"name":"Box office"}},"__parentId":"{gid}"}}\n'
    )
    assert (operation["objectCount"], operation["rootObjectCount"]) == ("2", "1")


async def test_nothing_found_has_no_url(sim):
    operation = await ended(sim, await run(sim))
    assert (operation["status"], operation["objectCount"], operation["url"]) == ("COMPLETED", "0", None)


async def test_six_are_one_too_many_and_a_cancelled_one_makes_room(start_sim):
    sim = await start_sim(events=5, knobs={"bulk_seconds": 600})
    gids = [await run(sim) for _ in range(5)]
    refused = (await sim.data(RUN, {"q": PRODUCTS}))["bulkOperationRunQuery"]
    message = f"A bulk query operation for this app and shop is already in progress: {', '.join(gids)}."
    assert refused["bulkOperation"] is None
    assert refused["userErrors"] == [{"field": None, "message": message, "code": "OPERATION_IN_PROGRESS"}]
    running = '{ bulkOperations(first: 10, query: "status:running operation_type:query") { nodes { id } } }'
    assert [n["id"] for n in (await sim.data(running))["bulkOperations"]["nodes"]] == gids
    cancelled = (await sim.data(CANCEL, {"id": gids[0]}))["bulkOperationCancel"]
    assert cancelled == {"bulkOperation": {"id": gids[0], "status": "CANCELING"}, "userErrors": []}
    assert (await ended(sim, gids[0]))["status"] == "CANCELED"
    current = (await sim.data("{ currentBulkOperation { id status } }"))["currentBulkOperation"]
    assert current == {"id": gids[-1], "status": "RUNNING"}
    await run(sim)


@pytest.mark.parametrize(
    ("knobs", "status", "code", "partial"),
    [
        ({"bulk_fail_at": 0.5}, "FAILED", "INTERNAL_SERVER_ERROR", True),
        ({"bulk_fail_at": 1, "bulk_error_code": "TIMEOUT", "bulk_partial_data": False}, "FAILED", "TIMEOUT", False),
        ({"bulk_url_seconds": 0}, "EXPIRED", None, False),
    ],
)
async def test_an_operation_that_does_not_succeed(start_sim, knobs, status, code, partial):
    sim = await start_sim(events=20, knobs={"bulk_scatter": 0, **knobs})
    operation = await ended(sim, await run(sim))
    assert (operation["status"], operation["errorCode"], operation["url"]) == (status, code, None)
    assert (operation["partialDataUrl"] is not None) is partial
    if partial:
        lines = (await sim.http.get(operation["partialDataUrl"])).text.splitlines()
        assert len(lines) == int(operation["objectCount"])
        assert operation["rootObjectCount"] == "11"
    message = f"A bulk operation cannot be canceled when it is {status.lower()}"
    refused = (await sim.data(CANCEL, {"id": operation["id"]}))["bulkOperationCancel"]["userErrors"]
    assert refused == [{"field": None, "message": message}]
    unknown = (await sim.data(CANCEL, {"id": "gid://shopify/BulkOperation/1"}))["bulkOperationCancel"]["userErrors"]
    assert unknown == [{"field": ["id"], "message": "Bulk operation does not exist"}]


async def test_a_truncated_file_is_shorter_than_the_count_says_and_only_once(start_sim):
    knobs = {"bulk_truncated_lines": 3, "bulk_truncated_mid_line": True, "bulk_faulty": 1}
    sim = await start_sim(events=5, knobs=knobs)
    operation = await ended(sim, await run(sim))
    lines = (await sim.http.get(operation["url"])).text.splitlines()
    assert len(lines) == int(operation["objectCount"]) - 3
    with pytest.raises(json.JSONDecodeError):
        json.loads(lines[-1])
    whole = await ended(sim, await run(sim))
    assert len((await sim.http.get(whole["url"])).text.splitlines()) == int(whole["objectCount"])


async def test_a_result_is_fetched_in_ranges_until_its_time_is_over(start_sim):
    sim = await start_sim(events=10)
    operation = await ended(sim, await run(sim))
    whole = await sim.http.get(operation["url"])
    assert whole.headers["content-type"] == "application/jsonl"
    assert int(whole.headers["content-length"]) == int(operation["fileSize"]) == len(whole.content)
    part = await sim.http.get(operation["url"], headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    rest = await sim.http.get(operation["url"], headers={"Range": "bytes=200-", "If-Range": whole.headers["etag"]})
    assert rest.content == whole.content[200:]
    assert (await sim.http.get(operation["url"], headers={"Range": f"bytes={10**9}-"})).status_code == 416
    url = httpx2.URL(operation["url"])
    for changed in ({"Expires": "9999999999"}, {"Signature": "x"}):
        assert (await sim.http.get(url.copy_merge_params(changed))).status_code == 403
    assert await sim.control("POST", "/bulk_operations/expire") == {"expired": 1}
    assert (await poll(sim, operation["id"]))["status"] == "EXPIRED"
    assert (await sim.http.get(url)).status_code == 403
    await sim.knobs(bulk_url_seconds=0)
    gone = await ended(sim, await run(sim))
    assert (gone["status"], gone["url"]) == ("EXPIRED", None)


async def until_it_breaks(sim, url):
    got = b""
    try:
        async with sim.http.stream("GET", url) as answer:
            async for piece in answer.aiter_raw():
                got += piece
    except httpx2.RemoteProtocolError:
        return got
    pytest.fail("the connection did not break")


async def test_a_download_that_breaks_off_goes_on_where_it_was(start_sim):
    sim = await start_sim(events=10, knobs={"download_cut_after": 500, "download_cuts": 1})
    operation = await ended(sim, await run(sim))
    got = await until_it_breaks(sim, operation["url"])
    assert len(got) == 500
    rest = await sim.http.get(operation["url"], headers={"Range": "bytes=500-"})
    assert len(got + rest.content) == int(operation["fileSize"])


async def test_its_end_is_told_unless_it_is_not(sim, receiver):
    product = await sim.product()
    await sim.subscribe("BULK_OPERATIONS_FINISH", receiver.url)
    gid = await run(sim)
    await eventually(lambda: receiver.got)
    body = receiver.got[0].body
    assert receiver.got[0].headers["x-shopify-topic"] == "bulk_operations/finish"
    assert body == body | {"admin_graphql_api_id": gid, "error_code": None, "status": "completed", "type": "query"}
    assert set(body) == {"admin_graphql_api_id", "completed_at", "created_at", "error_code", "status", "type"}
    await sim.knobs(bulk_finish_webhook=False)
    await result(sim, await run(sim))
    await sim.flush()
    assert len(receiver.got) == 1
    assert product["title"] == "Jazz"


async def test_the_shop_is_open_while_one_runs(start_sim):
    sim = await start_sim(events=30, knobs={"bulk_seconds": 600})
    products = (await sim.control("GET", "/products"))["products"]
    gid = await run(sim)
    last = products[-1]
    await sim.control("PATCH", f"/products/{last['id']}", {"title": "Edited meanwhile"})
    await sim.control("DELETE", f"/products/{products[-2]['id']}")
    assert (await poll(sim, gid))["status"] in {"CREATED", "RUNNING"}
    await sim.data(CANCEL, {"id": gid})
    await sim.knobs(bulk_seconds=1)
    gid = await run(sim)
    await sim.control("PATCH", f"/products/{last['id']}", {"title": "Edited again"})
    await sim.control("DELETE", f"/products/{products[-3]['id']}")
    lines = await result(sim, gid)
    titles = {line["id"]: line["title"] for line in lines if "title" in line}
    assert titles[f"gid://shopify/Product/{last['id']}"] == "Edited again"
    assert f"gid://shopify/Product/{products[-3]['id']}" not in titles
    state = await sim.control("GET", "/state")
    assert [one["status"] for one in state["bulk_operations"]] == ["CANCELED", "COMPLETED"]


async def test_a_scope_that_is_missing_fails_it(sim):
    await sim.product()
    await sim.control("PUT", "/scopes", {"scopes": ["read_products"]})
    levels = "inventoryItem { inventoryLevels { edges { node { id } } } }"
    operation = await ended(sim, await run(sim, f"{{ productVariants {{ edges {{ node {{ id {levels} }} }} }} }}"))
    assert (operation["status"], operation["errorCode"]) == ("FAILED", "ACCESS_DENIED")
    answer = await sim.gql("mutation ($q: String!) { bulkOperationRunQuery(query: $q) { bulkOperation { id } } }", {
        "q": "{ products { edges { node { id publishedAt } } } locations { edges { node { id } } } }"})  # fmt: skip
    assert answer["errors"][0]["extensions"]["code"] == "NOT_SIMULATED"


@pytest.mark.bench
async def test_fifty_thousand_variants_at_two_locations_take_ten_seconds_at_most(start_sim):
    levels = (
        'inventoryItem { id inventoryLevels { edges { node { id quantities(names: ["available"]) { quantity } } } } }'
    )
    variants = f"variants {{ edges {{ node {{ id title sku price inventoryQuantity {levels} }} }} }}"
    sim = await start_sim(events=10_000, tickets=5)
    began = time.process_time()
    gid = await run(sim, f"{{ products {{ edges {{ node {{ id title handle tags updatedAt {variants} }} }} }} }}")
    operation = await eventually(lambda: completed(sim, gid), within=60)
    assert operation["objectCount"] == "176000"  # 11,000 products: a tenth more is hidden
    assert time.process_time() - began < 10


async def completed(sim, gid):
    operation = await poll(sim, gid)
    return operation if operation["status"] == "COMPLETED" else None
