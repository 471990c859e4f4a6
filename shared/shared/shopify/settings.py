"""Which shop, at which address, with which credentials."""

from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.settings import Settings

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class ShopifySettings(Settings):
    """`SHOPIFY_*`. Either an access token, or a client id and secret to get one with."""

    shopify_shop: str = Field(
        pattern=r"^[a-z0-9][a-z0-9.-]*$", description="The shop's own domain: name.myshopify.com."
    )
    shopify_admin_url: str | None = Field(None, description="Where the Admin API is; unset: https://<SHOPIFY_SHOP>.")
    shopify_access_token: SecretStr | None = Field(None, description="An Admin API access token (shpat_…).")
    shopify_client_id: str | None = Field(None, description="Instead of a token: the app's client id …")
    shopify_client_secret: SecretStr | None = Field(None, description="… and its secret.")
    shopify_api_version: str = Field("2026-10", pattern=r"^(\d{4}-\d{2}|unstable)$", description="Of the Admin API.")
    shopify_connect_timeout: float = Field(5.0, gt=0, le=60, description="Seconds to connect.")
    shopify_request_timeout: float = Field(30.0, gt=0, le=300, description="Seconds for one request, in all.")
    shopify_deadline: float = Field(120.0, gt=0, description="Seconds for a call: points, repeats and all.")
    shopify_max_attempts: int = Field(4, ge=1, le=20, description="Requests that one query may take.")
    # Points a second / 10 for a command x 3 s until its answer: 30 on the Standard plan, 60 on Advanced, 300 on Plus,
    # 600 on Enterprise. Each costs a connection. Half of them are for commands alone.
    shopify_max_in_flight: int = Field(
        64,
        ge=1,
        le=1000,
        description="Requests at once from one process: a third of the points a second (Plus: 300).",
    )
    shopify_processes: int = Field(
        4, ge=1, le=100, description="Processes that call Shopify at once; without Redis each takes its part."
    )
    shopify_max_answer_bytes: int = Field(32 << 20, ge=1 << 16, description="Largest answer that is read.")
    shopify_allow_http: bool = Field(False, description="Speak http to hosts other than this machine (compose).")

    @property
    def admin_url(self) -> str:
        """Scheme and host, without a slash at the end."""
        return (self.shopify_admin_url or f"https://{self.shopify_shop}").rstrip("/")

    @field_validator(
        "shopify_admin_url", "shopify_access_token", "shopify_client_id", "shopify_client_secret", mode="before"
    )
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return value or None

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if self.shopify_access_token is None and not (self.shopify_client_id and self.shopify_client_secret):
            raise ValueError("set SHOPIFY_ACCESS_TOKEN, or SHOPIFY_CLIENT_ID and SHOPIFY_CLIENT_SECRET")
        return self

    @model_validator(mode="after")
    def _private(self) -> Self:
        parts = urlsplit(self.admin_url)
        if parts.path not in ("", "/") or parts.query or "@" in parts.netloc:
            raise ValueError("SHOPIFY_ADMIN_URL is a scheme and a host, nothing more")
        local = parts.hostname in LOOPBACK or self.shopify_allow_http
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise ValueError("SHOPIFY_ADMIN_URL must be https: the token travels there (see SHOPIFY_ALLOW_HTTP)")
        return self
