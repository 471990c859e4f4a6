"""What is said on the bus: CloudEvents 1.0 in the NATS binary binding. Pure.

Attributes travel as `ce-…` headers, the data as the message body, so a Shopify body arrives byte for byte as Shopify
sent it. Each contract is a frozen class with its version in the class name and in `TYPE`; `tests/contract/samples/`
keeps one stored message for each version, which must parse for ever. A new meaning is a new class, never a changed one.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import quote, unquote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError

PREFIX = "ce-"  # of every CloudEvents attribute in a NATS header
OWNER = PREFIX + "owner"

Instant = Annotated[AwareDatetime, PlainSerializer(datetime.isoformat, return_type=str)]


class UnknownContract(ValueError):
    """The message names no contract of ours, or does not keep to it."""


class Origin(StrEnum):
    """Who saw it: a webhook of Shopify's, or one of our own reads or writes."""

    WEBHOOK = "webhook"
    REFETCH = "refetch"
    BACKFILL = "backfill"
    RECONCILE = "reconcile"
    COMMAND = "command"


class Shape(StrEnum):
    """How the body of a change is spelled."""

    WEBHOOK = (
        "webhook"  # REST-style resource, docs/shopify.md 1.7: perhaps not all variants, never inventory by location
    )
    GRAPHQL = "graphql"  # the `Product` node of documents/product.graphql: whole
    ANSWER = "answer"  # a `Product` node as a mutation answered it: variants, media, perhaps metafields are not said


class Contract(BaseModel):
    """The attributes that all messages bear. `id` is the deduplication id (`Nats-Msg-Id`) as well."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",  # a later minor version may say more than we know
        alias_generator=lambda name: name.replace("_", ""),  # CloudEvents allows lower-case letters and digits only
        validate_by_name=True,
        validate_by_alias=True,
    )

    TYPE: ClassVar[str]

    id: str = Field(min_length=1, max_length=256)
    source: str  # the service that says it
    subject: str  # what it is about: "product/8012345678901"
    time: Instant  # when the source saw it, by its own clock
    specversion: Literal["1.0"] = "1.0"
    body: bytes = Field(default=b"", exclude=True, repr=False)

    def headers(self) -> dict[str, str]:
        """The NATS headers of this message, absent attributes left out."""
        attributes = self.model_dump(mode="json", by_alias=True, exclude_none=True) | {"type": self.TYPE}
        return {"Nats-Msg-Id": self.id} | {PREFIX + name: _text(value) for name, value in attributes.items()}

    @classmethod
    def from_headers(cls, attributes: Mapping[str, str], body: bytes) -> Self:
        return cls.model_validate({**attributes, "body": body})


class Change(Contract):
    """Something in Shopify looked like this at that time.

    `triggered_at`: for a webhook, Shopify's X-Shopify-Triggered-At; for a read or a mutation of ours, the moment the
    request left.
    """

    origin: Origin
    triggered_at: Instant
    shop: str
    api_version: str | None = None
    topic: str | None = None  # the webhook's, as in `products/update`
    caused_by: str | None = None  # the job whose effect this is


class ProductChangedV1(Change):
    """A product was seen: its body is the resource, in one of three shapes."""

    TYPE = "understudy.product.changed.v1"
    product_id: int
    shape: Shape


class ProductDeletedV1(Change):
    """A product is gone."""

    TYPE = "understudy.product.deleted.v1"
    product_id: int


class InventoryLevelChangedV1(Change):
    """The stock of one item at one location was seen."""

    TYPE = "understudy.inventory_level.changed.v1"
    inventory_item_id: int
    location_id: int


class InventoryItemChangedV1(Change):
    """An inventory item was edited (its SKU, whether it is tracked)."""

    TYPE = "understudy.inventory_item.changed.v1"
    inventory_item_id: int


class ShopNoticedV1(Change):
    """Something that is no resource of ours: a bulk operation ended, the app was uninstalled, a privacy request."""

    TYPE = "understudy.shop.noticed.v1"


class EventProjectedV1(Contract):
    """An event has a new revision that readers can see. Purge what you hold of it below that revision."""

    TYPE = "understudy.event.projected.v1"
    event_id: int
    revision: int
    events_revision: int | None = None  # the new revision of the collection `events`; None: no list changed
    visible: bool  # to anonymous readers, before or after this change: drafts are announced to organizers only
    deleted: bool = False
    seen_at: Instant  # when the change behind it came in: the start of change-to-visible
    origin: Origin | None = None  # of that change
    caused_by: str | None = None


class JobChangedV1(Contract):
    """A job is not what it was: its body is the public JSON. Of what is heard of a job the highest version counts.

    `owner` is whatever a token calls its subject, so it travels percent-encoded: a header is ASCII, on one line.
    """

    TYPE = "understudy.job.changed.v1"
    job_id: str = Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    owner: str  # who may hear of it, besides those who may hear of all
    state: str
    version: int

    def headers(self) -> dict[str, str]:
        spelled = super().headers()
        return spelled | {OWNER: quote(spelled[OWNER], safe="!#$&'()*+,/:;=?@[]~")}

    @classmethod
    def from_headers(cls, attributes: Mapping[str, str], body: bytes) -> Self:
        said = {name: unquote(value) if PREFIX + name == OWNER else value for name, value in attributes.items()}
        return super().from_headers(said, body)


CONTRACTS: dict[str, type[Contract]] = {
    contract.TYPE: contract
    for contract in (
        ProductChangedV1,
        ProductDeletedV1,
        InventoryLevelChangedV1,
        InventoryItemChangedV1,
        ShopNoticedV1,
        EventProjectedV1,
        JobChangedV1,
    )
}


def parse(headers: Mapping[str, str] | None, body: bytes) -> Contract:
    """Raises UnknownContract, which says what is wrong with the message."""
    attributes = {
        name.lower().removeprefix(PREFIX): value
        for name, value in (headers or {}).items()
        if name.lower().startswith(PREFIX)
    }
    kind = attributes.get("type", "")
    if kind not in CONTRACTS:
        raise UnknownContract(f"no contract is called {kind!r}")
    try:
        return CONTRACTS[kind].from_headers(attributes, body)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise UnknownContract(f"{kind}: {problems}") from error


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
