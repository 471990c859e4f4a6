"""Cost and throttling over HTTP, in Shopify's literal shapes (docs/shopify.md 2.2, 2.3)."""

import asyncio

from waiting import eventually

PAGE = "products(first: 100) { nodes { id variants(first: 100) { nodes { id selectedOptions { name } } } } }"
ONE = 2 + 9 * (1 + 2 + 9 * 2)  # 191
HEAVY = f"{{ a: {PAGE} b: {PAGE} c: {PAGE} d: {PAGE} }}"  # 764


async def test_the_cost_says_what_was_asked_what_was_used_and_what_is_left(sim):
    await sim.product()
    answer = await sim.post(f"{{ {PAGE} }}")
    cost = answer.json()["extensions"]["cost"]
    used = 2 + 1 * (1 + 2 + 1 * 2)
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (ONE, used)
    assert 2000 - used <= cost["throttleStatus"]["currentlyAvailable"] <= 2000
    assert '"maximumAvailable":2000.0,' in answer.text
    assert '"restoreRate":100.0}' in answer.text


async def test_parallel_queries_are_admitted_while_the_requested_cost_is_there(start_sim):
    """The measured arithmetic: 16 at once on 4000/200, four are admitted; here each asks for 764 of 4000."""
    sim = await start_sim(knobs={"bucket_size": 4000, "restore_rate": 200, "latency_min": 0.5, "latency_max": 0.5})
    answers = await asyncio.gather(*(sim.gql(HEAVY) for _ in range(16)))
    throttled = [answer for answer in answers if "errors" in answer]
    assert len(throttled) == 16 - 4000 // (4 * ONE)
    for answer in throttled:
        assert list(answer) == ["errors", "extensions"]
        assert answer["errors"] == [
            {
                "message": "Throttled",
                "extensions": {
                    "code": "THROTTLED",
                    "documentation": "https://shopify.dev/api/usage/rate-limits",
                },
            }
        ]
        cost = answer["extensions"]["cost"]
        assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (4 * ONE, None)
        assert cost["throttleStatus"]["currentlyAvailable"] < 4 * ONE
    assert (await sim.control("GET", "/state"))["requests"]["throttled"] == len(throttled)


async def test_sixteen_of_862_on_4000_points(start_sim):
    sim = await start_sim(knobs={"bucket_size": 4000, "restore_rate": 0.001, "latency_min": 0.5, "latency_max": 0.5})
    page = "products(first: 10) { nodes { id variants(first: 250) { nodes { id inventoryItem { id } } } } }"
    padding = " ".join(f"s{n}: shop {{ id }}" for n in range(862 - 8 * (2 + 4 * (1 + 2 + 11 * 2))))
    query = f"{{ {' '.join(f'p{n}: {page}' for n in range(8))} {padding} }}"
    answers = await asyncio.gather(*(sim.gql(query) for _ in range(16)))
    throttled = [answer["extensions"]["cost"] for answer in answers if "errors" in answer]
    assert {cost["requestedQueryCost"] for cost in throttled} == {862}
    assert len(throttled) == 12
    assert {cost["throttleStatus"]["currentlyAvailable"] for cost in throttled} == {4000 - 4 * 862}


async def test_a_query_over_the_maximum_is_refused_and_charged_nothing(sim):
    five = " ".join(f"p{n}: {PAGE}" for n in range(6))
    answer = await sim.gql(f"{{ {five} }}")
    assert set(answer) == {"errors"}
    error = answer["errors"][0]
    start = (
        f"Query cost is {6 * ONE}, which exceeds the single query max cost limit (1000).\n\nSee https://shopify.dev/"
    )
    assert error["message"].startswith(start)
    assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"
    assert (error["extensions"]["cost"], error["extensions"]["maxCost"]) == (6 * ONE, 1000)
    assert (await sim.control("GET", "/state"))["bucket"]["currentlyAvailable"] == 2000


async def test_an_array_of_more_than_250_is_refused_and_charged(start_sim):
    sim = await start_sim(knobs={"restore_rate": 0.001})
    ids = [f"gid://shopify/Product/{number}" for number in range(251)]
    answer = await sim.gql("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids})
    assert answer["errors"][0]["message"] == "The input array size of 251 is greater than the maximum allowed of 250."
    assert answer["errors"][0]["extensions"]["code"] == "MAX_INPUT_SIZE_EXCEEDED"
    assert answer["extensions"]["cost"]["actualQueryCost"] is None
    assert answer["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] == 1999


async def test_a_limit_cut_is_seen_at_once(sim):
    await sim.knobs(bucket_size=500, restore_rate=25)
    status = (await sim.gql("{ shop { id } }"))["extensions"]["cost"]["throttleStatus"]
    assert (status["maximumAvailable"], status["restoreRate"]) == (500, 25)


async def test_a_cut_keeps_what_was_spent_and_what_is_under_way_is_refunded_below_it(start_sim):
    sim = await start_sim(knobs={"restore_rate": 0.001, "latency_min": 0.3, "latency_max": 0.3})
    slow = asyncio.create_task(sim.gql(HEAVY))

    async def admitted():
        return (await sim.control("GET", "/state"))["requests"].get("admitted")

    await eventually(admitted)
    await sim.knobs(bucket_size=1000)
    cut = (await sim.control("GET", "/state"))["bucket"]
    assert (cut["maximumAvailable"], cut["currentlyAvailable"]) == (1000, 1000 - 4 * ONE)
    cost = (await slow)["extensions"]["cost"]
    assert cost["throttleStatus"]["currentlyAvailable"] == 1000 - cost["actualQueryCost"]


async def test_a_cut_that_nobody_announced_throttles_who_trusts_the_status(start_sim):
    sim = await start_sim(knobs={"hidden_bucket_size": 800, "hidden_restore_rate": 0.001})
    page = f"{{ {PAGE} }}"
    await sim.product(variants=[{"title": str(number), "price": "1", "quantity": 1} for number in range(60)])
    first = (await sim.gql(page))["extensions"]["cost"]
    answers = [await sim.gql(page) for _ in range(40)]
    throttled = [answer for answer in answers if "errors" in answer]
    assert len(throttled) == len(answers) - (800 - first["actualQueryCost"] - ONE) // first["actualQueryCost"] - 1
    for answer in throttled:
        assert answer["errors"][0]["extensions"]["code"] == "THROTTLED"
        assert answer["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] > ONE
    state = await sim.control("GET", "/state")
    assert state["hidden_bucket"]["currentlyAvailable"] < ONE
    assert state["points_spent"] == first["actualQueryCost"] * (1 + len(answers) - len(throttled))
    await sim.knobs(hidden_bucket_size=None, hidden_restore_rate=None)
    assert "data" in await sim.gql(page)


async def test_the_debug_header_lists_the_fields(sim):
    answer = await sim.gql(f"{{ {PAGE} }}", None, **{"Shopify-GraphQL-Cost-Debug": "1"})
    fields = answer["extensions"]["cost"]["fields"]
    assert next(f for f in fields if f["path"] == ["products"])["requestedTotalCost"] == ONE
