"""The Admin API's doors: tokens, versions, envelopes, and the misbehaviour of an API far away."""

import asyncio

VERSION = "2026-10"

UNAUTHORIZED = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}


async def test_a_wrong_token_is_401_in_shopifys_words(sim):
    sim.token = "wrong"
    answer = await sim.post("{ shop { id } }")
    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


async def test_the_grant_hands_out_a_token_that_works(sim):
    form = {"client_id": "understudy-app", "client_secret": "hush", "grant_type": "client_credentials"}
    for given in ({"json": form}, {"data": form}):
        answer = await sim.http.post(f"{sim.url}/admin/oauth/access_token", **given)
        token = answer.json()
        assert token["expires_in"] == 86399
        assert "write_products" in token["scope"]
        sim.token = token["access_token"]
        assert (await sim.data("{ shop { name } }"))["shop"]["name"] == "understudy"


async def test_the_grant_refuses_a_wrong_secret_and_another_grant(sim):
    url = f"{sim.url}/admin/oauth/access_token"
    wrong = {"client_id": "understudy-app", "client_secret": "no", "grant_type": "client_credentials"}
    assert (await sim.http.post(url, json=wrong)).status_code == 401
    assert (await sim.http.post(url, json={**wrong, "grant_type": "password"})).status_code == 400


async def test_every_answer_names_the_api_version(sim):
    answer = await sim.post("{ shop { id } }")
    assert answer.headers["X-Shopify-API-Version"] == VERSION


async def test_a_static_error_comes_alone(sim):
    answer = await sim.gql("{ products(first: 1) { nodes { nonsense } } }")
    assert set(answer) == {"errors"}
    assert answer["errors"][0]["message"] == "Field 'nonsense' doesn't exist on type 'Product'"
    assert answer["errors"][0]["extensions"]["code"] == "undefinedField"


async def test_a_wrong_variable_is_a_static_error(sim):
    answer = await sim.gql("query ($id: ID!) { product(id: $id) { id } }", {"id": None})
    assert set(answer) == {"errors"}
    assert answer["errors"][0]["message"].startswith("Variable $id of type ID! was provided invalid value")
    assert answer["errors"][0]["extensions"]["code"] == "INVALID_VARIABLE"


async def test_a_syntax_error_is_a_parse_error(sim):
    answer = await sim.gql("{ shop {")
    assert answer["errors"][0]["extensions"]["code"] == "PARSE_ERROR"


async def test_a_runtime_error_comes_with_data_and_cost(sim):
    answer = await sim.gql('{ product(id: "gid://shopify/Order/1") { id } }')
    assert answer["data"] == {"product": None}
    assert answer["errors"][0]["extensions"]["code"] == "RESOURCE_NOT_FOUND"
    assert answer["errors"][0]["message"] == "Invalid id: gid://shopify/Order/1"
    assert answer["extensions"]["cost"]["requestedQueryCost"] == 1
    assert list(answer) == ["errors", "data", "extensions"]


async def test_what_is_not_simulated_says_so(sim):
    await sim.product()
    answer = await sim.gql("{ shop { email } }")
    assert answer["errors"][0]["message"] == "Shop.email is not simulated."
    answer = await sim.gql("{ location { address { zip } } }")
    assert answer["errors"][0]["extensions"]["code"] == "NOT_SIMULATED"


async def test_a_body_that_is_no_query_is_400(sim):
    url, headers = f"{sim.url}/admin/api/{VERSION}/graphql.json", {"X-Shopify-Access-Token": sim.token}
    for content in (b"", b"[]", b'{"query": 1}', b"{"):
        assert (await sim.http.post(url, content=content, headers=headers)).status_code == 400


async def test_an_error_share_answers_5xx_before_any_effect(sim):
    await sim.knobs(error_share=1, error_status=503)
    answer = await sim.post('mutation { productCreate(product: {title: "x"}) { product { id } } }')
    assert answer.status_code == 503
    assert (await sim.control("GET", "/products"))["products"] == []


async def test_a_lost_answer_has_its_effect(sim):
    await sim.knobs(lost_answer_share=1, lost_answer_seconds=0)
    answer = await sim.post('mutation { productCreate(product: {title: "x"}) { product { id } } }')
    assert answer.status_code == 502
    assert [p["title"] for p in (await sim.control("GET", "/products"))["products"]] == ["x"]


async def test_latency_is_a_knob(sim):
    await sim.knobs(latency_min=0.2, latency_max=0.2)
    loop = asyncio.get_running_loop()
    started = loop.time()
    await sim.gql("{ shop { id } }")
    assert loop.time() - started >= 0.2


async def test_an_unknown_knob_or_a_wild_value_is_refused(sim):
    await sim.control("PATCH", "/knobs", {"nonsense": 1}, status=422)
    await sim.control("PATCH", "/knobs", {"error_share": 2}, status=422)


async def test_uninstalling_kills_the_token(sim, receiver):
    await sim.subscribe("APP_UNINSTALLED", receiver.url)
    await sim.control("POST", "/uninstall")
    await sim.flush()
    assert receiver.got[0].headers["x-shopify-topic"] == "app/uninstalled"
    assert receiver.got[0].body["myshopify_domain"] == "understudy.myshopify.com"
    assert (await sim.post("{ shop { id } }")).status_code == 401
