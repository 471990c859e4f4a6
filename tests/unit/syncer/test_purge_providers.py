"""What a provider's answer means: done, later, never; and for how long it wants to be left alone."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import eventually

from syncer.purger.providers.call import LONGEST_REST, EdgeSilent, EdgeUnavailable, PurgeRefused, TokenRefused, rest
from syncer.purger.providers.cloudflare import Cloudflare
from syncer.purger.providers.fastly import Fastly
from syncer.purger.providers.fleet import Fleet
from syncer.purger.providers.varnish import Varnish

SECRET = "canary-4711"


def client(status: int, body: object = None, **headers: str) -> httpx2.AsyncClient:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, json=body, headers=headers)

    return httpx2.AsyncClient(transport=httpx2.MockTransport(answer))


def cloudflare(status: int, body: object = None, **headers: str) -> Cloudflare:
    return Cloudflare(client(status, body, **headers), SECRET, "zone")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, PurgeRefused), (404, PurgeRefused), (413, PurgeRefused), (301, PurgeRefused), (401, TokenRefused),
        (403, TokenRefused), (408, EdgeUnavailable), (429, EdgeUnavailable), (500, EdgeUnavailable),
        (503, EdgeUnavailable),
    ],
)  # fmt: skip
async def test_an_answer_says_whether_it_helps_to_try_again_and_repeats_nothing(status, error):
    with pytest.raises(error) as caught:
        await cloudflare(status, {"errors": [{"message": SECRET}]}).purge(["events"])
    assert SECRET not in repr(caught.value)
    assert str(status) in str(caught.value)


@pytest.mark.parametrize("body", [None, [], {}, {"result": None}, "x"])
async def test_what_is_not_cloudflares_is_no_success(body):
    with pytest.raises(EdgeUnavailable):
        await cloudflare(200, body).purge(["events"])


async def test_an_answer_without_success_is_refused():
    with pytest.raises(PurgeRefused):
        await cloudflare(200, {"success": False}).purge_everything()


@pytest.mark.parametrize("body", [None, {}, {"events": "1"}, 7])
async def test_fastly_must_name_every_key_it_purged(body):
    with pytest.raises(EdgeUnavailable):
        await Fastly(client(200, body), SECRET, "service", soft=True).purge(["events", "event:1"])


@pytest.mark.parametrize("everything", [False, True])
async def test_a_varnish_that_is_asked_at_its_readers_port_is_told_apart(everything):
    varnish = Varnish(client(405), "http://edge:8080")
    with pytest.raises(PurgeRefused) as caught:
        await (varnish.purge_everything() if everything else varnish.purge(["events"]))
    assert str(caught.value) == "405: this is not the purge listener (-a purge=…)"
    with pytest.raises(PurgeRefused, match="refused: 400"):
        await Varnish(client(400), "http://edge:8081").purge(["events"])
    with pytest.raises(TokenRefused):
        await Varnish(client(403), "http://edge:8081").purge(["events"])


async def test_nobody_there_is_another_thing_than_an_answer():
    def break_off(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError(f"no route for {SECRET}")

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(break_off)) as http:
        with pytest.raises(EdgeSilent) as caught:
            await Cloudflare(http, SECRET, "zone").purge(["events"])
    assert SECRET not in str(caught.value)


class Edge:
    """Notes what it was told, unless it is away."""

    def __init__(self) -> None:
        self.away = False
        self.told: list[str] = []
        self.held: asyncio.Event | None = None

    async def purge(self, tags: Sequence[str]) -> None:
        self._note(*tags)

    async def purge_everything(self) -> None:
        self._note("*")
        if self.held is not None:
            await self.held.wait()

    def _note(self, *words: str) -> None:
        if self.away:
            raise EdgeSilent("away")
        self.told += words


def fleet(number: int, repeat_after: float = 0.0) -> tuple[Fleet, list[Edge]]:
    edges = [Edge() for _ in range(number)]
    return Fleet(edges, repeat_after), edges


async def test_one_edge_that_is_away_keeps_no_other_waiting_and_is_emptied_twice_when_it_is_back():
    all_of_them, (lost, *others) = fleet(3)
    lost.away = True
    for tag in ("a", "b"):
        await all_of_them.purge([tag])
    await all_of_them.catch_up()
    assert all_of_them.behind
    assert [edge.told for edge in others] == [["a", "b"]] * 2
    lost.away = False
    await all_of_them.catch_up()
    assert lost.told == ["*"]
    assert all_of_them.behind, "an answer may have been on its way to it"
    await all_of_them.purge(["c"])
    await all_of_them.catch_up()
    assert lost.told == ["*", "c", "*"]
    assert not all_of_them.behind
    assert others[0].told == ["a", "b", "c"], "nobody else is emptied for it"


async def test_when_none_of_them_accepts_it_it_has_not_happened():
    all_of_them, edges = fleet(2)
    for edge in edges:
        edge.away = True
    with pytest.raises(EdgeSilent):
        await all_of_them.purge(["a"])
    assert not all_of_them.behind
    edges[0].away = False
    await all_of_them.purge(["b"])
    edges[0].away = True
    with pytest.raises(EdgeSilent):
        await all_of_them.purge(["c"])


async def test_what_nobody_was_told_has_not_happened_even_when_all_of_them_are_lost():
    all_of_them, (first, second) = fleet(2)
    first.away = True
    await all_of_them.purge(["a"])
    first.away = False
    await all_of_them.catch_up()
    second.away = True
    await all_of_them.purge(["b"])
    first.away = True
    await all_of_them.catch_up()  # the first is lost again, at its second emptying
    for call in (all_of_them.purge(["c"]), all_of_them.purge_everything()):
        with pytest.raises(EdgeSilent):
            await call
    first.away = False
    await all_of_them.catch_up()
    await all_of_them.purge(["d"])
    assert first.told == ["*", "b", "*", "d"]


async def test_an_edge_that_is_being_emptied_is_told_what_comes_meanwhile():
    all_of_them, (lost, _) = fleet(2)
    lost.away = True
    await all_of_them.purge(["a"])
    lost.away, lost.held = False, asyncio.Event()
    emptying = asyncio.create_task(all_of_them.catch_up())
    await eventually(lambda: lost.told == ["*"])
    await all_of_them.purge(["b"])
    assert lost.told == ["*", "b"]
    lost.away = True
    await all_of_them.purge(["c"])
    lost.held.set()
    await emptying
    lost.away, lost.held = False, None
    await all_of_them.catch_up()
    await all_of_them.catch_up()
    assert lost.told == ["*", "b", "*", "*"], "it was lost again before it had caught up"
    assert not all_of_them.behind


def http_date(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def unix_time(seconds: int) -> str:
    return str(int(datetime.now(UTC).timestamp()) + seconds)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        (dict, 0, 0),
        (lambda: {"Retry-After": "7"}, 7, 7),
        (lambda: {"Retry-After": "999999999"}, LONGEST_REST, LONGEST_REST),
        (lambda: {"Retry-After": "-1"}, 0, 0),
        (lambda: {"Retry-After": http_date(90)}, 60, 90),
        (lambda: {"Retry-After": http_date(-90)}, 0, 0),
        (lambda: {"Retry-After": "Mon, 01 Jan 9999999999 00:00:00 GMT"}, 0, 0),
        (lambda: {"Retry-After": "Mon, 01 Jan 2026 00:00:00 +999999999999"}, 0, 0),
        (lambda: {"Retry-After": "Fri, 31 Dec 9999 23:59:59 -2359"}, 0, LONGEST_REST),
        (lambda: {"Retry-After": "Mon, 01 Jan 0001 00:00:00 +2359"}, 0, 0),
        (lambda: {"Fastly-RateLimit-Reset": unix_time(90)}, 60, 91),
        (lambda: {"Retry-After": "3", "Fastly-RateLimit-Reset": unix_time(90)}, 3, 3),
    ],
)
def test_how_long_it_wants_to_be_left_alone(headers, least, most):
    assert least <= rest(httpx2.Headers(headers())) <= most


@given(st.text(max_size=40), st.text(max_size=20))
def test_nonsense_is_no_wish(retry_after, reset):
    assert 0 <= rest({"Retry-After": retry_after, "Fastly-RateLimit-Reset": reset}) <= LONGEST_REST
