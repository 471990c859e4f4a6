"""`GET /v1/changes`: let a client in, and keep its stream until it goes."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from read_api.audience import Audience
from read_api.live import asking
from read_api.live.asking import Wish, wish
from read_api.live.hub import Hub
from read_api.live.rights import needed, sees_jobs
from shared.auth import Authenticator, Principal, Scope, authorize
from shared.auth.dependency import REALM
from shared.edge import HEAD
from shared.problems import Problem, responses

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}
SERVER_SEND = "understudy.send"  # in the scope: what the server gave, before any layer wrapped it
DESCRIPTION = """\
Server-Sent Events:

- `purge` `{"tag": "event:42", "revision": 17}`: every document of that tag below that revision is gone. Read it again,
  with `min_revision=17` where a CDN stands between.
- `reset`: something may have been missed. Nothing that you hold is known to be current: revalidate it.
- `degraded`: announcements are being missed. Until `live`, revalidate before you rely on anything.
- `live`: from here on, everything is told. A connection begins with this or `degraded`; before it comes, for whoever
  named an id, what it missed, or `reset`.

- `job`, for who asked for `jobs`: a job as the writer's `GET /v1/jobs/{id}` shows it, without `position` and
  `eta_seconds`.

Each event but `degraded` has an id; of several that are told together, the last. Ids are good on every replica: a
client that comes back with `Last-Event-ID` is told what it missed, the latest revision of each tag, or `reset`. One
that comes without an id revalidates what it held before. Anonymous clients hear of what is, or was, visible to them,
and of `events`. With a token of scope `events:read`, drafts are told, too, and the stream ends after 15 minutes, to
look at the token again, or when the token expires.

Jobs need a token: with the scope `jobs:read`, everyone's are told; with `events:write`, those of its own subject; of
others, nothing, not even that they exist. What a job is when you begin to listen is not told: listen first, then read
it from the writer. Of several changes in a moment the latest is told, so states that a job only passes through may be
left out; the last one never is. Where jobs are heard of, `live`, `degraded` and `reset` say of what, each on its own:
`{"of": "tags"}` or `{"of": "jobs"}`. After `reset` of jobs read those that you wait for from the writer; until `live`
of jobs look at them there now and then.
"""
TAGS = (
    "What to hear of, separated by commas: `events` (every list) or `event:{id}`; up to 100. All, for `all`, and when"
    " both this and `jobs` are left out."
)
JOBS = "The jobs to hear of: their ids, separated by commas, up to 100; or `all` that the token may see."


DOCUMENTED: dict[str, Any] = {
    "parameters": [
        {"name": asking.TAGS, "in": "query", "required": False, "description": TAGS, "schema": {"type": "string"}},
        {"name": asking.JOBS, "in": "query", "required": False, "description": JOBS, "schema": {"type": "string"}},
        {
            "name": asking.LAST_EVENT_ID,
            "in": "query",
            "required": False,
            "description": "The same as `Last-Event-ID`, for clients that can't send the header.",
            "schema": {"type": "string"},
        },
        {
            "name": "Last-Event-ID",
            "in": "header",
            "required": False,
            "description": "The last id that you were told; browsers send it of their own accord.",
            "schema": {"type": "string"},
        },
    ],
    "security": [{}, {"HTTPBearer": []}],
}


class EventStream(Response):
    """An answer without an end. One task, which waits for the client to go; others hand the frames over."""

    def __init__(self, hub: Hub, asked: Wish, principal: Principal | None) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["Content-Length"]  # Starlette's, of the empty body
        self._hub = hub
        self._asked = asked
        self._principal = principal

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        client = _address(scope)
        self._hub.places.take(client)
        try:
            await self._answer(scope, receive, send)
        finally:
            self._hub.places.give_back(client)

    async def _answer(self, scope: Connection, receive: Receive, send: Send) -> None:
        if self._asked.jobs is not None and not scope.get(HEAD):
            await self._hub.jobs.feed.ready()
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope.get(HEAD):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        # Every frame of every stream would pass five layers that only look at how an answer begins.
        stream = self._hub.join(scope.get(SERVER_SEND, send), self._asked, self._principal)
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self._hub.leave(stream)


class StreamRoute(APIRoute):
    """Calls its endpoint without what FastAPI keeps for each request (exit stacks, the request): 10,000 stay open."""

    async def handle(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await super().handle(scope, receive, send)  # 405
            return
        response = await self.endpoint(Request(scope))
        await response(scope, receive, send)


def routes(hub: Hub) -> APIRouter:
    router = APIRouter(route_class=StreamRoute)

    @router.get(
        "/v1/changes",
        tags=[Audience.PUBLIC.value],
        description=DESCRIPTION,
        status_code=200,
        response_class=EventStream,
        responses={200: {"content": {"text/event-stream": {}}}, **responses(400, 401, 403, 503)},
        openapi_extra=DOCUMENTED,
    )
    async def get_changes(request: Request) -> Response:
        _refuse_body(request.headers)
        asked = wish(request.scope["query_string"], request.headers.get("Last-Event-ID"))
        return EventStream(hub, asked, await _principal(request, asked))

    return router


async def _principal(request: Request, asked: Wish) -> Principal | None:
    """None without a token. Raises Problem (401, 403) for one that proves nothing, or too little, or is missing."""
    sent = request.headers.get("Authorization")
    if sent is None:
        if asked.jobs is not None:
            raise Problem(401, "A bearer token is needed.", headers={"WWW-Authenticate": f'Bearer realm="{REALM}"'})
        return None
    scheme, _, token = sent.partition(" ")
    authenticator: Authenticator = request.app.state.authenticator
    proof = token.strip() if scheme.lower() == "bearer" else ""
    principal = await authorize(authenticator, proof, needed(asked), request.url.path)
    if asked.jobs is not None and not sees_jobs(principal):
        await authorize(
            authenticator, proof, [Scope.JOBS_READ], request.url.path
        )  # refuses it, and says what is needed
    return principal


def _refuse_body(headers: Headers) -> None:
    """A server waits for the body that was announced before it notices that the client has gone."""
    if headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in headers:
        raise Problem(400, "This address takes no body.")


def _address(scope: Connection) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""
