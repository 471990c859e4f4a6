"""Answer a request whose body was not read, so that the answer arrives.

A connection that is closed under a sender is reset, and many clients then never read what was answered. So the answer
goes out at once, and a bounded part of the rest is thrown away behind it. The connection is of no more use then.
"""

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MAX_DISCARDED = 16 << 20  # bytes
DEADLINE = 1.0  # seconds


class Lingering(Response):
    """An answer, and the rest of the request thrown away."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.body, answer.status_code, dict(answer.headers))
        self.headers["Connection"] = "close"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)
        try:
            async with asyncio.timeout(DEADLINE):
                await _discard(receive)
        except TimeoutError:
            return  # a sender that stalls is cut off


async def _discard(receive: Receive) -> None:
    discarded = 0
    while discarded < MAX_DISCARDED:
        message = await receive()
        discarded += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
