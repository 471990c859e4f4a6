"""Parse the `Product` node of our own reads (documents/product.graphql) and of mutations, once, at the door. Pure.

A node of a read is whole: the reader has followed every page. So nothing of the product is missing, and stock comes
with it. A node of an answer says the product's own fields, and perhaps its metafields.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import AliasPath, AwareDatetime, Field

from syncer.source import Answer, Answered, Id, Image, Integer, Level, Money, Product, Text, Variant
from syncer.webhook_payloads import Payload, tags, validated

Node = dict[str, Any]  # as Shopify's JSON has it


class MetafieldNode(Payload):
    namespace: Text
    key: Text
    value: Text


class Metafields(Payload):
    nodes: tuple[MetafieldNode, ...]

    def as_mapping(self) -> dict[str, str]:
        return {f"{node.namespace}.{node.key}": node.value for node in self.nodes}


class ImageNode(Payload):
    url: Text


class MediaNode(Payload):
    alt: Text | None = None
    image: ImageNode | None = None  # absent on videos and models


class Media(Payload):
    nodes: tuple[MediaNode, ...]


class QuantityNode(Payload):
    name: str
    quantity: Integer


class LevelNode(Payload):
    is_active: bool = Field(alias="isActive")
    updated_at: AwareDatetime = Field(alias="updatedAt")
    location_id: Id = Field(validation_alias=AliasPath("location", "legacyResourceId"))
    quantities: tuple[QuantityNode, ...]


class Levels(Payload):
    nodes: tuple[LevelNode, ...]


class ItemNode(Payload):
    id: Id = Field(alias="legacyResourceId")
    tracked: bool
    levels: Levels = Field(alias="inventoryLevels")


class VariantNode(Payload):
    id: Id = Field(alias="legacyResourceId")
    title: Text
    sku: Text | None
    price: Money
    compare_at_price: Money | None = Field(alias="compareAtPrice")
    position: Integer
    inventory_policy: Literal["DENY", "CONTINUE"] = Field(alias="inventoryPolicy")
    inventory_quantity: Integer | None = Field(alias="inventoryQuantity")
    updated_at: AwareDatetime = Field(alias="updatedAt")
    metafields: Metafields
    item: ItemNode = Field(alias="inventoryItem")


class PageInfo(Payload):
    has_next_page: bool = Field(False, alias="hasNextPage")


class AnsweredMetafields(Metafields):
    page_info: PageInfo = Field(PageInfo(), alias="pageInfo")


class Variants(Payload):
    nodes: tuple[VariantNode, ...]


class ProductFields(Payload):
    id: Id = Field(alias="legacyResourceId")
    handle: Text
    title: Text
    description_html: Text = Field(alias="descriptionHtml")
    status: Literal["ACTIVE", "DRAFT", "ARCHIVED", "UNLISTED"]
    product_type: Text = Field(alias="productType")
    tags: tuple[Text, ...]
    created_at: AwareDatetime = Field(alias="createdAt")
    updated_at: AwareDatetime = Field(alias="updatedAt")


class ProductNode(ProductFields):
    media: Media
    metafields: Metafields
    variants: Variants


class AnsweredNode(ProductFields):
    """What else it says is read by nobody: with variants, it would not be all of them."""

    metafields: AnsweredMetafields | None = None


def product(body: bytes) -> tuple[Product, dict[int, tuple[Level, ...]]]:
    """The product, and the stock of each of its inventory items.

    Raises:
        MalformedPayload: the node is not what the document asks for.
    """
    node = validated(ProductNode, body)
    seen = Product(
        id=node.id,
        handle=node.handle,
        title=node.title,
        description_html=node.description_html,
        status=STATUS[node.status],
        product_type=node.product_type,
        tags=tags(node.tags),
        images=tuple(Image(url=media.image.url, alt=media.alt or None) for media in node.media.nodes if media.image),
        created_at=node.created_at,
        updated_at=node.updated_at,
        metafields=node.metafields.as_mapping(),
        variants=tuple(_variant(variant) for variant in node.variants.nodes),
        all_variants={variant.id: variant.updated_at for variant in node.variants.nodes},
    )
    return seen, {variant.item.id: _levels(variant.item) for variant in node.variants.nodes}


def answered(body: bytes, seen_at: datetime) -> Answered:
    """What a mutation answered that left at `seen_at`. Metafields of which more pages follow are as good as unsaid.

    Raises:
        MalformedPayload: the node lacks one of the product's own fields.
    """
    node = validated(AnsweredNode, body)
    whole = node.metafields is not None and not node.metafields.page_info.has_next_page
    answer = Answer(
        handle=node.handle,
        title=node.title,
        description_html=node.description_html,
        status=STATUS[node.status],
        product_type=node.product_type,
        tags=tags(node.tags),
        created_at=node.created_at,
        updated_at=node.updated_at,
        metafields=node.metafields.as_mapping() if node.metafields and whole else None,
        seen_at=seen_at,
    )
    return Answered(node.id, answer)


STATUS: dict[str, Literal["active", "draft", "archived", "unlisted"]] = {
    "ACTIVE": "active",
    "DRAFT": "draft",
    "ARCHIVED": "archived",
    "UNLISTED": "unlisted",
}


def _variant(node: VariantNode) -> Variant:
    return Variant(
        id=node.id,
        title=node.title,
        sku=node.sku or None,
        price=node.price,
        compare_at_price=node.compare_at_price,
        position=node.position,
        oversells=node.inventory_policy == "CONTINUE",
        inventory_item_id=node.item.id,
        inventory_quantity=node.inventory_quantity,
        updated_at=node.updated_at,
        tracked=node.item.tracked,
        metafields=node.metafields.as_mapping(),
        whole_at=node.updated_at,
    )


def _levels(item: ItemNode) -> tuple[Level, ...]:
    return tuple(_level(node, node.updated_at) for node in item.levels.nodes)


def _level(node: LevelNode, updated_at: datetime) -> Level:
    quantities = {quantity.name: quantity.quantity for quantity in node.quantities}
    return Level(
        location_id=node.location_id,
        available=quantities.get("available") if node.is_active else None,
        committed=quantities.get("committed"),
        on_hand=quantities.get("on_hand"),
        updated_at=updated_at,
    )
