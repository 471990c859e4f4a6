"""What a caller gets when it doesn't get Shopify's answer: an error status, silence, a closed connection."""

import asyncio
import os
import socket
import stat
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

SECURITY_REJECTION = 430  # Shopify's own
OPEN_FILES = Path("/dev/fd")  # of this process, by number


class Closed(Response):
    """The connection is closed before the first byte of an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host, port = scope["client"]
        hang_up((host, int(port)))  # granian says it as text
        await super().__call__(scope, receive, send)  # to nobody: the server wants to be told that it is over


def hang_up(caller: tuple[str, int]) -> bool:
    """Shut the connection that comes from there; False when there is none any more.

    No server offers this to an application, so it is looked up among the files that this process has open.
    """
    return any(_shut(int(file.name), caller) for file in OPEN_FILES.iterdir())


def _shut(number: int, caller: tuple[str, int]) -> bool:
    """Whether this file was the connection; others may be closed while we look."""
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            return False
        with socket.socket(fileno=os.dup(number)) as connection:
            if connection.family != socket.AF_INET or connection.getpeername() != caller:
                return False
            connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return False
    return True


async def given_up(request: Request, closing: asyncio.Event) -> None:
    """Until the caller has gone, or the server is closing. The request's body must have been read."""
    waits = [asyncio.create_task(_gone(request)), asyncio.create_task(closing.wait())]
    _, left = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()


async def _gone(request: Request) -> bool:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return True


def error_body(status: int) -> dict[str, Any]:
    """As Shopify words an error of HTTP."""
    if status == SECURITY_REJECTION:
        return {"errors": "Shopify Security Rejection"}
    known = {one.value for one in HTTPStatus}
    return {"errors": HTTPStatus(status).phrase if status in known else "Error"}


def internal_error() -> dict[str, Any]:
    """HTTP 200: something broke inside, and nothing tells before or after which effect."""
    number = str(uuid4())
    message = (
        "Internal error. Looks like something went wrong on our end.\n"
        f"Request ID: {number} (include this in support requests)."
    )
    return {"errors": [{"message": message, "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": number}}]}
