"""The shapes of all answers, for OpenAPI. They describe; the syncer renders."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Digits = Annotated[str, Field(pattern=r"^[1-9][0-9]*$", description="Digits; JavaScript numbers would lose some.")]
Money = Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]{2,3}$", description="In the event's currency.")]
Availability = Literal["available", "few_left", "sold_out"]
Status = Literal["active", "draft", "archived", "unlisted"]

VENUE: dict[str, Any] = {"name": "Blue Hall", "address": None, "city": "Berlin", "country": "DE"}
TICKET: dict[str, Any] = {
    "id": "4412345678901", "name": "Standing", "type": None, "price": "25.00", "compare_at_price": None,
    "status": "on_sale", "availability": "available", "available": 100, "max_per_order": 10, "position": 1,
}  # fmt: skip
LOCATION: dict[str, Any] = {"location_id": "91", "available": 100, "committed": 3, "on_hand": 103}
MANAGE_TICKET: dict[str, Any] = TICKET | {
    "sku": "JAZZ-ST", "capacity": 200, "capacity_source": "metafield", "sold": 100, "visible": True,
    "inventory_item_id": "4712345678901", "locations": [LOCATION],
}  # fmt: skip
ITEM: dict[str, Any] = {
    "id": "8012345678901", "handle": "jazz-night", "title": "Jazz Night", "subtitle": None, "status": "active",
    "category": "music", "tags": ["jazz"], "organizer": "Blue Hall",
    "images": [{"url": "https://cdn.example.com/jazz.jpg", "alt": None}],
    "starts_at": "2026-12-01T19:00:00Z", "ends_at": None, "timezone": "Europe/Berlin", "venue": VENUE,
    "currency": "EUR", "price_min": "25.00", "price_max": "60.00", "availability": "available",
    "created_at": "2026-10-01T08:00:00Z", "updated_at": "2026-11-02T09:30:00Z", "revision": 17,
}  # fmt: skip
EVENT: dict[str, Any] = ITEM | {"description_html": "<p>…</p>", "available": 377, "tickets": [TICKET]}
MANAGE_ITEM: dict[str, Any] = ITEM | {"capacity": 500}
MANAGE_EVENT: dict[str, Any] = EVENT | {
    "tickets": [MANAGE_TICKET], "capacity": 500, "sold": 123, "data_complete": True,
    "synced_at": "2026-11-02T09:30:01Z",
}  # fmt: skip


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Venue(_Shape):
    name: str | None
    address: str | None
    city: str | None
    country: str | None


class Image(_Shape):
    url: str
    alt: str | None


class Ticket(_Shape):
    id: Digits
    name: str
    type: str | None
    price: Money
    compare_at_price: Money | None
    status: Literal["on_sale", "sold_out", "hidden"]
    availability: Availability
    available: int | None = Field(description="Null: not counted, never sells out.")
    max_per_order: int | None
    position: int


class Location(_Shape):
    location_id: Digits
    available: int | None
    committed: int | None
    on_hand: int | None


class ManageTicket(Ticket):
    sku: str | None
    capacity: int | None
    capacity_source: Literal["metafield", "observed"] | None
    sold: int | None
    visible: bool
    inventory_item_id: Digits | None
    locations: list[Location]


class Item(_Shape):
    """An event as a list shows it. Exact counts are in the event, so that a sale leaves the lists as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [ITEM]})

    id: Digits
    handle: str
    title: str
    subtitle: str | None
    status: Status
    category: str | None
    tags: list[str]
    organizer: str | None
    images: list[Image]
    starts_at: datetime | None
    ends_at: datetime | None
    timezone: str | None
    venue: Venue
    currency: str | None
    price_min: Money | None
    price_max: Money | None
    availability: Availability
    created_at: datetime | None
    updated_at: datetime
    revision: int = Field(ge=1, description="Grows with every change that readers can see. In a list: that lists show.")


class Event(Item):
    model_config = ConfigDict(json_schema_extra={"examples": [EVENT]})

    description_html: str
    available: int | None = Field(description="Tickets left; null when some are not counted.")
    tickets: list[Ticket]


class ManageItem(Item):
    model_config = ConfigDict(json_schema_extra={"examples": [MANAGE_ITEM]})

    capacity: int | None


class ManageEvent(Item):
    model_config = ConfigDict(json_schema_extra={"examples": [MANAGE_EVENT]})

    description_html: str
    available: int | None
    tickets: list[ManageTicket]
    capacity: int | None
    sold: int | None
    data_complete: bool = Field(description="False: something is missing and is being read from Shopify.")
    synced_at: datetime


NextCursor = Annotated[str | None, Field(description="For the next page, with the same filters; null on the last.")]


