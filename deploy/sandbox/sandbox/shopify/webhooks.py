"""Turn what happened in the shop into signed deliveries: one for each subscription to its topic, rendered at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from sandbox.shopify.bodies import Writing, body_of, encode, only
from sandbox.shopify.courier import Courier, Delivery, sign
from sandbox.shopify.filters import passes
from sandbox.shopify.shapes import ShopIdentity
from sandbox.shopify.shop import Happening
from sandbox.shopify.subscriptions import Subscription, Subscriptions
from sandbox.shopify.xml_bodies import as_xml


def slash_form(topic: str) -> str:
    """PRODUCTS_UPDATE -> products/update; INVENTORY_LEVELS_UPDATE -> inventory_levels/update."""
    resource, _, action = topic.lower().rpartition("_")
    return f"{resource}/{action}"


@dataclass(slots=True)
class Webhooks:
    """The body is rendered when the thing happens: a late retry carries what was true then."""

    identity: ShopIdentity
    subscriptions: Subscriptions
    courier: Courier
    clock: Callable[[], datetime]

    def on_happening(self, happening: Happening) -> None:
        for subscription in self.subscriptions.of(happening.topic):
            whole = body_of(happening.topic, happening.subject, self._writing(subscription))
            if not passes(subscription.filter, whole):
                continue
            reduced, as_json = only(whole, subscription.include_fields), subscription.format == "JSON"
            body = encode(reduced) if as_json else as_xml(slash_form(happening.topic), reduced)
            headers = self.headers(slash_form(happening.topic), body, subscription.api_version, happening.event_id)
            headers["X-Shopify-Triggered-At"] = triggered_at(happening.at)
            if not as_json:
                headers["Content-Type"] = "application/xml"
            if subscription.name:
                headers["X-Shopify-Name"] = subscription.name
            topic = slash_form(happening.topic)
            self.courier.take(Delivery(topic, subscription.uri, body, headers, subscription.id, happening.at))

    def headers(self, topic: str, body: bytes, api_version: str, event_id: str | None = None) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": sign(self.courier.secret, body),
            "X-Shopify-Shop-Domain": self.identity.domain,
            "X-Shopify-API-Version": api_version,
            "X-Shopify-Webhook-Id": str(uuid4()),
            "X-Shopify-Event-Id": event_id or str(uuid4()),
            "X-Shopify-Triggered-At": triggered_at(self.clock()),
        }

    def _writing(self, subscription: Subscription) -> Writing:
        knobs = self.courier.knobs()
        return Writing(
            identity=self.identity,
            namespaces=frozenset(subscription.metafield_namespaces),
            metafields=frozenset(subscription.metafields),
            variant_metafields=knobs.webhook_variant_metafields,
            typed_values=knobs.webhook_typed_metafield_values,
        )


def triggered_at(at: datetime) -> str:
    """Nine decimals, as Shopify prints them; the last three tell apart what one microsecond holds."""
    return f"{at.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%S.%f')}{time.perf_counter_ns() % 1000:03d}Z"
