"""What webhook-ingest reads from the environment."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from shared.settings import NatsSettings, ServiceSettings

MEBIBYTE = 1 << 20


class IngestSettings(ServiceSettings, NatsSettings):
    """Shopify signs with the app's client secret; during a rotation the old and the new one are both listed."""

    shopify_webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        description="Client secrets of the app, separated by commas; any of them may have signed."
    )
    shopify_shop: str | None = Field(None, description="xyz.myshopify.com; webhooks of other shops are refused.")
    shopify_api_version: str = Field("2026-10", description="Another version is accepted, logged and counted.")
    webhook_max_bytes: int = Field(5 * MEBIBYTE, ge=1024, le=7 * MEBIBYTE, description="The largest body taken.")
    webhook_body_deadline: float = Field(3.0, gt=0, le=60, description="Seconds for a whole body to come in.")
    webhook_buffer_bytes: int = Field(
        128 * MEBIBYTE, ge=8 * MEBIBYTE, description="Memory for all bodies at once; beyond it, 503."
    )

    @field_validator("shopify_webhook_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("shopify_webhook_secrets")
    @classmethod
    def _at_least_one(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not value:
            raise ValueError("without a secret no webhook can be proven to be Shopify's")
        return value

    @field_validator("shopify_shop")
    @classmethod
    def _lower_case(cls, value: str | None) -> str | None:
        return value.strip().lower() or None if value else None

    @property
    def secrets(self) -> tuple[bytes, ...]:
        return tuple(secret.get_secret_value().encode() for secret in self.shopify_webhook_secrets)
