"""Every misbehaviour that can be turned on while the simulation runs, with its harmless default."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=3600)]


class Knobs(BaseModel):
    """One frozen set; changing a knob makes a new set. Where Shopify is undocumented, the default is the likelier."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The Admin API
    latency_min: Seconds = Field(0, description="Each answer takes at least this many seconds; half before its effect.")
    latency_max: Seconds = Field(0, description="... and at most this many.")
    error_share: Share = Field(0, description="Share of requests answered `error_status`, before any effect.")
    error_status: Literal[500, 502, 503, 504] = 503
    lost_answer_share: Share = Field(0, description="Share of requests that take effect and are then answered 502.")
    lost_answer_seconds: Seconds = Field(10, description="How long such a request hangs before its 502.")
    bucket_size: float = Field(2000, gt=0, description="Cost points; a cut keeps what was spent.")
    restore_rate: float = Field(100, gt=0, description="Cost points restored each second.")
    hidden_bucket_size: float | None = Field(
        None, gt=0, description="A second bucket that throttleStatus doesn't show: the edge's own limit. null: as told."
    )
    hidden_restore_rate: float | None = Field(None, gt=0, description="Its points a second. Both null: there is none.")
    max_query_cost: int = Field(1000, gt=0)
    refused_call_consumes_key: bool = Field(False, description="Whether userErrors use up an @idempotent key.")

    search_lag: Seconds = Field(0, description="`products(query:)` and counts see the shop as it was so long ago.")
    stale_total_inventory: Seconds = Field(0, description="totalInventory keeps its old value so long after a write.")
    clock_skew: float = Field(
        0, ge=-86_400, le=86_400, description="Seconds that Shopify's clock is ahead: Date, updated_at, Triggered-At."
    )
    oldest_api_version: str | None = Field(
        None, pattern=r"^\d{4}-(01|04|07|10)$", description="Older ones fall forward to it; null: a year's worth."
    )

    # Webhooks on their way
    webhook_loss_share: Share = Field(0, description="Share of deliveries never sent.")
    webhook_duplicate_share: Share = Field(0, description="Share of deliveries sent twice, same id and bytes.")
    webhook_duplicate_delay: Seconds = Field(0, description="The second copy comes up to this many seconds later.")
    webhook_late_share: Share = Field(
        0, description="Share of deliveries that come again later with the original bytes: their 200 got lost."
    )
    webhook_late_delay: Seconds = Field(1, description="How much later.")
    webhook_delay_min: Seconds = 0
    webhook_delay_max: Seconds = 0
    webhook_reorder_window: Seconds = Field(0, description="Each delivery waits a random time up to this.")
    webhook_timeout: Seconds = Field(5, description="For the whole answer; Shopify waits 5 s.")
    webhook_retry_scale: float = Field(1, gt=0, le=1, description="1 spreads the 8 retries over 4 hours.")
    webhook_new_id_on_retry: bool = False
    webhook_removal_counts: Literal["delivery", "subscription"] = Field(
        "delivery", description="Whether the 8 failures in a row are one delivery's retries or any attempts."
    )

    # Webhooks' contents and causes
    webhook_variant_metafields: bool = Field(False, description="Variant metafields ride in products/* bodies.")
    webhook_typed_metafield_values: bool = Field(False, description="Numbers and booleans instead of strings.")
    inventory_bumps_product: bool = Field(True, description="Inventory writes bump updated_at, fire products/update.")
    metafields_bump_product: bool = Field(True, description="metafieldsSet does.")
    no_op_update_fires: bool = Field(False, description="An update that changes nothing does.")

    # Bulk operations
    bulk_seconds: Seconds = Field(0, description="Each takes at least this long, reading steadily all the while.")
    bulk_concurrency: int = Field(5, ge=1, description="Queries at once; the next is refused OPERATION_IN_PROGRESS.")
    bulk_scatter: Annotated[int, Field(ge=0, le=100_000)] | Literal["end"] = Field(
        1_000, description="Ungrouped children come up to so many lines after their parent, or all at the very end."
    )
    bulk_fail_at: Share | None = Field(None, description="FAILED when this share of the root objects was read.")
    bulk_error_code: Literal["ACCESS_DENIED", "INTERNAL_SERVER_ERROR", "TIMEOUT"] = "INTERNAL_SERVER_ERROR"
    bulk_partial_data: bool = Field(True, description="A failed one has a partialDataUrl.")
    bulk_truncated_lines: int = Field(0, ge=0, description="So many last lines are missing; objectCount counts them.")
    bulk_truncated_mid_line: bool = Field(False, description="The last line that is left is cut in half.")
    bulk_faulty: int | None = Field(
        None, ge=0, description="Only so many operations, from now on, fail or are truncated; null: all."
    )
    bulk_finish_webhook: bool = Field(True, description="Whether bulk_operations/finish is sent at all.")
    bulk_url_seconds: float = Field(604_800, ge=0, description="A result's URL lives so long, then it is EXPIRED.")
    download_refusal_status: Literal[400, 403] = Field(403, description="What an expired or unknown URL answers.")
    download_bytes_per_second: int | None = Field(None, gt=0, description="Results come no faster than this.")
    download_cut_after: int | None = Field(None, ge=0, description="The connection closes after so many bytes.")
    download_cuts: int | None = Field(
        None, ge=0, description="Only so many downloads, from now on, are cut; null: each."
    )
