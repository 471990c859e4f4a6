"""Access scopes: which field asks for which, and the answer to an app that lacks it (docs/shopify.md 2.2). Pure."""

from typing import Any

from graphql import GraphQLError

ACCESS_SCOPES = "https://shopify.dev/api/usage/access-scopes"

BY_SCOPE: dict[str, tuple[str, ...]] = {
    "read_products": (
        "QueryRoot.product", "QueryRoot.productByHandle", "QueryRoot.productByIdentifier", "QueryRoot.productOperation",
        "QueryRoot.products", "QueryRoot.productsCount", "QueryRoot.productVariant", "QueryRoot.productVariants",
        "QueryRoot.productVariantsCount", "InventoryItem.variant", "InventoryItem.variants",
    ),
    "write_products": (
        "Mutation.productChangeStatus", "Mutation.productCreate", "Mutation.productDelete",
        "Mutation.productOptionUpdate", "Mutation.productSet", "Mutation.productUpdate",
        "Mutation.productVariantsBulkCreate", "Mutation.productVariantsBulkDelete",
        "Mutation.productVariantsBulkUpdate", "Mutation.metafieldDefinitionCreate",
        "Mutation.metafieldsDelete", "Mutation.metafieldsSet",
    ),
    "read_inventory": (
        "QueryRoot.inventoryItem", "QueryRoot.inventoryItems", "QueryRoot.inventoryLevel",
        "ProductVariant.inventoryItem", "Location.inventoryLevel", "Location.inventoryLevels",
    ),
    "write_inventory": (
        "Mutation.inventoryActivate", "Mutation.inventoryAdjustQuantities", "Mutation.inventoryDeactivate",
        "Mutation.inventoryItemUpdate", "Mutation.inventorySetQuantities",
    ),
    "read_locations": ("QueryRoot.location", "QueryRoot.locations"),
    "write_locations": ("Mutation.locationActivate", "Mutation.locationDeactivate"),
    "read_publications": ("QueryRoot.publications", "Product.publishedOnPublication"),
    "write_publications": ("Mutation.publishablePublish", "Mutation.publishableUnpublish"),
}  # fmt: skip

NEEDED: dict[str, str] = {field: scope for scope, fields in BY_SCOPE.items() for field in fields}

TOPICS: dict[str, str] = {"PRODUCTS": "read_products", "VARIANTS": "read_products", "INVENTORY": "read_inventory",
                          "LOCATIONS": "read_locations"}  # fmt: skip


def parse_scopes(text: str) -> frozenset[str]:
    return frozenset(scope.strip() for scope in text.split(",") if scope.strip())


def grants(scopes: frozenset[str], needed: str) -> bool:
    """To write includes to read."""
    return needed in scopes or needed.replace("read_", "write_", 1) in scopes


def topic_scope(topic: str) -> str | None:
    """What a subscription to PRODUCTS_UPDATE asks for; None: nothing."""
    return TOPICS.get(topic.partition("_")[0])


def access_denied(field: str, scope: str) -> GraphQLError:
    required = f"`{scope}` access scope."
    extensions: dict[str, Any] = {"code": "ACCESS_DENIED", "documentation": ACCESS_SCOPES, "requiredAccess": required}
    return GraphQLError(f"Access denied for {field} field. Required access: {required}", extensions=extensions)
