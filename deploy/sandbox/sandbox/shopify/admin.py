"""Shopify's own doors: the Admin GraphQL API and the client credentials grant, with their knobs of misbehaviour."""

import asyncio
import hmac
import random
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.shopify.carrying import Admitted, Carrier
from sandbox.shopify.edge import Closed, error_body, given_up, internal_error
from sandbox.shopify.executor import Executor, Prepared
from sandbox.shopify.faults import Answer, Armed, Effect, Fault, Faults
from sandbox.shopify.knobs import Knobs
from sandbox.shopify.refusals import UserError
from sandbox.shopify.settings import ShopifySettings
from sandbox.shopify.shop import Admission
from sandbox.shopify.versions import VERSION, Versions

TOKEN_LIFETIME = 86_399  # seconds, as Shopify says
UNAUTHORIZED = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
MAX_BODY = 10 * 1024 * 1024  # bytes
NO_FAULT = Fault()


@dataclass(slots=True)
class Tokens:
    """The static token, and those handed out by the grant until they expire. `clock` is monotonic seconds."""

    static: str
    clock: Callable[[], float]
    issued: dict[str, float] = field(default_factory=dict)
    revoked: bool = False

    def accepts(self, token: str) -> bool:
        if self.revoked:
            return False
        now = self.clock()
        self.issued = {known: until for known, until in self.issued.items() if until > now}
        return hmac.compare_digest(token.encode(), self.static.encode()) or token in self.issued

    def issue(self) -> str:
        token = f"shpat_{secrets.token_hex(16)}"
        self.issued[token] = self.clock() + TOKEN_LIFETIME
        self.revoked = False
        return token


