"""The house itself: its state, its journal, its knobs, its traffic, and the day the app is thrown out."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from sandbox.shopify.admin import Admin
from sandbox.shopify.control.app import bulk_truth
from sandbox.shopify.control.shapes import Json, TrafficIn
from sandbox.shopify.knobs import Knobs
from sandbox.shopify.shop import Shop
from sandbox.shopify.traffic import Traffic
from sandbox.shopify.truth import journal_truth
from sandbox.shopify.webhooks import Webhooks

COUNTED = ("triggered", "sent", "delivered", "failed", "lost", "dropped", "cancelled")


@dataclass(slots=True)
class HouseDesk:
    """`turn` puts a new set of knobs to work."""

    shop: Shop
    admin: Admin
    webhooks: Webhooks
    traffic: Traffic
    turn: Callable[[Knobs], None]

    def add_to(self, router: APIRouter) -> None:
        router.add_api_route("/state", self.state, methods=["GET"])
        router.add_api_route("/journal", self.journal, methods=["GET"])
        router.add_api_route("/knobs", self.knobs, methods=["GET"])
        router.add_api_route("/knobs", self.turn_knobs, methods=["PATCH"])
        router.add_api_route("/traffic", self.get_traffic, methods=["GET"])
        router.add_api_route("/traffic", self.set_traffic, methods=["POST"])
        router.add_api_route("/uninstall", self.uninstall, methods=["POST"])

    async def state(self) -> Json:
        shop, courier, bulk = self.shop, self.webhooks.courier, self.admin.executor.backstage.bulk
        bucket = self.admin.executor.bucket
        return {
            "shop": shop.identity.domain,
            "products": len(shop.products),
            "variants": len(shop.variants),
            "locations": len(shop.locations),
            "deleted_products": len(shop.destroyed),
            "subscriptions": [
                {"id": s.id, "topic": s.topic, "uri": s.uri} for s in self.webhooks.subscriptions.all.values()
            ],
            "bulk_operations": [bulk_truth(operation, bulk.status(operation)) for operation in bulk.all.values()],
            "throttled": self.admin.executor.throttled,
            "bucket": bucket.status(),
            "hidden_bucket": bucket.hidden.status() if bucket.hidden else None,
            "points_spent": bucket.told.spent,
            "requests": {**self.admin.counts, "throttled": self.admin.executor.throttled},
            "late_effects_due": len(self.admin.carrier.late),
            "replays": self.admin.executor.backstage.idempotency.replays,
            "webhooks": {**dict.fromkeys(COUNTED, 0), **courier.counts, "pending": courier.pending},
        }

    async def journal(
        self,
        after: int = 0,
        limit: Annotated[int, Query(ge=1, le=100_000)] = 1000,
        origin: str | None = None,
        action: str | None = None,
    ) -> Json:
        """Oldest first, from the sequence number `after` on. Up to `forgotten` there are none left."""
        found = (
            entry
            for entry in self.shop.journal
            if entry.sequence > after and origin in {None, entry.origin} and action in {None, entry.action}
        )
        entries = [journal_truth(entry) for entry in islice(found, limit)]
        return {"entries": entries, "forgotten": self.shop.forgotten, "last": self.shop.entries}

    async def knobs(self) -> Knobs:
        return self.admin.knobs()

    async def turn_knobs(self, wanted: Json) -> Knobs:
        try:
            knobs = Knobs.model_validate({**self.admin.knobs().model_dump(), **wanted})
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        self.turn(knobs)
        backstage = self.admin.executor.backstage
        if "bulk_faulty" in wanted:
            backstage.bulk.faults_left = knobs.bulk_faulty
        if "download_cuts" in wanted:
            backstage.storage.cuts_left = knobs.download_cuts
        return knobs

    async def get_traffic(self) -> TrafficIn:
        return TrafficIn(edits_per_second=self.traffic.edits, sales_per_second=self.traffic.sales)

    async def set_traffic(self, wanted: TrafficIn) -> TrafficIn:
        """Both 0 stops it."""
        self.traffic.set(wanted.edits_per_second, wanted.sales_per_second)
        return wanted

    async def uninstall(self) -> Json:
        """The merchant removes the app: its tokens die, app/uninstalled is sent, its subscriptions are gone."""
        with self.shop.action("uninstall", "control") as action:
            action.tell("APP_UNINSTALLED", 0, self.shop)
        self.admin.tokens.revoked = True
        self.webhooks.subscriptions.all.clear()
        return {"uninstalled": True}
