"""Webhooks that were sent, and any that a test wants sent."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import orjson
from fastapi import APIRouter, Query

from sandbox.shopify.admin import Admin
from sandbox.shopify.bodies import encode
from sandbox.shopify.control.shapes import Json, WebhookIn
from sandbox.shopify.courier import Delivery, sign
from sandbox.shopify.truth import iso
from sandbox.shopify.webhooks import Webhooks

FLUSH_TIMEOUT = 30.0  # seconds


@dataclass(slots=True)
class WebhookDesk:
    admin: Admin
    webhooks: Webhooks

    def add_to(self, router: APIRouter) -> None:
        router.add_api_route("/webhooks", self.deliveries, methods=["GET"])
        router.add_api_route("/webhooks/flush", self.flush, methods=["POST"])
        router.add_api_route("/webhooks/send", self.send, methods=["POST"], status_code=202)

    async def deliveries(self, limit: Annotated[int, Query(ge=1, le=100_000)] = 100, topic: str | None = None) -> Json:
        """Newest first."""
        found = [d for d in reversed(self.webhooks.courier.recent) if topic in {None, d.topic}]
        return {"deliveries": [_delivery(delivery) for delivery in found[:limit]]}

    async def flush(self, timeout: Annotated[float, Query(gt=0, le=600)] = FLUSH_TIMEOUT) -> Json:  # noqa: ASYNC109 - the caller's own deadline
        """Wait until no delivery is pending, retries included. `flushed: false` when the time was up first."""
        courier = self.webhooks.courier
        waits = [asyncio.create_task(wait) for wait in (courier.flushed(timeout), self.admin.closing.wait())]
        done, left = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        flushed = waits[0] in done and waits[0].result()
        return {"flushed": flushed, "pending": courier.pending}

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
