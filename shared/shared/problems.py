"""Say every error as RFC 9457 problem+json, and never let a cache keep one.

`install(app)` once in `create_app()`; then raise `Problem(404, "There is no such event.")` anywhere below it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shared.errors import Unavailable

MEDIA_TYPE = "application/problem+json"
MAX_VALIDATION_ERRORS = 20  # a body of 10,000 wrong numbers needs no answer of 10,000 lines
UNAVAILABLE_RETRY_AFTER = 1  # seconds; NATS, PostgreSQL and Redis come back within a few of these

Send = Callable[[dict[str, Any]], Awaitable[None]]
log = structlog.get_logger(__name__)


class Problem(Exception):
    """An answer that is an error.

    `detail` is for whoever sent the request: it never carries a secret, a value that was sent, or an exception's text.
    `extensions` are further members of the document; they can't replace the standard ones. `type` is a URI.
    """

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        title: str | None = None,
        type: str = "about:blank",  # noqa: A002  RFC 9457's member name
        extensions: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.title = title or _phrase(status)
        self.type = type
        self.extensions = dict(extensions or {})
        self.headers = {**(headers or {}), "Cache-Control": "no-store"}

    def __str__(self) -> str:
        return f"{self.status} {self.title}: {self.detail}" if self.detail else f"{self.status} {self.title}"

    def document(self) -> dict[str, Any]:
        """The JSON object of RFC 9457 section 3.1, standard members first."""
        standard = {"type": self.type, "title": self.title, "status": self.status}
        if self.detail is not None:
            standard["detail"] = self.detail
        return {**standard, **{name: value for name, value in self.extensions.items() if name not in standard}}

    def body(self) -> bytes:
        return orjson.dumps(self.document())

    def response(self) -> Response:
        return Response(self.body(), self.status, self.headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make problem+json of every error of `app`: its own, FastAPI's, Starlette's and the ones that nobody expected."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Unavailable, _on_unavailable)
    app.add_exception_handler(Exception, _on_unexpected)


async def send_problem(send: Send, problem: Problem) -> None:
    """The same answer for a raw ASGI layer, which has no FastAPI around it. The response must not have begun."""
    body = problem.body()
    headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), **problem.headers}
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: these statuses are problems, and OpenAPI says so."""
    schema = {
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
        },
    }
    return {
        status: {"description": _phrase(status), "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses
    }


def from_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """400 for what can't be read or isn't in the body, 422 for a readable body that breaks a rule.

    `errors` are pydantic's. Only where and why is told, never the value that was sent.
    """
    in_body = all(_place(error) == "body" and error.get("type") != "json_invalid" for error in errors)
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY if in_body else HTTPStatus.BAD_REQUEST,
        "The request is not valid; `errors` says where.",
        extensions={"errors": [_pointed(error) for error in errors[:MAX_VALIDATION_ERRORS]]},
    )


def _pointed(error: Mapping[str, Any]) -> dict[str, str]:
    place, *path = error.get("loc") or ("body",)
    detail = str(error.get("msg", "invalid"))
    if error.get("type") == "json_invalid":
        return {"detail": "The body is not JSON.", "pointer": "#"}
    if place == "body":
        return {"detail": detail, "pointer": "#" + "".join(f"/{_escape(part)}" for part in path)}
    return {"detail": detail, str(place): ".".join(str(part) for part in path)}


def _place(error: Mapping[str, Any]) -> str:
    return str((error.get("loc") or ("body",))[0])


def _escape(part: Any) -> str:
    """RFC 6901, section 3."""
    return str(part).replace("~", "~0").replace("/", "~1")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


async def _on_problem(_request: Request, error: Exception) -> Response:
    return error.response() if isinstance(error, Problem) else await _on_unexpected(_request, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        return await _on_unexpected(request, error)
    return from_validation(error.errors()).response()


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return await _on_unexpected(request, error)
    said_more = isinstance(error.detail, str) and error.detail != _phrase(error.status_code)
    return Problem(error.status_code, error.detail if said_more else None, headers=error.headers).response()


async def _on_unavailable(request: Request, error: Exception) -> Response:
    log.warning("request.unavailable", path=request.url.path, error=type(error).__name__)
    headers = {"Retry-After": str(UNAVAILABLE_RETRY_AFTER)}
    return Problem(503, "A server that this answer needs is away.", headers=headers).response()


async def _on_unexpected(request: Request, error: Exception) -> Response:
    # Starlette raises it again once this answer is sent, so that the server's log has the traceback.
    log.error("request.failed", method=request.method, path=request.url.path, error=type(error).__name__)
    return Problem(500).response()
