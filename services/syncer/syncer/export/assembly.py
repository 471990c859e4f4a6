"""Put products together again from the lines of an export, however they are scattered. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from syncer.export.lines import Kind
from syncer.graphql_nodes import Node


@dataclass(frozen=True, slots=True)
class Staged:
    """A line as it was staged. Children of one parent come in Shopify's order; parents before their children."""

    kind: Kind
    id: int
    parent: int
    line: bytes


@dataclass(frozen=True, slots=True)
class Assembled:
    """`node` has the shape of documents/product.graphql's. `missing`: what does not add up, in a word; None: whole."""

    product_id: int
    node: Node
    missing: str | None


def assemble(staged: Iterable[Staged]) -> list[Assembled]:
    """Every product among the lines, in the order of their lines."""
    products: dict[int, Node] = {}
    variants: dict[int, Node] = {}
    for each in staged:
        node = orjson.loads(each.line)
        match each.kind:
            case "product":
                products[each.id] = _owner(node) | {"media": _connection(), "variants": _connection()}
            case "variant":
                _level_nodes_of(variants.setdefault(each.id, _owner(node)))
                products[each.parent]["variants"]["nodes"].append(variants[each.id])
            case "medium":
                products[each.parent]["media"]["nodes"].append(_child(node))
            case "level":
                _level_nodes_of(variants[each.parent]).append(_child(node))
    return [Assembled(product_id, node, missing(node)) for product_id, node in products.items()]


def missing(node: Node) -> str | None:
    """Which children of a product are not as many as it says, in a word."""
    if _differs(node["variantsCount"], node["variants"]):
        return "variants"
    if _differs(node["mediaCount"], node["media"]):
        return "media"
    items = (variant["inventoryItem"] for variant in node["variants"]["nodes"])
    if any(_differs(item["locationsCount"], item["inventoryLevels"]) for item in items):
        return "levels"
    return None


def _differs(count: Node | None, connection: Node) -> bool:
    return count is not None and int(count["count"]) != len(connection["nodes"])


def _owner(node: Node) -> Node:
    """A product or a variant with its metafields as a connection, as product.graphql has them."""
    aliases = [name for name in node if name[0] == "m" and name[1:].isdigit()]
    found = [node.pop(name) for name in aliases]
    node["metafields"] = {"nodes": [metafield for metafield in found if metafield is not None]}
    return _child(node)


def _child(node: Node) -> Node:
    node.pop("__parentId", None)
    return node


def _connection() -> Node:
    return {"nodes": []}


def _level_nodes_of(variant: Node) -> list[Node]:
    nodes: list[Node] = variant["inventoryItem"].setdefault("inventoryLevels", _connection())["nodes"]
    return nodes
