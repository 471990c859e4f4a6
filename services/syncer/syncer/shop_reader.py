"""What else than products is read from Shopify one by one: the shop, and whose an inventory item is."""

from dataclasses import dataclass

from shared.shopify import ShopifyClient
from shared.shopify.products import ProductReader, expecting, gid
from syncer.rules import Rules


@dataclass(frozen=True)
class ShopFacts:
    domain: str
    currency: str
    timezone: str


class ShopReader(ProductReader):
    """Reads by the documents in shared/shopify/documents, within the budget that the client keeps."""

    def __init__(self, client: ShopifyClient, rules: Rules) -> None:
        super().__init__(client, rules.event_metafields.values(), rules.ticket_metafields.values())

    async def shop(self) -> ShopFacts:
        answer = await self._client.execute("shop")
        with expecting("shop"):
            shop = answer.data["shop"]
            return ShopFacts(shop["myshopifyDomain"], shop["currencyCode"], shop["ianaTimezone"])

    async def product_of_item(self, item_id: int) -> int | None:
        """The product that an inventory item belongs to; None when there is no such item any more."""
        answer = await self._client.execute("inventory_item", {"id": gid("InventoryItem", item_id)})
        with expecting("inventory_item"):
            item = answer.data["inventoryItem"]
            variants = item["variants"]["nodes"] if item else []
            return int(variants[0]["product"]["legacyResourceId"]) if variants else None
