"""Stock: what buyers take and the box office puts."""

from dataclasses import dataclass

from fastapi import APIRouter, HTTPException

from sandbox.shopify import stock
from sandbox.shopify.control.finding import Finding
from sandbox.shopify.control.shapes import Json, LocationEdit, LocationIn, Sale, Stocking
from sandbox.shopify.shapes import Level, Location, Variant
from sandbox.shopify.shop import Action, Shop
from sandbox.shopify.truth import variant_truth


@dataclass(slots=True)
class StockDesk:
    shop: Shop
    find: Finding

    def add_to(self, router: APIRouter) -> None:
        router.add_api_route("/sell", self.sell, methods=["POST"])
        router.add_api_route("/inventory", self.inventory, methods=["POST"])
        router.add_api_route("/locations", self.locations, methods=["GET"])
        router.add_api_route("/locations", self.add_location, methods=["POST"], status_code=201)
        router.add_api_route("/locations/{location_id}", self.edit_location, methods=["PATCH"])

    async def sell(self, sale: Sale) -> Json:
        """Sell at the given location, or at the first that has enough.

        Raises:
            HTTPException: 409 when nothing has enough and the policy is deny.

        """
        variant = self.find.variant(sale.variant_id)
        levels = [x for x in variant.item.active_levels if sale.location_id in {None, x.location.id}]
        enough = [x for x in levels if x.quantity("available") >= sale.quantity]
        may_oversell = variant.inventory_policy == "CONTINUE" or not variant.item.tracked
        chosen = enough or (levels if may_oversell else [])
        if not chosen:
            raise HTTPException(409, "Not enough available.")
        with self.shop.action("sell", "control", sale.model_dump()) as action:
            stock.sell(action, chosen[0], sale.quantity)
        return variant_truth(variant)

    async def inventory(self, wanted: Stocking) -> Json:
        variant = self._stocked_variant(wanted)
        location = self.find.location(wanted.location_id)
        level = variant.item.levels.get(location.id)
        with self.shop.action("inventory", "control", wanted.model_dump()) as action:
            self._restock(action, variant, location, level, wanted.available)
        return variant_truth(variant)

    def _restock(
        self, action: Action, variant: Variant, location: Location, level: Level | None, available: int | None
    ) -> None:
        active = level is not None and level.active
        if available is None:
            if level is not None and active:
                stock.deactivate(action, level)
            return
        if level is not None and active:
            stock.set_quantity(action, level, "available", available)
            return
        stock.activate(action, variant.item, location, available)

    async def locations(self) -> Json:
        return {"locations": [{"id": x.id, "name": x.name, "active": x.active} for x in self.shop.locations.values()]}

    async def add_location(self, wanted: LocationIn) -> Json:
        location = self.shop.add_location(wanted.name, wanted.city, wanted.country_code)
        return {"id": location.id, "name": location.name}

    async def edit_location(self, location_id: int, wanted: LocationEdit) -> Json:
        location = self.find.location(location_id)
        others = [one for one in self.shop.locations.values() if one.active and one is not location]
        if not wanted.active and not others:
            raise HTTPException(409, "A shop keeps its last active location.")
        with self.shop.action("location", "control", {"id": location_id, "active": wanted.active}) as action:
            change = stock.open_location if wanted.active else stock.close_location
            change(action, location)
        return {"id": location.id, "name": location.name, "active": location.active}

    def _stocked_variant(self, wanted: Stocking) -> Variant:
        if wanted.variant_id is not None:
            return self.find.variant(wanted.variant_id)
        item = self.shop.items.get(wanted.inventory_item_id or 0)
        if item is None:
            raise HTTPException(404, "No such inventory item.")
        return item.variant
