"""Webhooks of edits: bodies that the simulated Shopify really sent, with a new title and time, signed again."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from ops.bench.request import request
from ops.bench.subject import Subject
from ops.failures import Refused, ServerDown
from ops.up.plan import API_VERSION
from ops.web import Http
from sandbox.shopify.bodies import encode
from sandbox.shopify.courier import sign

TOPIC = "products/update"
FLUSH_WITHIN = 60.0  # seconds


def bodies(subject: Subject, event_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The body of each event's newest `products/update`, caused by an edit of ours. Raises ServerDown, Refused."""
    http = Http(FLUSH_WITHIN + 5)
    try:
        for event_id in event_ids:
            edit = {"title": f"Edited {event_id}"}
            if http.patch(f"{subject.shopify}/control/products/{event_id}", edit) is None:
                raise ServerDown(f"the simulated Shopify at {subject.shopify} does not edit {event_id}")
        flushed = http.post(f"{subject.shopify}/control/webhooks/flush?timeout={FLUSH_WITHIN:g}", None)
        if not flushed or not flushed["flushed"]:
            raise ServerDown(f"webhooks are still on their way after {FLUSH_WITHIN:g} s")
        asked = f"{subject.shopify}/control/webhooks?topic={TOPIC}&limit={len(event_ids) * 4}"
        said = http.get(asked) or {"deliveries": []}
    finally:
        http.close()
    newest: dict[str, dict[str, Any]] = {}
    for delivery in said["deliveries"]:  # newest first
        if delivery["status"] == "delivered":
            newest.setdefault(str(delivery["body"]["id"]), delivery["body"])
    if missing := [event_id for event_id in event_ids if event_id not in newest]:
        raise Refused(f"no webhook was delivered for {len(missing)} of {len(event_ids)} edits")
    return [newest[event_id] for event_id in event_ids]


def letter(subject: Subject, body: Mapping[str, Any], title: str, now: datetime) -> bytes:
    """The whole request. Shopify's times have whole seconds: two letters of one event in a second would be a tie."""
    raw = encode({**body, "title": title, "updated_at": now.replace(microsecond=0).isoformat()})
    headers = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": TOPIC,
        "X-Shopify-Hmac-Sha256": sign(subject.webhook_secret.encode(), raw),
        "X-Shopify-Shop-Domain": subject.shop_domain,
        "X-Shopify-API-Version": API_VERSION,
        "X-Shopify-Webhook-Id": str(uuid4()),
        "X-Shopify-Event-Id": str(uuid4()),
        "X-Shopify-Triggered-At": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    return request("bench", f"/webhooks/{TOPIC}", headers, raw)
