"""The `Date` of every answer, by Shopify's clock: a client compares its own to it."""

from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Dated:
    """`clock` is aware UTC."""

    def __init__(self, app: ASGIApp, clock: Callable[[], datetime]) -> None:
        self.app, self.clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Date"] = format_datetime(self.clock(), usegmt=True)
            await send(message)

        await self.app(scope, receive, dated)
