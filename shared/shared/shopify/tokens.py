"""Where the access token comes from: given once, or got with the app's credentials and renewed."""

import asyncio
from typing import Protocol

import httpx2
import structlog
from pydantic import BaseModel, Field, FiniteFloat, SecretStr, ValidationError

from shared.shopify import metrics
from shared.shopify.clock import Clock
from shared.shopify.envelope import refusal
from shared.shopify.errors import ShopifyFaulted, ShopifyRefused
from shared.shopify.http import post
from shared.shopify.settings import ShopifySettings

HTTP_OK = 200
MAX_BYTES = 64 << 10  # of the answer to a grant
RENEW_BEFORE = 300.0  # seconds before a token ends; tokens last a day
RENEW_BEFORE_SHARE = 0.1  # of its life, for one that lasts less
PAUSE_AFTER_FAILURE = 5.0  # seconds until a renewal that failed is tried again, while the old token still serves

log = structlog.get_logger(__name__)


class TokenSource(Protocol):
    async def token(self) -> SecretStr:
        """A token to use now. Raises errors of `shared.shopify.errors`."""

    async def refused(self, token: SecretStr) -> bool:
        """Shopify answered 401 to `token`. True when another one may be had."""


class StaticToken:
    """One token, for as long as it lives."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    async def token(self) -> SecretStr:
        return self._token

    async def refused(self, token: SecretStr) -> bool:
        return token.get_secret_value() != self._token.get_secret_value()


class _Grant(BaseModel):
    access_token: SecretStr = Field(min_length=1)
    expires_in: FiniteFloat = Field(gt=0)


class ClientCredentials:
    """OAuth's client credentials grant: POST /admin/oauth/access_token. All callers share one renewal."""

    def __init__(
        self, client_id: str, secret: SecretStr, http: httpx2.AsyncClient, *, within: float, clock: Clock | None = None
    ) -> None:
        self._client_id = client_id
        self._secret = secret
        self._http = http
        self._within = within
        self._clock = clock or Clock()
        self._token: SecretStr | None = None
        self._expires_at = float("-inf")
        self._renew_at = float("-inf")
        self._renewal: asyncio.Task[SecretStr] | None = None

    async def token(self) -> SecretStr:
        now = self._clock.monotonic()
        if self._token is None or now >= self._expires_at:
            return await asyncio.shield(self._shared_renewal())  # one caller's cancellation is not the others'
        if now >= self._renew_at:
            self._renew_at = now + PAUSE_AFTER_FAILURE
            self._shared_renewal()  # beside the calls: the old token is still good
        return self._token

    async def refused(self, token: SecretStr) -> bool:
        if self._token is not None and self._token.get_secret_value() == token.get_secret_value():
            self._token = None
        return True

    async def close(self) -> None:
        """End a renewal that is under way."""
        if self._renewal is not None and not self._renewal.done():
            self._renewal.cancel()
            await asyncio.wait([self._renewal])

    def _shared_renewal(self) -> asyncio.Task[SecretStr]:
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew(), name="shopify-token")
            self._renewal.add_done_callback(_say)
        return self._renewal

    async def _renew(self) -> SecretStr:
        asked_at = self._clock.monotonic()
        grant = await self._ask()
        self._token = grant.access_token
        self._expires_at = asked_at + grant.expires_in
        self._renew_at = self._expires_at - min(RENEW_BEFORE, RENEW_BEFORE_SHARE * grant.expires_in)
        return self._token

    async def _ask(self) -> _Grant:
        document = {
            "client_id": self._client_id,
            "client_secret": self._secret.get_secret_value(),
            "grant_type": "client_credentials",
        }
        path = "/admin/oauth/access_token"
        received = await post(self._http, path, document, within=self._within, max_bytes=MAX_BYTES)
        if received.status != HTTP_OK:
            # Its own words are left out: nothing that was sent with a secret is quoted.
            raise refusal(received.status, received.headers.get("Retry-After"), b"")
        try:
            return _Grant.model_validate_json(received.body)
        except ValidationError:
            raise ShopifyFaulted("the answer to the grant has no access_token and expires_in") from None


def token_source(settings: ShopifySettings, http: httpx2.AsyncClient) -> StaticToken | ClientCredentials:
    """The one that the settings name."""
    if settings.shopify_access_token is not None:
        return StaticToken(settings.shopify_access_token)
    if settings.shopify_client_id is None or settings.shopify_client_secret is None:
        raise ShopifyRefused("no credentials", status=401)
    return ClientCredentials(
        settings.shopify_client_id,
        settings.shopify_client_secret,
        http,
        within=settings.shopify_request_timeout,
    )


def _say(renewal: asyncio.Task[SecretStr]) -> None:
    """One line for each renewal; it also takes the exception of one that nobody waited for."""
    if renewal.cancelled():
        return
    error = renewal.exception()
    metrics.TOKEN_RENEWALS.labels("ok" if error is None else "failed").inc()
    if error is None:
        log.info("shopify.token_renewed")
        return
    log.warning("shopify.token_renewal_failed", error=type(error).__name__, reason=str(error))
