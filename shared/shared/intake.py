"""Take in the body of a request: in bounded memory, within a deadline.

No ASGI server limits the time or the size of a body, so both are limited here.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from shared.refusals import Crowded, CutOff, Encoded, Malformed, NotJson, TooLarge, TooSlow

JSON = "application/json"
MAX_DIGITS = 18  # of a Content-Length; Python refuses to read numbers of thousands


class Intake:
    """At most `largest` bytes for one body, `deadline` seconds to send it, `room` bytes for all of them at once."""

    def __init__(self, largest: int, deadline: float, room: int) -> None:
        self._largest = largest
        self._deadline = deadline
        self._room = room

    def check(self, headers: Mapping[str, str]) -> None:
        """Refuse what the headers alone give away.

        Raises:
            Encoded, NotJson, TooLarge, Malformed
        """
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise Encoded
        if headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            raise NotJson
        length = headers.get("content-length")
        if length is None:
            return
        if not (length.isascii() and length.isdecimal()):
            raise Malformed("Content-Length is no number.")
        if len(length) > MAX_DIGITS or int(length) > self._largest:
            raise TooLarge(f"The body is larger than {self._largest} bytes.")

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """The raw bytes, counted against the room for as long as the block holds them.

        Raises:
            TooLarge, TooSlow, CutOff, Crowded
        """
        parts: list[bytes] = []
        held = 0
        try:
            try:
                async with asyncio.timeout(self._deadline):
                    async for part in request.stream():
                        held += len(part)
                        self._room -= len(part)
                        if held > self._largest:
                            raise TooLarge(f"The body is larger than {self._largest} bytes.")
                        if self._room < 0:
                            raise Crowded
                        parts.append(part)
            except TimeoutError as error:
                raise TooSlow(f"The body did not come in within {self._deadline:g} s.") from error
            except ClientDisconnect as error:
                raise CutOff from error
            yield parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            self._room += held
