"""What the writer would do: a mutation of Shopify, and its answer as a change that may come whenever a test likes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
from nats.js import JetStreamContext

from shared.contracts import Change, Origin, ProductChangedV1, ProductDeletedV1, Shape
from shared.shopify import ShopifyClient, ShopifySettings, shopify
from shared.shopify.products import gid
from shared.topology import address

SHOP = "understudy.myshopify.com"


@dataclass
class OurEdits:
    client: ShopifyClient

    async def edit(self, event_id: int, **fields: Any) -> ProductChangedV1:
        """`fields` of GraphQL's ProductUpdateInput. Where there are metafields, the answer says all of them."""
        with_metafields = "metafields" in fields
        document = "event_metafields_edit" if with_metafields else "event_edit"
        namespace = {"namespace": "event"} if with_metafields else {}
        left = datetime.now(UTC)
        product = {"id": gid("Product", event_id), **fields}
        answer = await self.client.execute(document, {"product": product, **namespace})
        node = answer.data["productUpdate"]["product"]
        return ProductChangedV1(**_about(event_id, left), shape=Shape.ANSWER, body=orjson.dumps(node))

    async def delete(self, event_id: int) -> ProductDeletedV1:
        left = datetime.now(UTC)
        await self.client.execute("event_delete", {"input": {"id": gid("Product", event_id)}})
        return ProductDeletedV1(**_about(event_id, left))


@asynccontextmanager
async def our_edits(admin_url: str, token: str) -> AsyncIterator[OurEdits]:
    settings = {"shopify_shop": SHOP, "shopify_admin_url": admin_url, "shopify_access_token": token}
    async with shopify(ShopifySettings(**settings)) as client:
        yield OurEdits(client)


def job_of(change: Change) -> UUID:
    assert change.caused_by is not None
    return UUID(change.caused_by)


async def publish(jetstream: JetStreamContext, change: Change, again: str = "") -> None:
    """`again`: another name, so that the bus takes it for another message."""
    stream, subject = address(change)
    headers = change.headers()
    headers["Nats-Msg-Id"] += again
    await jetstream.publish(subject, change.body, headers=headers, stream=stream.name)


def _about(event_id: int, left: datetime) -> dict[str, Any]:
    job = uuid4()
    return {
        "id": f"{Origin.COMMAND}:{job}",
        "source": "writer",
        "subject": f"product/{event_id}",
        "time": datetime.now(UTC),
        "origin": Origin.COMMAND,
        "triggered_at": left,
        "shop": SHOP,
        "caused_by": str(job),
        "product_id": event_id,
    }
