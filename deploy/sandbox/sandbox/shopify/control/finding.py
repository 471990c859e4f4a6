"""Find what a request names, or answer 404."""

from dataclasses import dataclass

from fastapi import HTTPException

from sandbox.shopify.shapes import Location, Product, Variant
from sandbox.shopify.shop import Shop


@dataclass(slots=True)
class Finding:
    """Raises HTTPException 404 where there is nothing."""

    shop: Shop

    def product(self, number: int) -> Product:
        if number not in self.shop.products:
            raise HTTPException(404, "No such product.")
        return self.shop.products[number]

    def variant(self, number: int) -> Variant:
        if number not in self.shop.variants:
            raise HTTPException(404, "No such variant.")
        return self.shop.variants[number]

    def own_variant(self, product: Product, number: int) -> Variant:
        variant = self.variant(number)
        if variant.product is not product:
            raise HTTPException(404, "The variant belongs to another product.")
        return variant

    def location(self, number: int | None) -> Location:
        if number is None:
            return self.shop.default_location
        if number not in self.shop.locations:
            raise HTTPException(404, "No such location.")
        return self.shop.locations[number]
