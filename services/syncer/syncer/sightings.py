"""What our own reads of Shopify say on the bus, in the same words as a webhook. Pure."""

from datetime import datetime

import orjson

from shared.contracts import Change, Origin, ProductChangedV1, ProductDeletedV1, Shape
from syncer.graphql_nodes import Node

SOURCE = "syncer"


def of_product(node: Node, origin: Origin, shop: str, seen_at: datetime, began_at: datetime) -> Change:
    """A product was read. `seen_at`: when the read began, or later where something else had been seen by then."""
    product_id = int(node["legacyResourceId"])
    return ProductChangedV1(
        id=f"{origin}:product:{product_id}:{began_at.isoformat()}",
        source=SOURCE,
        subject=f"product/{product_id}",
        time=seen_at,
        origin=origin,
        triggered_at=seen_at,
        shop=shop,
        product_id=product_id,
        shape=Shape.GRAPHQL,
        body=orjson.dumps(node),
    )


def of_absence(product_id: int, origin: Origin, shop: str, seen_at: datetime, began_at: datetime) -> Change:
    """A product was looked for, and Shopify has none."""
    return ProductDeletedV1(
        id=f"{origin}:gone:{product_id}:{began_at.isoformat()}",
        source=SOURCE,
        subject=f"product/{product_id}",
        time=seen_at,
        origin=origin,
        triggered_at=seen_at,
        shop=shop,
        product_id=product_id,
    )
