"""Light traffic for the demo: someone edits events, someone buys tickets, at given rates."""

import asyncio
import random
from dataclasses import dataclass
from decimal import Decimal

from sandbox.shopify import catalogue, stock
from sandbox.shopify.shapes import Product
from sandbox.shopify.shop import Shop

SUBTITLES = (
    "Extra date added",
    "Doors open at 18:30",
    "Last tickets",
    "Now with support act",
    "Moved to the main hall",
)


@dataclass(slots=True)
class Traffic:
    """Two loops, each with its rate a second; 0 stops. `chance` makes it repeatable."""

    shop: Shop
    chance: random.Random
    edits: float = 0
    sales: float = 0
    _tasks: tuple[asyncio.Task[None], ...] = ()

    def set(self, edits: float, sales: float) -> None:
        self._cancel()
        self.edits, self.sales = edits, sales
        loops = [self._edit_loop()] if edits else []
        loops += [self._sale_loop()] if sales else []
        self._tasks = tuple(asyncio.create_task(loop) for loop in loops)

    async def stop(self) -> None:
        tasks = self._tasks
        self._cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = ()

    async def _edit_loop(self) -> None:
        while True:
            await asyncio.sleep(1 / self.edits)
            self.edit_one()

    async def _sale_loop(self) -> None:
        while True:
            await asyncio.sleep(1 / self.sales)
            self.sell_one()

    def edit_one(self) -> Product | None:
        """Change one event somehow; None while there is none."""
        if not self.shop.products:
            return None
        product = self.shop.products[self.chance.choice(list(self.shop.products))]
        with self.shop.action("edit", "traffic", {"id": product.id}) as action:
            match self.chance.randrange(3):
                case 0:
                    draft = catalogue.MetafieldDraft(
                        "event", "subtitle", "single_line_text_field", self.chance.choice(SUBTITLES)
                    )
                    catalogue.set_metafield(action, product, draft)
                case 1:
                    variant = self.chance.choice(product.variants)
                    price = max(Decimal(5), variant.price + self.chance.choice((-5, -2, 2, 5)))
                    catalogue.edit_variant(action, variant, {"price": price})
                case _:
                    tags = sorted({*product.tags} ^ {self.chance.choice(("hot", "new", "last-chance"))})
                    catalogue.edit_product(action, product, {"tags": tags})
        return product

    def sell_one(self) -> Product | None:
        """Sell one or two tickets of an active event; None when the one that was drawn is sold out."""
        if not self.shop.variants:
            return None
        variant = self.shop.variants[self.chance.choice(list(self.shop.variants))]
        quantity = self.chance.choice((1, 2))
        levels = [level for level in variant.item.active_levels if level.quantity("available") >= quantity]
        if variant.product.status != "ACTIVE" or not levels:
            return None
        with self.shop.action("sell", "traffic", {"variant_id": variant.id, "quantity": quantity}) as action:
            stock.sell(action, self.chance.choice(levels), quantity)
        return variant.product
