"""What the environment says to the writer."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from shared.auth.settings import AuthSettings
from shared.event_settings import EventSettings
from shared.settings import NatsSettings, PostgresSettings, RedisSettings, ServiceSettings
from shared.shopify import ShopifySettings
from writer.api.settings import WriterApiSettings


class WriterSettings(
    ServiceSettings,
    NatsSettings,
    PostgresSettings,
    RedisSettings,
    ShopifySettings,
    AuthSettings,
    EventSettings,
    WriterApiSettings,
):
    # One that hangs longer than this counts as unknown: the lease has to outlast it. Shopify answers in 2-3 s.
    shopify_request_timeout: float = Field(10.0, gt=0, le=300, description="Seconds for one request, in all.")
    shopify_location_id: int | None = Field(
        None, gt=0, description="The location that commands put stock at; unset: the shop's first active one."
    )
    shopify_publication_ids: Annotated[tuple[int, ...], NoDecode] = Field(
        (), description="Where events are published, separated by commas; none named: everywhere."
    )
    writer_lease: float = Field(
        20.0,
        ge=0.5,
        le=300,
        description="Seconds of the right to dispatch; when its holder dies, so long nobody has it.",
    )
    writer_horizon: float = Field(
        30.0, ge=0, le=3600, description="The longest that Shopify may act on a request that was given up, in seconds."
    )
    writer_jobs_kept: int = Field(30, ge=1, le=3650, description="Days that ended jobs, and their keys, are kept.")

    @field_validator("shopify_publication_ids", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
