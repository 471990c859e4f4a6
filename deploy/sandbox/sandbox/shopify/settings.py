"""What the simulated Shopify is started with, from the environment (`SIM_*`) or the command line."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from sandbox.shopify.knobs import Knobs


class ShopifySettings(BaseSettings):
    """One shop and one app in it. Latency, bucket and all other misbehaviour are `knobs`: they change at run time."""

    model_config = SettingsConfigDict(env_prefix="SIM_", env_nested_delimiter="__", frozen=True)

    shop: str = Field(
        "understudy", description="The shop's name: {shop}.myshopify.com", pattern=r"^[a-z0-9][a-z0-9-]*$"
    )
    host: str = "127.0.0.1"
    port: int = 8100
    access_token: SecretStr = Field(description="Static Admin API token (X-Shopify-Access-Token).")
    client_id: str = Field("understudy-app", description="For the client credentials grant.")
    client_secret: SecretStr = Field(description="For the grant, and the key that webhooks are signed with.")
    api_version: str = "2026-10"
    scopes: str = (
        "read_products,write_products,read_inventory,write_inventory,read_locations,read_publications,"
        "write_publications"
    )
    currency: str = "EUR"
    timezone: str = "Europe/Berlin"
    events: int = Field(0, ge=0, description="How many products to seed.")
    tickets: int | None = Field(None, ge=1, le=7, description="Variants of each; none: one to five.")
    seed: int = 1
    allow_http: bool = Field(False, description="Accept http:// webhook addresses, which Shopify refuses.")
    webhook_concurrency: int = Field(32, gt=0, description="Deliveries under way at once.")
    webhook_queue: int = Field(
        50_000, gt=0, description="Deliveries waiting; beyond it new ones are dropped, and counted."
    )
    log_length: int = Field(2_000, gt=0, description="Deliveries remembered for /control/webhooks.")
    state: Path | None = Field(None, description="File that keeps the shop over restarts; none: it is forgotten.")
    knobs: Knobs = Knobs()
