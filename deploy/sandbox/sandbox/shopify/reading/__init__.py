"""Read fields: the contents page of all that a query may ask for. What is not here answers NOT_SIMULATED."""

from typing import Any

from sandbox.shopify import shapes
from sandbox.shopify.bulk.operation import BulkOperation
from sandbox.shopify.context import Operation, request_of
from sandbox.shopify.reading import (
    app,
    bulk,
    definitions,
    lookups,
    metafields,
    operations,
    products,
    shops,
    stock,
    subscriptions,
    variants,
)
from sandbox.shopify.reading.fields import BY_CREATED, BY_ID, COUNT_LIMIT, Resolver, connection, count_of
from sandbox.shopify.shop import Shop
from sandbox.shopify.stock import QuantityChange
from sandbox.shopify.subscriptions import Subscription

QUERY: dict[str, Resolver] = {
    "product": lookups.look_up("Product", lookups.SHELVES["Product"]),
    "productByIdentifier": products.product_by_identifier,
    "productByHandle": lambda source, info, handle: products.product_by_identifier(source, info, {"handle": handle}),
    "products": products.PRODUCTS,
    "productsCount": products.products_count,
    "productVariant": lookups.look_up("ProductVariant", lookups.SHELVES["ProductVariant"]),
    "productVariants": connection(variants.variants_everywhere, BY_ID),
    # `query` is ignored, as Shopify ignores it (docs/shopify.md 2.6)
    "productVariantsCount": lambda _, info, limit=COUNT_LIMIT, **__: count_of(
        len(request_of(info).shop.variants), limit
    ),
    "productOperation": operations.product_operation,
    "node": lookups.node,
    "nodes": lookups.nodes,
    "inventoryItem": lookups.look_up("InventoryItem", lookups.SHELVES["InventoryItem"]),
    "inventoryItems": connection(stock.items_everywhere, BY_ID),
    "inventoryLevel": lookups.look_up("InventoryLevel", lookups.SHELVES["InventoryLevel"]),
    "location": stock.location,
    "locations": connection(stock.locations, BY_ID),
    "publications": connection(lambda _, info, __: request_of(info).shop.publications.values(), BY_ID),
    "shop": shops.shop_of,
    "webhookSubscription": lookups.look_up("WebhookSubscription", lookups.SHELVES["WebhookSubscription"]),
    "webhookSubscriptions": connection(subscriptions.subscriptions, BY_CREATED),
    "webhookSubscriptionsCount": lambda _, info, limit=COUNT_LIMIT, **__: count_of(
        len(request_of(info).backstage.subscriptions.all), limit
    ),
    "events": operations.events,
    "currentAppInstallation": app.installation,
    "publicApiVersions": app.public_versions,
    "metafieldDefinitions": definitions.DEFINITIONS,
    "bulkOperation": lookups.look_up("BulkOperation", lookups.SHELVES["BulkOperation"]),
    "bulkOperations": bulk.OPERATIONS,
    "currentBulkOperation": bulk.current,
}

TYPES: dict[str, dict[str, Resolver]] = {
    "Metafield": metafields.METAFIELD,
    "Product": products.PRODUCT,
    "Image": products.IMAGE,
    "MediaImage": products.MEDIA_IMAGE,
    "ProductVariant": variants.VARIANT,
    "InventoryItem": stock.INVENTORY_ITEM,
    "InventoryLevel": stock.INVENTORY_LEVEL,
    "InventoryChange": stock.INVENTORY_CHANGE,
    "Location": stock.LOCATION,
    "Shop": shops.SHOP,
    "Publication": shops.PUBLICATION,
    "WebhookSubscription": subscriptions.WEBHOOK_SUBSCRIPTION,
    "BulkOperation": bulk.BULK_OPERATION,
    "AppInstallation": app.APP_INSTALLATION,
    "MetafieldDefinition": definitions.DEFINITION,
    "BasicEvent": operations.BASIC_EVENT,
    "ProductSetOperation": operations.OPERATION,
    "ProductDeleteOperation": operations.OPERATION,
}

# Answered from the attributes or keys of what their parent resolved to.
PLAIN_TYPES: frozenset[str] = frozenset(
    {"AccessScope", "Count", "MetafieldDefinitionType",
     "SEO", "MoneyV2", "ProductPriceRangeV2", "ProductOption", "ProductOptionValue", "SelectedOption",
     "MediaPreviewImage", "InventoryQuantity", "InventoryAdjustmentGroup", "LocationAddress", "ShopPlan",
     "ShopResourceLimits", "ApiVersion", "WebhookHttpEndpoint", "WebhookSubscriptionMetafieldIdentifier",
     "MetafieldIdentifier", "PageInfo"}
)  # fmt: skip

KINDS: dict[type, str] = {
    shapes.Product: "Product",
    shapes.Variant: "ProductVariant",
    shapes.InventoryItem: "InventoryItem",
    shapes.Level: "InventoryLevel",
    shapes.Metafield: "Metafield",
    shapes.Location: "Location",
    shapes.Publication: "Publication",
    shapes.Definition: "MetafieldDefinition",
    shapes.Destroyed: "BasicEvent",
    shapes.Image: "MediaImage",
    BulkOperation: "BulkOperation",
    Subscription: "WebhookSubscription",
    Shop: "Shop",
    QuantityChange: "InventoryChange",
}


def kind_of(value: Any, *_: Any) -> str:
    """The object type behind an interface or a union."""
    if isinstance(value, Operation):
        return value.kind
    return value["__typename"] if isinstance(value, dict) else KINDS[type(value)]
