"""Every error leaves as problem+json, uncached, and tells nothing that it should not."""

import httpx2
import pytest
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from shared.errors import Unavailable
from shared.problems import Problem, from_validation, install, responses, send_problem

CANARY = "canary-7f3a"


class Ticket(BaseModel):
    price: int = Field(gt=0)


class Order(BaseModel):
    tickets: list[Ticket]


def the_app() -> FastAPI:
    app = FastAPI()
    install(app)

    @app.get("/problem")
    async def problem() -> None:
        raise Problem(409, "It moved on.", type="urn:moved", extensions={"revision": 7, "status": 200})

    @app.get("/unexpected")
    async def unexpected() -> None:
        raise RuntimeError(CANARY)

    @app.get("/away")
    async def away() -> None:
        raise Unavailable(CANARY)

    @app.get("/http")
    async def http() -> None:
        raise HTTPException(429, "Slower.", headers={"Retry-After": "3", "Cache-Control": "public"})

    @app.get("/events")
    async def events(limit: int) -> int:
        return limit

    @app.post("/orders", responses=responses(422))
    async def orders(order: Order) -> int:
        return len(order.tickets)

    return app


async def ask(method: str, path: str, **more) -> httpx2.Response:
    transport = httpx2.ASGITransport(the_app(), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, **more)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/problem", None, 409),
        ("GET", "/unexpected", None, 500),
        ("GET", "/away", None, 503),
        ("GET", "/http", None, 429),
        ("GET", "/events?limit=many", None, 400),
        ("GET", "/nowhere", None, 404),
        ("DELETE", "/events", None, 405),
        ("POST", "/orders", b"{", 400),
        ("POST", "/orders", b'{"tickets": [{"price": -1}]}', 422),
    ],
)
async def test_every_error_is_a_problem_that_no_cache_keeps(method, path, body, status):
    answer = await ask(method, path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["status"] == status
    assert answer.json()["title"]
    assert CANARY not in answer.text


async def test_extensions_are_told_and_cannot_replace_a_standard_member():
    document = (await ask("GET", "/problem")).json()
    assert document == {
        "type": "urn:moved",
        "title": "Conflict",
        "status": 409,
        "detail": "It moved on.",
        "revision": 7,
    }


async def test_a_wrong_method_names_the_right_ones():
    assert (await ask("DELETE", "/events")).headers["allow"] == "GET"


async def test_an_http_exception_keeps_its_headers_but_not_its_caching():
    answer = await ask("GET", "/http")
    assert answer.headers["retry-after"] == "3"
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert answer.json()["detail"] == "Slower."


async def test_a_server_that_is_away_is_503_with_a_time_to_come_back():
    assert int((await ask("GET", "/away")).headers["retry-after"]) > 0


async def test_a_body_error_points_into_the_body_and_never_echoes_it():
    answer = await ask("POST", "/orders", json={"tickets": [{"price": 1}, {"price": CANARY}]})
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "#/tickets/1/price"
    assert CANARY not in answer.text


async def test_a_query_error_names_its_parameter():
    (error,) = (await ask("GET", "/events?limit=many")).json()["errors"]
    assert error["query"] == "limit"


def test_pointers_are_escaped_and_their_number_is_bounded():
    errors = [{"loc": ("body", "a/b~c"), "msg": "no", "type": "x"}] * 1000
    told = from_validation(errors).document()["errors"]
    assert told[0]["pointer"] == "#/a~1b~0c"
    assert len(told) == 20


def test_a_status_without_a_name_still_has_a_title():
    assert Problem(599).document()["title"] == "Error"


async def test_a_raw_asgi_layer_sends_the_same_answer():
    sent = []

    async def send(message):
        sent.append(message)

    await send_problem(send, Problem(413, "At most 5 MB.", headers={"Retry-After": "1"}))
    start, body = sent
    headers = dict(start["headers"])
    assert start["status"] == 413
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"retry-after"] == b"1"
    assert int(headers[b"content-length"]) == len(body["body"])


async def test_openapi_says_that_errors_are_problems():
    document = the_app().openapi()
    assert "application/problem+json" in document["paths"]["/orders"]["post"]["responses"]["422"]["content"]
