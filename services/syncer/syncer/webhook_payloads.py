"""Parse the bodies of webhooks (docs/shopify.md 1.7), once, at the door. Pure."""

from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, field_validator

from shared.errors import Permanent
from syncer.source import Id, Image, Integer, Level, Money, Product, Text, Variant

CARRIED_VARIANTS = 100  # a body carries no more of them

P = TypeVar("P", bound="Payload")


class MalformedPayload(Permanent):
    """Shopify's answer or webhook does not have the shape it is documented to have."""


class Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class MetafieldPayload(Payload):
    namespace: Text
    key: Text
    value: Text | int | float | bool | None

    @property
    def name(self) -> str:
        return f"{self.namespace}.{self.key}"

    @property
    def text(self) -> str | None:
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return None if self.value is None else str(self.value)


class ImagePayload(Payload):
    src: Text
    alt: Text | None = None
    position: int | None = None


class VariantPayload(Payload):
    id: Id
    title: Text | None
    price: Money
    compare_at_price: Money | None = None
    sku: Text | None = None
    position: Integer | None = None
    inventory_policy: Literal["deny", "continue"] = "deny"
    inventory_item_id: Id | None = None
    inventory_quantity: Integer | None = None
    updated_at: AwareDatetime | None = None
    metafields: tuple[MetafieldPayload, ...] | None = None


class VariantGidPayload(Payload):
    admin_graphql_api_id: str
    updated_at: AwareDatetime | None = None

    @property
    def id(self) -> int:
        return int(self.admin_graphql_api_id.rpartition("/")[2])


class ProductPayload(Payload):
    id: Id
    handle: Text
    title: Text
    body_html: Text | None
    status: Literal["active", "draft", "archived", "unlisted"]
    product_type: Text | None
    tags: Text | tuple[Text, ...] | None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime
    images: tuple[ImagePayload, ...] = ()
    metafields: tuple[MetafieldPayload, ...] | None = None
    variants: tuple[VariantPayload, ...]
    variant_gids: tuple[VariantGidPayload, ...] | None = None

    @field_validator("variant_gids")
    @classmethod
    def _ids_end_in_digits(cls, gids: tuple[VariantGidPayload, ...] | None) -> tuple[VariantGidPayload, ...] | None:
        for gid in gids or ():
            if not gid.admin_graphql_api_id.rpartition("/")[2].isdecimal():
                raise ValueError(f"{gid.admin_graphql_api_id!r} is no id of a variant")
        return gids


class LevelPayload(Payload):
    inventory_item_id: Id
    location_id: Id
    available: Integer | None = None
    updated_at: AwareDatetime | None = None  # absent when an item was disconnected from the location


def product(body: bytes) -> Product:
    """A body of products/create or products/update.

    Raises:
        MalformedPayload: it lacks what every such body has, or has it of another type.
    """
    payload = validated(ProductPayload, body)
    return Product(
        id=payload.id,
        handle=payload.handle,
        title=payload.title,
        description_html=payload.body_html or "",
        status=payload.status,
        product_type=payload.product_type or "",
        tags=tags(payload.tags),
        images=tuple(
            Image(url=image.src, alt=image.alt or None)
            for image in sorted(payload.images, key=lambda image: image.position or 0)
        ),
        created_at=payload.created_at,
        updated_at=payload.updated_at,
        metafields=_metafields(payload.metafields),
        variants=tuple(_variant(variant, place) for place, variant in enumerate(payload.variants, 1)),
        all_variants=_all_variants(payload),
    )


def level(body: bytes, triggered_at: datetime) -> tuple[int, Level]:
    """A body of inventory_levels/*: the inventory item's id and its stock at one location.

    Raises:
        MalformedPayload: as `product`.
    """
    payload = validated(LevelPayload, body)
    return payload.inventory_item_id, Level(
        location_id=payload.location_id,
        available=payload.available,
        # In whole seconds like every other: else a level that comes back within the second would be older than its end.
        updated_at=payload.updated_at or triggered_at.replace(microsecond=0),
    )


def validated(model: type[P], body: bytes) -> P:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise MalformedPayload(explain(error)) from error


def explain(error: ValidationError) -> str:
    """The first few problems as `variants.0.price: Input should be …`, without the input itself."""
    problems = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems[:5])


def _variant(payload: VariantPayload, place: int) -> Variant:
    return Variant(
        id=payload.id,
        title=payload.title or "",
        sku=payload.sku or None,
        price=Decimal(payload.price),
        compare_at_price=payload.compare_at_price,
        position=payload.position or place,
        oversells=payload.inventory_policy == "continue",
        inventory_item_id=payload.inventory_item_id,
        inventory_quantity=payload.inventory_quantity,
        updated_at=payload.updated_at,
        tracked=None,  # a body doesn't say it since 2024-07
        metafields=_metafields(payload.metafields),
        whole_at=None,
    )


def _metafields(payload: tuple[MetafieldPayload, ...] | None) -> dict[str, str] | None:
    if payload is None:
        return None
    return {metafield.name: text for metafield in payload if (text := metafield.text) is not None}


def tags(said: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Shopify sends "a, b" in a webhook and ["a", "b"] in a read; the order says nothing."""
    parts = said.split(",") if isinstance(said, str) else said or ()
    return tuple(sorted({part.strip() for part in parts} - {""}))


def _all_variants(payload: ProductPayload) -> dict[int, datetime | None] | None:
    if payload.variant_gids is not None:
        return {gid.id: _whole_second(gid.updated_at) for gid in payload.variant_gids}
    if len(payload.variants) < CARRIED_VARIANTS:
        return {variant.id: variant.updated_at for variant in payload.variants}
    return None  # a full body without the list of ids: there may be more


def _whole_second(at: datetime | None) -> datetime | None:
    """`variant_gids` spells milliseconds, everything else whole seconds."""
    return at and at.replace(microsecond=0)
