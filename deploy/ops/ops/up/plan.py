"""What `understudy up` was asked for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ops.up.credentials import Credentials
from ops.up.layout import Layout

API_VERSION = "2026-10"
SIMULATED_SHOP = "understudy"


@dataclass(frozen=True)
class OtherShopify:
    """A server that speaks Shopify's API and is not the simulated one."""

    url: str
    token: str
    webhook_secret: str

    @property
    def domain(self) -> str:
        """The shop's own domain; a server elsewhere is taken to be the simulated shop's twin."""
        host = urlsplit(self.url).hostname or ""
        return host if host.endswith(".myshopify.com") else f"{SIMULATED_SHOP}.myshopify.com"


@dataclass(frozen=True)
class Plan:
    """`latency` is the simulated Shopify's, from and to, in seconds. `webhook_url`: where Shopify sends webhooks.

    `writer`: settings of the writer's, beyond those that it gets anyhow.
    """

    directory: Path
    layout: Layout
    credentials: Credentials
    events: int
    traffic: bool
    latency: tuple[float, float]
    webhook_url: str
    other: OtherShopify | None = None
    writer: Mapping[str, str] = field(default_factory=dict)

    @property
    def shopify_url(self) -> str:
        return self.other.url.rstrip("/") if self.other else self.layout.url("shopify")

    @property
    def shopify_token(self) -> str:
        return self.other.token if self.other else self.credentials.shopify_token

    @property
    def webhook_secret(self) -> str:
        return self.other.webhook_secret if self.other else self.credentials.webhook_secret

    @property
    def shop_domain(self) -> str:
        return self.other.domain if self.other else f"{SIMULATED_SHOP}.myshopify.com"

    @property
    def rooms(self) -> list[str]:
        """Those that are started."""
        simulated = [] if self.other else ["shopify"]
        servers = ["nats", "nats_monitor", "postgres", "redis"]
        return [*self.layout.read_apis, *self.layout.writers, "webhook_ingest", *simulated, *servers, "syncer"]

    @property
    def logs(self) -> Path:
        return self.directory / "logs"
