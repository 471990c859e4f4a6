"""What the environment says to the syncer."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, HttpUrl, field_validator
from pydantic_settings import NoDecode

from shared.settings import NatsSettings, PostgresSettings, RedisSettings, ServiceSettings
from shared.shopify import ShopifySettings
from syncer.rules import EVENT_FIELDS, TICKET_FIELDS, Rules


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _checked(mapping: dict[str, str], fields: tuple[str, ...]) -> dict[str, str]:
    """A misspelt field would be ignored in silence, and a name without a namespace never be found."""
    if unknown := mapping.keys() - set(fields):
        raise ValueError(f"there is no field {', '.join(sorted(unknown))}; there are {', '.join(fields)}")
    if odd := [name for name in mapping.values() if not METAFIELD.fullmatch(name)]:
        raise ValueError(f"a metafield is named namespace.key, not {', '.join(odd)}")
    return mapping


METAFIELD = re.compile(r"[\w-]+\.[\w-]+")

Words = Annotated[frozenset[str], NoDecode, BeforeValidator(_split)]


class SyncerSettings(ServiceSettings, NatsSettings, PostgresSettings, RedisSettings, ShopifySettings):
    webhook_public_url: HttpUrl | None = Field(
        None, description="Where Shopify reaches webhook-ingest; unset: no subscription is registered."
    )
    event_product_types: Words = Field(frozenset(), description="Product types that are events; none named: all.")
    event_tags: Words = Field(frozenset(), description="Product tags that make an event; none named: all are.")
    event_metafields: dict[str, str] = Field({}, description='Event fields from elsewhere: {"subtitle": "custom.sub"}.')
    ticket_metafields: dict[str, str] = Field({}, description='Ticket fields from elsewhere: {"capacity": "a.b"}.')
    few_left_share: float = Field(0.1, ge=0, le=1, description="few_left from this share of the capacity down,")
    few_left_pieces: int = Field(10, ge=0, description="or from this many pieces.")

    @field_validator("event_metafields")
    @classmethod
    def _event_fields(cls, mapping: dict[str, str]) -> dict[str, str]:
        return _checked(mapping, EVENT_FIELDS)

    @field_validator("ticket_metafields")
    @classmethod
    def _ticket_fields(cls, mapping: dict[str, str]) -> dict[str, str]:
        return _checked(mapping, TICKET_FIELDS)

    def rules(self) -> Rules:
        defaults = Rules()
        return Rules(
            product_types=self.event_product_types,
            tags=self.event_tags,
            event_metafields={**defaults.event_metafields, **self.event_metafields},
            ticket_metafields={**defaults.ticket_metafields, **self.ticket_metafields},
            few_left_share=self.few_left_share,
            few_left_pieces=self.few_left_pieces,
        )