class Page(_Shape):
    model_config = ConfigDict(json_schema_extra={"examples": [{"events": [ITEM], "next_cursor": None}]})

    events: list[Item]
    next_cursor: NextCursor


class ManagePage(_Shape):
    model_config = ConfigDict(json_schema_extra={"examples": [{"events": [MANAGE_ITEM], "next_cursor": None}]})

    events: list[ManageItem]
    next_cursor: NextCursor


class Tickets(_Shape):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"event_id": "8012345678901", "tickets": [TICKET], "revision": 17}]}
    )

    event_id: Digits
    tickets: list[Ticket]
    revision: int


class ManageTickets(_Shape):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"event_id": "8012345678901", "tickets": [MANAGE_TICKET], "revision": 17}]}
    )

    event_id: Digits
    tickets: list[ManageTicket]
    revision: int


class Category(_Shape):
    name: str
    count: int = Field(ge=1, description="Active events in it.")


class Categories(_Shape):
    model_config = ConfigDict(json_schema_extra={"examples": [{"categories": [{"name": "music", "count": 12}]}]})

    categories: list[Category]


class ChangeToVisible(_Shape):
    """Milliseconds from a change that came in to its being readable: the last five minutes, as this process heard."""

    p50: float | None
    p99: float | None
    max: float | None
    samples: int


class Backfill(_Shape):
    """The reading of everything that goes on, or else the last one."""

    started_at: datetime
    finished_at: datetime | None = Field(description="Null unless it succeeded.")
    last_succeeded_at: datetime | None = Field(description="When the whole shop was last read to the end, by any.")
    products: int = Field(description="Read so far.")
    expected: int | None = Field(description="Shopify's own count.")
    failed: bool = Field(description="Its last attempt failed; what goes on in spite of it is among `runs`.")
    error: str | None = Field(description="The name of what its last attempt failed of, as `ExportTruncated`.")
    complete: bool = Field(description="The whole shop was read once, by this one or an earlier one.")


class LastReconcile(_Shape):
    """The last comparison with Shopify that came to its end."""

    scope: str = Field(description="`window`: what was edited lately. `whole`: everything.")
    finished_at: datetime
    age_seconds: float
    checked: int = Field(description="Events compared.")
    repaired: int = Field(description="Events that differed.")


class Causes(_Shape):
    missed: int = Field(description="No webhook told it.")
    late: int = Field(description="Its webhook came after the repair.")
    truncated: int = Field(description="What we had was incomplete.")
    tie: int = Field(description="Two contents had one time of Shopify's.")


class Drift(_Shape):
    """Fields that differed from Shopify, and were repaired, in the last 24 hours."""

    last_24h: int
    by_cause: Causes


class OpenRun(_Shape):
    """A long work that was asked for and is not over."""

    kind: str = Field(description="`backfill`, `reconcile`, `doctor` or `rebuild`.")
    scope: str
    stage: str | None = Field(description="What is being done now; null before it has begun.")
    done: int = Field(description="Of this stage.")
    expected: int | None


class Shopify(_Shape):
    budget_left: float | None = Field(description="Cost points; null when it is not known.")


class FeedStatus(_Shape):
    """The announcements of changes, as this process hears them."""

    live: bool = Field(description="Every announcement is heard; if not, nothing is answered from L1.")
    silent_seconds: float | None = Field(
        description="Since the last announcement or heartbeat; a heartbeat comes every 0.3 s. Null while not connected."
    )
    heard: int | None = Field(description="The last announcement heard, by its number; the same wherever nobody lags.")


class L1Status(_Shape):
    """The documents that this process has in its own memory. Hits and misses count since it began."""

    documents: int
    bytes: int
    max_bytes: int
    hits: int
    misses: int
    hit_ratio: float | None = Field(description="Null before the first read.")


class ProcessStatus(_Shape):
    """Of the one process that answered; several may share the address."""

    id: str = Field(description="Made up when it began, so that two answers can be told apart.")
    up_seconds: float
    feed: FeedStatus
    l1: L1Status | None
    live_streams: int | None = Field(description="Open `/v1/changes` streams.")


class LiveStatus(_Shape):
    """Null: not known now, or never happened yet."""

    change_to_visible_ms: ChangeToVisible
    events: int | None = Field(description="Active events.")
    incomplete: int | None = Field(description="Events of which something is still being read from Shopify.")
    last_change_at: datetime | None
    refetches_pending: int | None
    backfill: Backfill | None
    last_reconcile: LastReconcile | None
    drift: Drift | None
    runs: list[OpenRun] | None
    shopify: Shopify
    process: ProcessStatus
    degraded: list[Literal["postgres", "redis", "nats", "jobs"]] = Field(
        description="What this service does without now; `jobs`: live clients, who listen for some, hear of none."
    )
