"""One line of a bulk operation's result. Pure.

Shapes (docs/shopify.md 4): a product, or a child with `__parentId` at its end; a stock level's parent is its variant.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson

from syncer.export.errors import ExportMalformed

Kind = Literal["product", "variant", "medium", "level"]

_KINDS: dict[tuple[str, str], Kind] = {
    ("Product", ""): "product",
    ("ProductVariant", "Product"): "variant",
    ("InventoryLevel", "ProductVariant"): "level",
}
MAX_SHOWN = 80  # bytes of a line that can't be read, for the log


@dataclass(frozen=True, slots=True)
class Line:
    """`parent` is 0 for products. `variants`, `media`, `levels`: how many children must come; None: not said."""

    kind: Kind
    id: int
    parent: int
    children: int | None  # variants of a product, levels of a variant
    media: int | None
    updated_at: datetime | None = None  # of a product; None: not said


def read(line: bytes) -> Line:
    """What the staging has to know of it; the line itself is kept as it is.

    Raises:
        ExportMalformed: it is no JSON object, or no child of anything that was asked for.
    """
    try:
        node = orjson.loads(line)
        type_, id_ = _gid(node["id"])
        parent = node.get("__parentId")
        parent_type, parent_id = _gid(parent) if parent is not None else ("", 0)
        kind = _KINDS.get((type_, parent_type)) or _medium(parent_type)
        match kind:
            case "product":
                updated_at = _instant(node.get("updatedAt"))
                return Line(kind, id_, 0, _count(node["variantsCount"]), _count(node["mediaCount"]), updated_at)
            case "variant":
                return Line(kind, id_, parent_id, _count(node["inventoryItem"]["locationsCount"]), None)
        return Line(kind, id_, parent_id, None, None)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ExportMalformed(f"{error!r} in the line {line[:MAX_SHOWN]!r}") from None


def _gid(gid: str) -> tuple[str, int]:
    """gid://shopify/InventoryLevel/42?inventory_item_id=7 -> InventoryLevel, 42."""
    scheme, _, rest = gid.partition("://shopify/")
    type_, _, number = rest.partition("/")
    if scheme != "gid":
        raise ValueError("no gid")
    return type_, int(number.partition("?")[0])


def _medium(parent_type: str) -> Kind:
    """There are many types of media; whatever else hangs from a product is one."""
    if parent_type != "Product":
        raise ValueError("no line of this export")
    return "medium"


def _instant(text: Any) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _count(count: Any) -> int | None:
    return None if count is None else int(count["count"])
