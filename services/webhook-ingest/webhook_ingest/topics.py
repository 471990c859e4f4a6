"""The topics this service takes, and what a body of each must look like. Pure.

The topic header is not signed: whoever has seen one signed body could send it again under another topic, an update as
a delete. So each shape also says what it never contains.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.contracts import (
    Change,
    InventoryItemChangedV1,
    InventoryLevelChangedV1,
    ProductChangedV1,
    ProductDeletedV1,
    ShopNoticedV1,
)


@dataclass(frozen=True)
class Body:
    """What a payload has and has not.

    `ids`: attribute of the contract -> key of the payload, a whole number. `gid`: the type in `admin_graphql_api_id`.
    `shop`: the key that names the shop.
    """

    about: str
    ids: Mapping[str, str] = field(default_factory=dict)
    has: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    gid: str | None = None
    shop: str | None = None


@dataclass(frozen=True)
class Topic:
    contract: type[Change]
    body: Body


PRODUCT = Body("product", {"product_id": "id"}, has=frozenset({"title", "variants", "updated_at"}), gid="Product")
PRODUCT_GONE = Body(
    "product",
    {"product_id": "id"},
    never=frozenset(
        {"title", "handle", "variants", "updated_at", "name", "email", "tracked", "country_code_of_origin"}
    ),
    gid="Product",
)
LEVEL_IDS = {"inventory_item_id": "inventory_item_id", "location_id": "location_id"}
LEVEL = Body("inventory_level", LEVEL_IDS, has=frozenset({"available", "updated_at"}), gid="InventoryLevel")
LEVEL_GONE = Body("inventory_level", LEVEL_IDS, never=frozenset({"available"}), gid="InventoryLevel")
ITEM_IDS = {"inventory_item_id": "id"}
ITEM = Body("inventory_item", ITEM_IDS, has=frozenset({"tracked", "updated_at"}), gid="InventoryItem")
ITEM_GONE = Body(
    "inventory_item",
    ITEM_IDS,
    has=frozenset({"admin_graphql_api_id"}),  # the body of products/delete is an id and nothing else
    never=frozenset({"tracked", "title", "variants", "updated_at"}),
    gid="InventoryItem",
)
BULK_OPERATION = Body("shop", has=frozenset({"admin_graphql_api_id", "status"}), gid="BulkOperation")
SHOP = Body("shop", has=frozenset({"id", "name", "domain"}), shop="myshopify_domain")
CUSTOMER_DATA = Body(
    "shop", has=frozenset({"shop_id", "customer"}), never=frozenset({"orders_to_redact"}), shop="shop_domain"
)
CUSTOMER_REDACT = Body(
    "shop",
    has=frozenset({"shop_id", "customer"}),
    never=frozenset({"data_request", "orders_requested"}),
    shop="shop_domain",
)
SHOP_REDACT = Body("shop", has=frozenset({"shop_id"}), never=frozenset({"customer"}), shop="shop_domain")

TOPICS = {
    "products/create": Topic(ProductChangedV1, PRODUCT),
    "products/update": Topic(ProductChangedV1, PRODUCT),
    "products/delete": Topic(ProductDeletedV1, PRODUCT_GONE),
    "inventory_levels/update": Topic(InventoryLevelChangedV1, LEVEL),
    "inventory_levels/connect": Topic(InventoryLevelChangedV1, LEVEL),
    "inventory_levels/disconnect": Topic(InventoryLevelChangedV1, LEVEL_GONE),
    "inventory_items/create": Topic(InventoryItemChangedV1, ITEM),
    "inventory_items/update": Topic(InventoryItemChangedV1, ITEM),
    "inventory_items/delete": Topic(InventoryItemChangedV1, ITEM_GONE),
    "bulk_operations/finish": Topic(ShopNoticedV1, BULK_OPERATION),
    "app/uninstalled": Topic(ShopNoticedV1, SHOP),
    "customers/data_request": Topic(ShopNoticedV1, CUSTOMER_DATA),
    "customers/redact": Topic(ShopNoticedV1, CUSTOMER_REDACT),
    "shop/redact": Topic(ShopNoticedV1, SHOP_REDACT),
}