@dataclass(slots=True)
class Admin:
    settings: ShopifySettings
    executor: Executor
    tokens: Tokens
    knobs: Callable[[], Knobs]
    chance: random.Random
    closing: asyncio.Event
    faults: Faults = field(default_factory=Faults)
    counts: Counter[str] = field(default_factory=Counter)
    carrier: Carrier = field(init=False)

    def __post_init__(self) -> None:
        self.carrier = Carrier(self.executor, self.knobs, self.chance, self.closing, self.counts)

    def routes(self) -> list[Route]:
        return [
            Route("/admin/api/{version}/graphql.json", self.graphql, methods=["POST"]),
            Route("/admin/oauth/access_token", self.access_token, methods=["POST"]),
        ]

    async def graphql(self, request: Request) -> Response:  # noqa: PLR0911 - one guard a gate
        """One GraphQL request through every gate that Shopify has, in its order."""
        self.counts["requests"] += 1
        asked_version = request.path_params["version"]
        knobs = self.knobs()
        versions = Versions.of(self.settings.api_version, knobs.oldest_api_version)
        version = versions.serving(asked_version) if VERSION.fullmatch(asked_version) else None
        if version is None:
            return self._answer({"errors": "Not Found"}, 404)
        if not self.tokens.accepts(request.headers.get("X-Shopify-Access-Token", "")):
            self.counts["unauthorized"] += 1
            return self._answer(UNAUTHORIZED, 401)
        if self.chance.random() < knobs.error_share:
            self.counts["server_errors"] += 1
            return self._answer({"errors": "Internal Server Error"}, knobs.error_status, version)
        asked = _asked(await request.body())
        if asked is None:
            return self._answer({"errors": {"query": "Required parameter missing or invalid"}}, 400, version)
        prepared = self.executor.prepare(asked["query"], asked.get("variables"), asked.get("operationName"))
        if not isinstance(prepared, Prepared):
            self.counts["invalid"] += 1
            return self._answer(prepared, 200, version)
        armed = self.faults.fitting(prepared.kind, prepared.fields, prepared.raw_variables)
        if armed and self._stops_at_the_edge(armed.fault):
            self._strike(armed, prepared)
            return await self._struck(request, armed.fault, prepared, None, version)
        if refusal := self.executor.admit(prepared, knobs):
            return self._answer(refusal, 200, version)
        if armed:
            self._strike(armed, prepared)
        return await self._admitted(request, prepared, armed.fault if armed else NO_FAULT, version)

    async def _admitted(self, request: Request, prepared: Prepared, fault: Fault, version: str) -> Response:
        """Everything from here on happens though the caller has gone."""
        knobs = self.knobs()
        self.counts["admitted"] += 1
        admission = Admission(self.counts["admitted"], self.executor.backstage.shop.moment())
        debug = request.headers.get("Shopify-GraphQL-Cost-Debug") == "1"
        latency = self.carrier.latency()
        refusal = tuple(UserError(one.field, one.message, one.code) for one in fault.user_errors)
        admitted = Admitted(prepared, admission, knobs, str(request.base_url), debug, latency, refusal)
        answer = await self.carrier.carry_out(admitted, fault)
        if fault is not NO_FAULT:
            return await self._struck(request, fault, prepared, answer, version)
        if self.chance.random() < knobs.lost_answer_share:
            self.counts["lost_answers"] += 1
            await self.carrier.wait(knobs.lost_answer_seconds)
            return self._answer({"errors": "Bad Gateway"}, 502, version)
        return self._answer(answer, 200, version)

    def _stops_at_the_edge(self, fault: Fault) -> bool:
        """Whether it is never let in, nor charged."""
        if fault.effect is Effect.LATE:
            return self.carrier.full()
        return fault.effect is Effect.NONE and fault.answer is not Answer.REFUSED

    def _strike(self, armed: Armed, prepared: Prepared) -> None:
        self.counts["faults"] += 1
        self.faults.strike(armed, self.executor.backstage.shop.moment(), prepared.fields)

    async def _struck(self, request: Request, fault: Fault, prepared: Prepared, answer: Any, version: str) -> Response:
        """What the fault says the caller gets, when it says so."""
        await self.carrier.wait(fault.seconds)
        match fault.answer:
            case Answer.GIVEN | Answer.REFUSED:
                return self._answer(answer, 200, version)
            case Answer.ERROR:
                return self._answer(error_body(fault.status), fault.status, version, fault.retry_after)
            case Answer.CLOSED:
                return Closed()
            case Answer.HANGS:
                await given_up(request, self.closing)
                return Closed()
            case Answer.THROTTLED:
                return self._answer(self.executor.throttle(prepared), 200, version)
            case Answer.INTERNAL_ERROR:
                return self._answer(internal_error(), 200, version)

    async def access_token(self, request: Request) -> Response:
        """The client credentials grant: JSON or form."""
        form = _form(await request.body(), request.headers.get("Content-Type", ""))
        if form.get("grant_type") != "client_credentials":
            return self._answer({"error": "unsupported_grant_type"}, 400)
        known = hmac.compare_digest(str(form.get("client_id", "")).encode(), self.settings.client_id.encode())
        secret = self.settings.client_secret.get_secret_value().encode()
        if not known or not hmac.compare_digest(str(form.get("client_secret", "")).encode(), secret):
            self.counts["unauthorized"] += 1
            return self._answer({"error": "invalid_client"}, 401)
        token = self.tokens.issue()
        scope = ",".join(sorted(self.executor.backstage.scopes))
        return self._answer({"access_token": token, "scope": scope, "expires_in": TOKEN_LIFETIME})

    def _answer(
        self, body: Any, status: int = 200, version: str | None = None, retry_after: float | None = None
    ) -> Response:
        """`version` is the one that answered, for whichever was asked."""
        headers = {"X-Shopify-API-Version": version or self.settings.api_version, "X-Request-Id": str(uuid4())}
        if retry_after is not None:
            headers["Retry-After"] = f"{retry_after:.1f}"
        return Response(orjson.dumps(body), status, headers, "application/json; charset=utf-8")


def _asked(raw: bytes) -> dict[str, Any] | None:
    """The request's JSON object; None when it is none, or has no query."""
    if len(raw) > MAX_BODY:
        return None
    try:
        asked = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str):
        return None
    return asked if isinstance(asked.get("variables") or {}, dict) else None


def _form(raw: bytes, content_type: str) -> dict[str, Any]:
    if "json" not in content_type:
        return {name: values[-1] for name, values in parse_qs(raw.decode("utf-8", "replace")).items()}
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
