"""A process that sends requests it may send for a moment only, and stops itself at a chosen point on their way.

Arguments: the server's port, the event loop (asyncio or uvloop), how many points. For each point one line of JSON:
`sent` (the request's name), `point`, `of` (all points there are), `stopped` (whether it came to it, which takes time,
too), `may_have_happened`. The stopped process is resumed
by whoever started it.
"""

import asyncio
import os
import signal
import sys

import orjson
import uvloop

from shared.shopify import ShopifySettings, shopify
from shared.shopify.errors import ShopifyUnavailable
from shared.shopify.http import Parcel

ALLOWED = 0.1  # seconds; less than the process is stopped for
LOOKS = 2  # at the clock: before what goes ahead, and before the last byte
NOWHERE, AT_THE_END = -1, -2  # instead of a number
PADDING = "x" * 10_000  # so that the body goes in two pieces


class Stopper:
    """Counts calls and returns from `before` to the last look at the clock; stops the process at one of them."""

    def __init__(self) -> None:
        self.count, self.stop_at, self.looks, self.stopped = 0, NOWHERE, LOOKS, False

    def begin(self, stop_at) -> None:
        self.count, self.stop_at, self.looks, self.stopped = 0, stop_at, 0, False

    def __call__(self, frame, event, _argument) -> None:
        if self.looks == LOOKS:
            return
        if event == "call" and frame.f_code is Parcel._look.__code__:
            self.looks += 1  # what comes after the last one is the way into the kernel
        if self.count == self.stop_at or (self.looks == LOOKS and self.stop_at == AT_THE_END):
            self.stopped = True
            os.kill(os.getpid(), signal.SIGSTOP)
        self.count += 1


async def send(settings, stopper, name, stop_at, allowed) -> bool:
    """On a connection of its own. Whether it may have happened."""

    async def before() -> float:
        stopper.begin(stop_at)
        return allowed

    variables = {"id": name, "padding": PADDING}
    async with shopify(settings) as client:
        try:
            await client.execute("webhook_subscription_delete", variables, before=before)
        except ShopifyUnavailable as error:
            return error.may_have_happened
    return True


async def main(port: int, points: int) -> None:
    settings = ShopifySettings(
        shopify_shop="understudy.myshopify.com",
        shopify_admin_url=f"http://127.0.0.1:{port}",
        shopify_access_token="shpat_of_the_test",
    )
    stopper = Stopper()
    sys.setprofile(stopper)
    for _ in range(2):  # the first one imports things on its way
        await send(settings, stopper, "unhurried", NOWHERE, 10.0)
    of = stopper.count
    for number in range(points):
        point = number * of // points if number < points - 1 else AT_THE_END
        happened = await send(settings, stopper, f"stopped-{number}", point, ALLOWED)
        line = {
            "sent": f"stopped-{number}",
            "point": point,
            "of": of,
            "stopped": stopper.stopped,
            "may_have_happened": happened,
        }
        sys.stderr.write(orjson.dumps(line).decode() + "\n")  # its log goes to stdout


if __name__ == "__main__":
    run = uvloop.run if sys.argv[2] == "uvloop" else asyncio.run
    run(main(int(sys.argv[1]), int(sys.argv[3])))
