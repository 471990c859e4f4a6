"""The control API under /control: what a test or the demo does to the shop as a merchant, a buyer or a saboteur.

No authentication: it is for loopback. Ids are numbers, money strings, times UTC. See /docs for the shapes.

    GET    /control/state                  counts, cost bucket, requests, webhooks
    GET    /control/products[/{id}]        the plain full truth
    POST   /control/products               create; PATCH and DELETE /control/products/{id}
    POST   /control/products/{id}/variants add; DELETE /control/variants/{id}
    POST   /control/sell                   available -> committed
    POST   /control/inventory              set available (stocking the item there), or null to unstock it
    POST   /control/locations
    GET    /control/knobs                  PATCH to change some
    GET    /control/webhooks               recent deliveries; /flush waits for all, /send sends anything signed
    GET    /control/journal                every mutation in order, with its effects
    POST   /control/traffic                light traffic, started and stopped
    POST   /control/uninstall              app/uninstalled, dead tokens, no subscriptions
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sandbox.shopify import catalogue, stock
from sandbox.shopify.admin import Admin
from sandbox.shopify.bodies import encode
from sandbox.shopify.catalogue import MetafieldDraft, VariantDraft
from sandbox.shopify.courier import Delivery, sign
from sandbox.shopify.knobs import Knobs
from sandbox.shopify.mutations.checks import tags_of
from sandbox.shopify.shapes import Level, Location, Product, Variant
from sandbox.shopify.shop import Action, Shop
from sandbox.shopify.traffic import Traffic
from sandbox.shopify.truth import iso, journal_truth, product_truth, variant_truth
from sandbox.shopify.webhooks import Webhooks

Json = dict[str, Any]
TICKET_OPTION = "Ticket"
FLUSH_TIMEOUT = 30.0  # seconds
Status = Annotated[str, BeforeValidator(str.upper), Field(pattern="^(ACTIVE|ARCHIVED|DRAFT|UNLISTED)$")]
Amount = Annotated[Decimal, Field(ge=0, lt=10**18)]


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MetafieldIn(Input):
    """`value: null` deletes it."""

    namespace: str
    key: str
    value: str | None
    type: str = "single_line_text_field"


class ImageIn(Input):
    url: str
    alt: str | None = None


class VariantIn(Input):
    """`quantity` is stock at the default location, `quantities` by location id."""

    title: str
    price: Amount = Decimal(0)
    compare_at_price: Amount | None = None
    sku: str | None = None
    barcode: str | None = None
    inventory_policy: Annotated[str, BeforeValidator(str.upper), Field(pattern="^(DENY|CONTINUE)$")] = "DENY"
    tracked: bool = True
    quantity: int | None = None
    quantities: dict[int, int] | None = None
    metafields: list[MetafieldIn] = []


class ProductIn(Input):
    title: str
    handle: str | None = None
    body_html: str = ""
    vendor: str | None = None
    product_type: str = ""
    status: Status = "ACTIVE"
    tags: list[str] = []
    published: bool = True
    images: list[ImageIn] = []
    metafields: list[MetafieldIn] = []
    variants: list[VariantIn] = []


class VariantEdit(Input):
    id: int
    title: str | None = None
    price: Amount | None = None
    compare_at_price: Amount | None = None
    sku: str | None = None
    barcode: str | None = None
    inventory_policy: Annotated[str, BeforeValidator(str.upper), Field(pattern="^(DENY|CONTINUE)$")] | None = None
    tracked: bool | None = None
    metafields: list[MetafieldIn] = []


class ProductEdit(Input):
    title: str | None = None
    handle: str | None = None
    body_html: str | None = None
    vendor: str | None = None
    product_type: str | None = None
    status: Status | None = None
    tags: list[str] | None = None
    published: bool | None = None
    images: list[ImageIn] | None = None
    metafields: list[MetafieldIn] = []
    variants: list[VariantEdit] = []


class Sale(Input):
    variant_id: int
    quantity: Annotated[int, Field(gt=0)] = 1
    location_id: int | None = None


class Stocking(Input):
    """One of `variant_id` and `inventory_item_id`; `available: null` unstocks the item at the location."""

    variant_id: int | None = None
    inventory_item_id: int | None = None
    location_id: int | None = None
    available: int | None


class LocationIn(Input):
    name: str
    city: str | None = None
    country_code: str | None = None


class TrafficIn(Input):
    edits_per_second: Annotated[float, Field(ge=0, le=1000)] = 0
    sales_per_second: Annotated[float, Field(ge=0, le=1000)] = 0


class WebhookIn(Input):
    """A webhook made by hand.

    `body` is written as Shopify writes, `raw` is sent as it is. Without `url` it goes to every subscription of the
    topic. `headers` replace or add; a null removes one. `secret` signs with another secret.
    """

    topic: str
    body: Any = None
    raw: str | None = None
    url: str | None = None
    headers: dict[str, str | None] = {}
    secret: str | None = None


@dataclass(slots=True)
class Control:
    shop: Shop
    admin: Admin
    webhooks: Webhooks
    traffic: Traffic
    turn: Any  # Callable[[Knobs], None]: puts a new set of knobs to work

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/control", tags=["control"])
        router.add_api_route("/state", self.state, methods=["GET"])
        router.add_api_route("/products", self.products, methods=["GET"])
        router.add_api_route("/products", self.create, methods=["POST"], status_code=201)
        router.add_api_route("/products/{product_id}", self.product, methods=["GET"])
        router.add_api_route("/products/{product_id}", self.edit, methods=["PATCH"])
        router.add_api_route("/products/{product_id}", self.delete, methods=["DELETE"])
        router.add_api_route("/products/{product_id}/variants", self.add_variant, methods=["POST"], status_code=201)
        router.add_api_route("/variants/{variant_id}", self.delete_variant, methods=["DELETE"])
        router.add_api_route("/sell", self.sell, methods=["POST"])
        router.add_api_route("/inventory", self.inventory, methods=["POST"])
        router.add_api_route("/locations", self.locations, methods=["GET"])
        router.add_api_route("/locations", self.add_location, methods=["POST"], status_code=201)
        router.add_api_route("/knobs", self.knobs, methods=["GET"])
        router.add_api_route("/knobs", self.turn_knobs, methods=["PATCH"])
        router.add_api_route("/webhooks", self.deliveries, methods=["GET"])
        router.add_api_route("/webhooks/flush", self.flush, methods=["POST"])
        router.add_api_route("/webhooks/send", self.send, methods=["POST"], status_code=202)
        router.add_api_route("/journal", self.journal, methods=["GET"])
        router.add_api_route("/traffic", self.get_traffic, methods=["GET"])
        router.add_api_route("/traffic", self.set_traffic, methods=["POST"])
        router.add_api_route("/uninstall", self.uninstall, methods=["POST"])
        return router

    async def state(self) -> Json:
        shop, courier = self.shop, self.webhooks.courier
        return {
            "shop": shop.identity.domain,
            "products": len(shop.products),
            "variants": len(shop.variants),
            "locations": len(shop.locations),
            "deleted_products": len(shop.destroyed),
            "subscriptions": [
                {"id": s.id, "topic": s.topic, "uri": s.uri} for s in self.webhooks.subscriptions.all.values()
            ],
            "bucket": self.admin.executor.bucket.status(),
            "requests": {**self.admin.counts, "throttled": self.admin.executor.throttled},
            "webhooks": {**courier.counts, "pending": courier.pending},
        }

    # The catalogue, as the merchant

    async def products(
        self, limit: Annotated[int, Query(ge=1, le=100_000)] = 100_000, after: int = 0
    ) -> dict[str, list[Json]]:
        numbers = sorted(number for number in self.shop.products if number > after)[:limit]
        return {"products": [product_truth(self.shop.products[number]) for number in numbers]}

    async def product(self, product_id: int) -> Json:
        return product_truth(self._product(product_id))

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
        product = self._product(product_id)
        variants = [self._own_variant(product, edit.id) for edit in wanted.variants]
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
        product = self._product(product_id)
        with self.shop.action("delete", "control", {"id": product_id}) as action:
            catalogue.delete_product(action, product)
        return {"deleted": product_id}

    async def add_variant(self, product_id: int, wanted: VariantIn) -> Json:
        product = self._product(product_id)
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
        variant = self._variant(variant_id)
        if len(variant.product.variants) == 1:
            raise HTTPException(409, "A product keeps its last variant.")
        with self.shop.action("delete_variant", "control", {"id": variant_id}) as action:
            catalogue.remove_variant(action, variant)
        return {"deleted": variant_id}

    # Stock

    async def sell(self, sale: Sale) -> Json:
        """Sell at the given location, or at the first that has enough.

        Raises:
            HTTPException: 409 when nothing has enough and the policy is deny.

        """
        variant = self._variant(sale.variant_id)
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
        location = self._location(wanted.location_id)
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

    # Misbehaviour

    async def knobs(self) -> Knobs:
        return self.admin.knobs()

    async def turn_knobs(self, wanted: Json) -> Knobs:
        try:
            knobs = Knobs.model_validate({**self.admin.knobs().model_dump(), **wanted})
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        self.turn(knobs)
        return knobs

    async def uninstall(self) -> Json:
        """The merchant removes the app: its tokens die, app/uninstalled is sent, its subscriptions are gone."""
        with self.shop.action("uninstall", "control") as action:
            action.tell("APP_UNINSTALLED", 0, self.shop)
        self.admin.tokens.revoked = True
        self.webhooks.subscriptions.all.clear()
        return {"uninstalled": True}

    # Webhooks

    async def deliveries(self, limit: Annotated[int, Query(ge=1, le=100_000)] = 100, topic: str | None = None) -> Json:
        """Newest first."""
        found = [d for d in reversed(self.webhooks.courier.recent) if topic in {None, d.topic}]
        return {"deliveries": [_delivery(delivery) for delivery in found[:limit]]}

    async def flush(self, timeout: Annotated[float, Query(gt=0, le=600)] = FLUSH_TIMEOUT) -> Json:  # noqa: ASYNC109 - the caller's own deadline
        """Wait until no delivery is pending, retries included. `flushed: false` when the time was up first."""
        flushed = await self.webhooks.courier.flushed(timeout)
        return {"flushed": flushed, "pending": self.webhooks.courier.pending}

    async def send(self, wanted: WebhookIn) -> Json:
        body = wanted.raw.encode() if wanted.raw is not None else encode(wanted.body)
        enum_form = wanted.topic.upper().replace("/", "_")
        subscriptions = self.webhooks.subscriptions.of(enum_form)
        targets = [(wanted.url, None)] if wanted.url else [(s.uri, s.id) for s in subscriptions]
        for url, number in targets:
            headers = self.webhooks.headers(wanted.topic, body, self.admin.settings.api_version)
            if wanted.secret is not None:
                headers["X-Shopify-Hmac-Sha256"] = sign(wanted.secret.encode(), body)
            merged = {name: value for name, value in {**headers, **wanted.headers}.items() if value is not None}
            self.webhooks.courier.take(Delivery(wanted.topic, url, body, merged, number, datetime.now(UTC)))
        return {"queued": len(targets)}

    async def journal(self, after: int = 0, limit: Annotated[int, Query(ge=1, le=100_000)] = 1000) -> Json:
        """Oldest first, from the sequence number `after` on."""
        found = [entry for entry in self.shop.journal if entry.sequence > after]
        return {"entries": [journal_truth(entry) for entry in found[:limit]]}

    async def get_traffic(self) -> TrafficIn:
        return TrafficIn(edits_per_second=self.traffic.edits, sales_per_second=self.traffic.sales)

    async def set_traffic(self, wanted: TrafficIn) -> TrafficIn:
        """Both 0 stops it."""
        self.traffic.set(wanted.edits_per_second, wanted.sales_per_second)
        return wanted

    # Finding things

    def _product(self, number: int) -> Product:
        if number not in self.shop.products:
            raise HTTPException(404, "No such product.")
        return self.shop.products[number]

    def _variant(self, number: int) -> Variant:
        if number not in self.shop.variants:
            raise HTTPException(404, "No such variant.")
        return self.shop.variants[number]

    def _own_variant(self, product: Product, number: int) -> Variant:
        variant = self._variant(number)
        if variant.product is not product:
            raise HTTPException(404, "The variant belongs to another product.")
        return variant

    def _stocked_variant(self, wanted: Stocking) -> Variant:
        if wanted.variant_id is not None:
            return self._variant(wanted.variant_id)
        item = self.shop.items.get(wanted.inventory_item_id or 0)
        if item is None:
            raise HTTPException(404, "No such inventory item.")
        return item.variant

    def _location(self, number: int | None) -> Location:
        if number is None:
            return self.shop.default_location
        if number not in self.shop.locations:
            raise HTTPException(404, "No such location.")
        return self.shop.locations[number]

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
            self._location(number)
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


def _delivery(delivery: Delivery) -> Json:
    try:
        body = orjson.loads(delivery.body)
    except orjson.JSONDecodeError:
        body = None
    return {
        "topic": delivery.topic,
        "url": delivery.url,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "last_answer": delivery.last_answer,
        "copy": delivery.copy,
        "webhook_id": delivery.headers.get("X-Shopify-Webhook-Id"),
        "event_id": delivery.headers.get("X-Shopify-Event-Id"),
        "created_at": iso(delivery.created_at),
        "finished_at": iso(delivery.finished_at),
        "body": body,
    }
