"""A body comes in whole, in bounded memory, within its deadline, or not at all."""

import asyncio

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request

from shared.intake import Intake
from shared.refusals import Crowded, CutOff, Encoded, Malformed, NotJson, TooLarge, TooSlow

NEVER = asyncio.Event


def a_request(*parts: bytes, ends: str = "complete") -> Request:
    """A request whose body arrives in `parts`, and then is complete, stalls or breaks off."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]

    async def receive():
        if messages:
            return messages.pop(0)
        if ends == "stall":
            await NEVER().wait()
        if ends == "leave":
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


async def test_the_parts_are_put_together():
    async with Intake(10, 1, 100).body(a_request(b"ab", b"c")) as body:
        assert body == b"abc"


async def test_a_body_is_counted_whatever_its_header_said():
    with pytest.raises(TooLarge):
        async with Intake(10, 1, 100).body(a_request(b"x" * 6, b"x" * 6, ends="stall")):
            pass


async def test_a_stalled_sender_is_left():
    with pytest.raises(TooSlow):
        async with Intake(10, 0.02, 100).body(a_request(b"x", ends="stall")):
            pass


async def test_a_sender_that_leaves_is_named():
    with pytest.raises(CutOff):
        async with Intake(10, 1, 100).body(a_request(b"x", ends="leave")):
            pass


async def test_all_bodies_together_have_a_bound_and_give_their_room_back():
    intake = Intake(10, 1, 15)
    async with intake.body(a_request(b"x" * 10)):
        with pytest.raises(Crowded):
            async with intake.body(a_request(b"x" * 10)):
                pass
        async with intake.body(a_request(b"x" * 5)) as small:
            assert len(small) == 5
    async with intake.body(a_request(b"x" * 10)) as body:
        assert len(body) == 10


async def test_a_failure_of_the_block_is_not_taken_for_one_of_the_body():
    with pytest.raises(TimeoutError):
        async with Intake(10, 1, 100).body(a_request(b"x")):
            raise TimeoutError


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"content-encoding": "gzip"}, Encoded),
        ({"content-encoding": "identity, br"}, Encoded),
        ({"content-type": "text/xml"}, NotJson),
        ({"content-type": ""}, NotJson),
        ({"content-length": "11"}, TooLarge),
        ({"content-length": "9" * 5000}, TooLarge),
        ({"content-length": "-1"}, Malformed),
        ({"content-length": "²"}, Malformed),
    ],
)
def test_headers_alone_can_give_a_body_away(given, refusal):
    with pytest.raises(refusal):
        Intake(10, 1, 100).check(Headers({"content-type": "application/json"} | given))


@pytest.mark.parametrize(
    "given", [{}, {"content-type": "Application/JSON; charset=utf-8"}, {"content-encoding": "identity"}]
)
def test_ordinary_headers_are_taken(given):
    Intake(10, 1, 100).check(Headers({"content-type": "application/json", "content-length": "10"} | given))
