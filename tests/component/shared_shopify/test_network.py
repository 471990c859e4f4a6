"""The client on real sockets: nobody there, nobody answers, half an answer."""

import asyncio
import socket

import pytest

from shared.shopify import ShopifySettings, shopify
from shared.shopify.errors import ShopifyUnavailable


async def ask(port):
    settings = ShopifySettings(
        shopify_shop="understudy.myshopify.com",
        shopify_admin_url=f"http://127.0.0.1:{port}",
        shopify_access_token="shpat_of_the_test",
        shopify_request_timeout=0.3,
        shopify_max_attempts=1,
    )
    async with shopify(settings) as client:
        with pytest.raises(ShopifyUnavailable) as caught:
            await client.execute("shop")
    return caught.value


async def served_with(answer):
    """A server that reads a request, sends `answer` and, where that is empty, keeps silent."""
    gone = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if not answer:
            await gone.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        return await ask(server.sockets[0].getsockname()[1])
    finally:
        gone.set()
        server.close()


async def test_with_nobody_there_nothing_can_have_happened():
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port, and nobody answers
        taken.bind(("127.0.0.1", 0))
        error = await ask(taken.getsockname()[1])
    assert not error.may_have_happened


async def test_with_nobody_answering_it_may_have_happened():
    assert (await served_with(b"")).may_have_happened


async def test_with_half_an_answer_it_may_have_happened():
    assert (await served_with(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")).may_have_happened
