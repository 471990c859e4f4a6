"""What the environment says to the syncer."""

import re

from pydantic import Field, HttpUrl, field_validator

from shared.event_settings import EventSettings, Words
from shared.settings import NatsSettings, PostgresSettings, RedisSettings, ServiceSettings
from shared.shopify import ShopifySettings
from syncer.purger.settings import CdnSettings
from syncer.rules import Rules

ORIGIN = re.compile(r"https://[\w.-]+(:\d+)?|http://[\w.\[\]:-]+:\d+")

# Connections that are held while their holder needs another one: the succession's and the purger's, for life; one for a
# run of each of the four kinds; the registrar's, while it looks after subscriptions.
HELD = 1 + 1 + 4 + 1
LEAST_POOL = HELD + 1  # with fewer they could all wait for each other


class SyncerSettings(
    ServiceSettings, NatsSettings, PostgresSettings, RedisSettings, ShopifySettings, EventSettings, CdnSettings
):
    # What is left over is for two batches of changes, the relay, the refetchers and whatever a run does.
    postgres_pool_size: int = Field(
        12, le=200, description=f"Connections of one process: at least {LEAST_POOL}; 12 unless another number is set."
    )
    webhook_public_url: HttpUrl | None = Field(
        None, description="Where Shopify reaches webhook-ingest; unset: no subscription is registered."
    )
    shopify_location_id: int | None = Field(
        None, gt=0, description="The location that commands put stock at; the doctor checks that it is there."
    )
    few_left_share: float = Field(0.1, ge=0, le=1, description="few_left from this share of the capacity down,")
    few_left_pieces: int = Field(10, ge=0, description="or from this many pieces.")
    bulk_operations: int = Field(3, ge=1, le=5, description="Bulk operations at once, to read everything.")
    bulk_result_origins: Words = Field(
        frozenset({"https://storage.googleapis.com"}), description="Where results of bulk operations may be read from."
    )

    reconcile_interval: float = Field(300, ge=1, description="Seconds between looks at what changed in Shopify.")
    reconcile_overlap: float = Field(
        600, ge=0, description="Seconds that each look goes back further: more than Shopify's search lags."
    )
    reconcile_grace: float = Field(
        30, ge=0, description="Seconds that a webhook may be on its way; what is younger is not compared."
    )
    reconcile_whole_interval: float = Field(86_400, ge=60, description="Seconds between comparing everything.")

    doctor_interval: float = Field(3600, ge=60, description="Seconds between the doctor's visits.")

    rebuild_automatically: bool = Field(
        True, description="Rebuild all events when the code or the settings that make them have changed."
    )

    @field_validator("postgres_pool_size")
    @classmethod
    def _is_enough(cls, size: int) -> int:
        if size < LEAST_POOL:
            raise ValueError(f"the syncer needs {LEAST_POOL} at least: {HELD} are held while each waits for one more")
        return size

    @field_validator("bulk_result_origins")
    @classmethod
    def _origins(cls, origins: frozenset[str]) -> frozenset[str]:
        """A result is everything that the shop has; http is for a machine's own sandbox, or one named with its port."""
        if odd := [origin for origin in origins if not ORIGIN.fullmatch(origin)]:
            raise ValueError(f"an origin is https://host, not {', '.join(sorted(odd))}")
        return origins

    def rules(self) -> Rules:
        metafields = self.metafields()
        return Rules(
            product_types=self.event_product_types,
            tags=self.event_tags,
            event_metafields=metafields.event,
            ticket_metafields=metafields.ticket,
            few_left_share=self.few_left_share,
            few_left_pieces=self.few_left_pieces,
        )
