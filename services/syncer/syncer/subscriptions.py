"""Register the webhooks that the projections live on, through Shopify's API, wherever they are missing.

Shopify deletes a subscription after 8 failures in a row, in silence (docs/shopify.md 1.3): so it is done at
every start, and every few minutes.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import HttpUrl

from shared.shopify import ShopifyClient
from shared.shopify.errors import UserErrors
from syncer import metrics

log = structlog.get_logger()

TOPICS = (
    "products/create",
    "products/update",
    "products/delete",
    "inventory_levels/update",
    "inventory_levels/connect",
    "inventory_levels/disconnect",
    "inventory_items/update",
    "bulk_operations/finish",
    "app/uninstalled",
)
WITH_METAFIELDS = ("products/create", "products/update")
MAX_PAGES = 20  # of 250 subscriptions


@dataclass(frozen=True)
class Subscription:
    """`topic` as a webhook spells it; `namespaces` are the metafields that its body carries."""

    topic: str
    uri: str
    namespaces: frozenset[str]
    id: str | None = None

    @property
    def enum(self) -> str:
        """products/update is PRODUCTS_UPDATE in GraphQL."""
        return self.topic.replace("/", "_").upper()


def wanted(public_url: HttpUrl | None, namespaces: Iterable[str]) -> list[Subscription]:
    """One for each topic, at the address where webhook-ingest expects it. No address: somebody else registers them."""
    if public_url is None:
        return []
    return [
        Subscription(
            topic,
            f"{str(public_url).rstrip('/')}/webhooks/{topic}",
            frozenset(namespaces if topic in WITH_METAFIELDS else ()),
        )
        for topic in TOPICS
    ]


@dataclass(frozen=True)
class Plan:
    """What to create, and what to update: (the one there, what it should carry)."""

    create: tuple[Subscription, ...]
    update: tuple[Subscription, ...]


def plan(needed: Iterable[Subscription], existing: Iterable[Subscription]) -> Plan:
    """Compare by topic and address; subscriptions that lead elsewhere are somebody else's. Pure."""
    there = {(subscription.enum, subscription.uri): subscription for subscription in existing}
    create, update = [], []
    for need in needed:
        found = there.get((need.enum, need.uri))
        if found is None:
            create.append(need)
        elif not need.namespaces <= found.namespaces:
            update.append(Subscription(need.topic, need.uri, need.namespaces | found.namespaces, found.id))
    return Plan(tuple(create), tuple(update))


class Subscriptions:
    def __init__(self, client: ShopifyClient, needed: list[Subscription]) -> None:
        self._client = client
        self._needed = needed

    async def step(self) -> None:
        """Create and update what is missing. What Shopify refuses is said, and holds up nothing else.

        Raises:
            the errors of `shared.shopify.errors`, but for UserErrors.
        """
        todo = plan(self._needed, await self._existing())
        # At once: Shopify takes seconds for each.
        refused = await asyncio.gather(*map(self._create, todo.create), *map(self._update, todo.update))
        metrics.SUBSCRIPTIONS.labels("wanted").set(len(self._needed))
        metrics.SUBSCRIPTIONS.labels("refused").set(sum(refused))

    async def _create(self, subscription: Subscription) -> bool:
        variables = {"topic": subscription.enum, "subscription": _input(subscription)}
        return await self._send("webhook_subscription_create", variables, subscription)

    async def _update(self, subscription: Subscription) -> bool:
        variables = {"id": subscription.id or "", "subscription": _input(subscription)}
        return await self._send("webhook_subscription_update", variables, subscription)

    async def _send(self, document: str, variables: dict[str, Any], subscription: Subscription) -> bool:
        """True when it was refused. Creating one twice is refused by Shopify, so it may be repeated."""
        try:
            await self._client.execute(document, variables, safe_to_repeat=True)
        except UserErrors as error:
            log.error(  # noqa: TRY400 (Shopify's words say it all)
                "subscription.refused", topic=subscription.topic, uri=subscription.uri, error=str(error)
            )
            return True
        log.info("subscription.registered", topic=subscription.topic, uri=subscription.uri, document=document)
        return False

    async def _existing(self) -> list[Subscription]:
        found: list[Subscription] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            answer = await self._client.execute("webhook_subscriptions", {"after": cursor})
            page = answer.data["webhookSubscriptions"]
            found += [_subscription(node) for node in page["nodes"]]
            if not page["pageInfo"]["hasNextPage"]:
                break
            cursor = page["pageInfo"]["endCursor"]
        return found


def _subscription(node: dict[str, Any]) -> Subscription:
    return Subscription(node["topic"], node["uri"], frozenset(node["metafieldNamespaces"]), node["id"])


def _input(subscription: Subscription) -> dict[str, Any]:
    fields: dict[str, Any] = {"uri": subscription.uri, "format": "JSON"}
    if subscription.namespaces:
        fields["metafieldNamespaces"] = sorted(subscription.namespaces)
    return fields
