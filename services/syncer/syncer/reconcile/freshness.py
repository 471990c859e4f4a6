"""How old what was read must be before a difference means that a webhook was missed, by Shopify's clock. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from syncer.graphql_nodes import Node

SECOND = timedelta(seconds=1)  # the grain of every `updatedAt`


def settles_at(node: Node, grace: float) -> datetime:
    """When every webhook about what this product shows has had `grace` seconds to arrive."""
    return max(_moments(node)) + SECOND + timedelta(seconds=grace)


def _moments(node: Node) -> Iterator[datetime]:
    yield datetime.fromisoformat(node["updatedAt"])
    for variant in node["variants"]["nodes"]:
        for level in variant["inventoryItem"]["inventoryLevels"]["nodes"]:
            yield datetime.fromisoformat(level["updatedAt"])
