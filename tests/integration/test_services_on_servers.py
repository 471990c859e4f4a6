"""The services, each a process of its own, on whatever servers the tests were given (UNDERSTUDY_TEST_SERVERS)."""

import asyncio

from whole_system import READY_WITHIN, Running


async def test_a_shop_is_read_once_and_then_followed_on_any_servers(services: Running) -> None:
    await services.equal()

    product = await services.new_event("On Other Servers")
    await services.shop.edit(product["id"], title="On Other Servers, edited")
    await services.reads(product["id"], title="On Other Servers, edited")
    await services.shop.sell(product["variants"][0]["id"], 3)
    await services.reads(product["id"], available=97)
    await services.shop.delete((await services.new_event("Soon Gone"))["id"])

    await services.equal()
    assert await services.dead_letters() == []

    # The same servers and services, the syncer away for a while.
    syncer = services.process("syncer")
    await asyncio.to_thread(syncer.stop)
    await services.shop.edit(product["id"], title="While The Syncer Was Away")
    await services.shop.flush()
    await asyncio.to_thread(syncer.start, READY_WITHIN)

    await services.reads(product["id"], within=10.0, title="While The Syncer Was Away")
    await services.equal()
