"""The catalogue, as the merchant sees it: products and variants, their plain truth, and every edit."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import StreamingResponse

from sandbox.shopify import catalogue
from sandbox.shopify.catalogue import MetafieldDraft, VariantDraft
from sandbox.shopify.control.finding import Finding
from sandbox.shopify.control.shapes import Json, MetafieldIn, ProductEdit, ProductIn, VariantEdit, VariantIn
from sandbox.shopify.shapes import Product, Variant
from sandbox.shopify.shop import Action, Shop
from sandbox.shopify.truth import product_truth, variant_truth
from sandbox.shopify.writing.checks import tags_of

PIECE = 50  # products written at once: some 10 ms of the event loop
TICKET_OPTION = "Ticket"


@dataclass(slots=True)
class CatalogueDesk:
    shop: Shop
    find: Finding

    def add_to(self, router: APIRouter) -> None:
        router.add_api_route("/products", self.products, methods=["GET"], response_model=None)
        router.add_api_route("/products", self.create, methods=["POST"], status_code=201)
        router.add_api_route("/products/{product_id}", self.product, methods=["GET"])
        router.add_api_route("/products/{product_id}", self.edit, methods=["PATCH"])
        router.add_api_route("/products/{product_id}", self.delete, methods=["DELETE"])
        router.add_api_route("/products/{product_id}/variants", self.add_variant, methods=["POST"], status_code=201)
        router.add_api_route("/products/{product_id}/variants/{variant_id}", self.delete_variant_of, methods=["DELETE"])
        router.add_api_route("/variants/{variant_id}", self.delete_variant, methods=["DELETE"])

    async def products(
        self, limit: Annotated[int, Query(ge=1, le=100_000)] = 100_000, after: int = 0
    ) -> StreamingResponse:
        """All at once, or page by page; written in pieces, so that a big shop is served to others meanwhile."""
        numbers = sorted(number for number in self.shop.products if number > after)[:limit]
        return StreamingResponse(self._pieces(numbers), media_type="application/json")

    async def _pieces(self, numbers: list[int]) -> AsyncIterator[bytes]:
        yield b'{"products":['
        first = True
        for start in range(0, len(numbers), PIECE):
            there = [self.shop.products[n] for n in numbers[start : start + PIECE] if n in self.shop.products]
            piece = b",".join(orjson.dumps(product_truth(product)) for product in there)
            yield piece if first or not piece else b"," + piece
            first = first and not piece
            await asyncio.sleep(0)
        yield b"]}"

    async def product(self, product_id: int) -> Json:
        return product_truth(self.find.product(product_id))

    async def create(self, wanted: ProductIn) -> Json:
        titles = [variant.title for variant in wanted.variants]
        if len(set(titles)) < len(titles):
            raise HTTPException(422, "Two variants have the same title.")
        handle = catalogue.free_handle(self.shop, catalogue.slug(wanted.handle or wanted.title))
        fields = wanted.model_dump(include={"title", "body_html", "product_type", "status"})
        fields |= {"handle": handle, "tags": tags_of(wanted.tags)}
        if wanted.vendor:
            fields["vendor"] = wanted.vendor
        drafts = [self._draft(variant) for variant in wanted.variants] or [VariantDraft([catalogue.DEFAULT_VALUE])]
        options = [(TICKET_OPTION, titles)] if titles else catalogue.default_options()
        with self.shop.action("create", "control", wanted.model_dump(mode="json")) as action:
            product = catalogue.create_product(action, fields, options, drafts)
            self._metafields(action, product, wanted.metafields)
            if wanted.images:
                catalogue.set_images(action, product, [(image.url, image.alt) for image in wanted.images])
            if wanted.published:
                catalogue.publish(action, product, list(self.shop.publications))
        return product_truth(product)

    async def edit(self, product_id: int, wanted: ProductEdit) -> Json:
        product = self.find.product(product_id)
        variants = [self.find.own_variant(product, edit.id) for edit in wanted.variants]
        fields = wanted.model_dump(exclude_unset=True, exclude={"metafields", "variants", "images", "published"})
        fields = {name: value for name, value in fields.items() if value is not None}
        if "tags" in fields:
            fields["tags"] = tags_of(fields["tags"])
        if "handle" in fields:
            fields["handle"] = self._handle(product, fields["handle"])
        with self.shop.action(
            "edit", "control", {"id": product_id, **wanted.model_dump(mode="json", exclude_unset=True)}
        ) as action:
            catalogue.edit_product(action, product, fields)
            self._metafields(action, product, wanted.metafields)
            if wanted.images is not None:
                catalogue.set_images(action, product, [(image.url, image.alt) for image in wanted.images])
            if wanted.published is not None:
                change = catalogue.publish if wanted.published else catalogue.unpublish
                change(action, product, list(self.shop.publications))
            for variant, edit in zip(variants, wanted.variants, strict=True):
                self._edit_variant(action, variant, edit)
        return product_truth(product)

    async def delete(self, product_id: int) -> Json:
        product = self.find.product(product_id)
        with self.shop.action("delete", "control", {"id": product_id}) as action:
            catalogue.delete_product(action, product)
        return {"deleted": product_id}

    async def add_variant(self, product_id: int, wanted: VariantIn) -> Json:
        product = self.find.product(product_id)
        if any(variant.title == wanted.title for variant in product.variants):
            raise HTTPException(409, "The product has a variant with this title.")
        if len(product.options) != 1:
            raise HTTPException(409, "Only products with one option take variants here.")
        with self.shop.action("add_variant", "control", wanted.model_dump(mode="json")) as action:
            only_default = product.variants[0] if catalogue.has_only_default_variant(product) else None
            variant = catalogue.add_variant(action, product, self._draft(wanted))
            if only_default:
                catalogue.remove_variant(action, only_default)
        return variant_truth(variant)

    async def delete_variant(self, variant_id: int) -> Json:
        variant = self.find.variant(variant_id)
        if len(variant.product.variants) == 1:
            raise HTTPException(409, "A product keeps its last variant.")
        with self.shop.action("delete_variant", "control", {"id": variant_id}) as action:
            catalogue.remove_variant(action, variant)
        return {"deleted": variant_id}

    async def delete_variant_of(self, product_id: int, variant_id: int) -> Json:
        self.find.own_variant(self.find.product(product_id), variant_id)
        return await self.delete_variant(variant_id)

    def _handle(self, product: Product, wanted: str) -> str:
        handle = catalogue.slug(wanted)
        if self.shop.handles.get(handle, product.id) != product.id:
            raise HTTPException(409, "The handle belongs to another product.")
        return handle

    def _draft(self, wanted: VariantIn) -> VariantDraft:
        quantities = wanted.quantities
        if quantities is None and wanted.quantity is not None:
            quantities = {self.shop.default_location.id: wanted.quantity}
        for number in quantities or ():
            self.find.location(number)
        return VariantDraft(
            option_values=[wanted.title],
            price=wanted.price,
            compare_at_price=wanted.compare_at_price,
            sku=wanted.sku,
            barcode=wanted.barcode,
            inventory_policy=wanted.inventory_policy,
            tracked=wanted.tracked,
            requires_shipping=False,
            quantities=quantities,
            metafields=[MetafieldDraft(m.namespace, m.key, m.type, m.value) for m in wanted.metafields if m.value],
        )

    def _metafields(self, action: Action, owner: Product | Variant, wanted: list[MetafieldIn]) -> None:
        for one in wanted:
            if one.value is None:
                catalogue.delete_metafield(action, owner, one.namespace, one.key)
                continue
            known = owner.metafields.get((one.namespace, one.key))
            type_ = known.type if known and "type" not in one.model_fields_set else one.type
            catalogue.set_metafield(action, owner, MetafieldDraft(one.namespace, one.key, type_, one.value))

    def _edit_variant(self, action: Action, variant: Variant, edit: VariantEdit) -> None:
        given = edit.model_dump(exclude_unset=True, exclude={"id", "metafields"})
        fields = {name: given[name] for name in ("price", "inventory_policy") if given.get(name) is not None}
        fields |= {name: given[name] for name in ("compare_at_price", "barcode") if name in given}
        if given.get("title"):
            fields["option_values"] = [given["title"], *variant.option_values[1:]]
        catalogue.edit_variant(action, variant, fields)
        item: Json = {name: given[name] for name in ("sku", "tracked") if name in given and given[name] is not None}
        catalogue.edit_item(action, variant.item, item)
        self._metafields(action, variant, edit.metafields)
