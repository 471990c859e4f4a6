"""Read the simulator's journal as deeds, in the words of commands. Pure.

What it doesn't know how to read it hands on under Shopify's own names, so that nothing that was done goes unseen.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from command_histories import ADJUSTED, CREATED, DELETED, Deed, Value

Json = dict[str, Any]
Lines = Iterable[tuple[str, str, dict[str, Value]]]  # lane, thing, what is said of it

NUMBER = re.compile(r"(\d+)(?:\?.*)?$")
MADE = re.compile(r"^(product|variant) (\d+) created$")
NAMES = {
    "descriptionHtml": "description_html", "body_html": "description_html", "compareAtPrice": "compare_at_price",
    "productType": "category", "product_type": "category",
}  # fmt: skip
MONEY = frozenset({"price", "compare_at_price"})
OURS = frozenset({"event", "ticket"})  # namespaces of metafields whose keys are fields of ours
JOB = ("understudy", "job")
JOB_ID = 36  # characters of an idempotency key that say whose it is
SOLD = "sold"
MERCHANT = "merchant"
ANEW = frozenset({CREATED, ADJUSTED, SOLD})


def deeds(journal: Iterable[Json], shop: Iterable[Json] = ()) -> list[Deed]:
    """`journal` and `shop` (its products, to know whose stock is whose) as the control API has them."""
    found = []
    reader = _Reader(shop)
    for entry in journal:
        if entry["user_errors"]:
            continue
        ours = entry["origin"] == "admin"
        found += [
            Deed(entry["sequence"], ours, lane, thing, says, bool(ANEW & set(says)))
            for lane, thing, says in reader.lines(entry)
            if says
        ]
    return found


def spoken(name: str, value: Any) -> Value:
    """One spelling for one value, whoever says it."""
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(sorted(map(str, value)))
        case _ if name in MONEY:
            return f"{Decimal(str(value)):.2f}"
        case _ if name in {"status", "visible"}:
            return str(value).lower()
    return str(value)


def number(gid: Any) -> str:
    """The digits of a gid, or of a plain id."""
    found = NUMBER.search(str(gid))
    return found[1] if found else str(gid)


class _Reader:
    def __init__(self, shop: Iterable[Json]) -> None:
        self._tickets: dict[str, tuple[str, str]] = {}  # by variant and by inventory item: lane, thing
        self._items: dict[str, tuple[str, str]] = {}
        for product in shop:
            for variant in product["variants"]:
                whose = (f"event:{product['id']}", f"ticket:{variant['id']}")
                self._tickets[str(variant["id"])] = self._items[str(variant["inventory_item_id"])] = whose
        self._actions: dict[str, Callable[[Json, list[str]], Lines]] = {
            "productUpdate": self._product_update,
            "productChangeStatus": self._status,
            "productSet": self._product_set,
            "productDelete": self._product_delete,
            "publishablePublish": self._published,
            "publishableUnpublish": self._unpublished,
            "productVariantsBulkUpdate": self._variants_update,
            "productVariantsBulkCreate": self._variants_create,
            "productVariantsBulkDelete": self._variants_delete,
            "inventoryAdjustQuantities": self._adjusted,
            "inventoryActivate": self._activated,
            "metafieldsDelete": self._metafields_deleted,
            "sell": self._sold,
            "create": self._made_by_merchant,
            "edit": self._edited_by_merchant,
            "delete": self._deleted_by_merchant,
        }

    def lines(self, entry: Json) -> Lines:
        read = self._actions.get(entry["action"])
        if read is not None:
            return read(entry["input"], entry["effects"])
        if entry["origin"] == "admin" and entry["effects"]:
            return [("shop", "shop", {entry["action"]: str(entry["input"])})]
        return ()

    def _product_update(self, given: Json, _: list[str]) -> Lines:
        wanted = given.get("product") or given["input"]
        event = f"event:{number((given.get('identifier') or {}).get('id') or wanted['id'])}"
        yield event, event, _fields(wanted)

    def _status(self, given: Json, _: list[str]) -> Lines:
        event = f"event:{number(given['productId'])}"
        yield event, event, {"status": given["status"].lower()}

    def _product_set(self, given: Json, effects: list[str]) -> Lines:
        """Its handle is chosen while it is made; its tickets are judged by what there is at the end."""
        wanted = given["input"]
        made = _made(effects, "product")
        event = f"event:{made[0] if made else number((given.get('identifier') or {}).get('id') or wanted.get('id'))}"
        says = _fields(wanted)
        if made:
            says.pop("handle", None)
        yield event, event, says

    def _product_delete(self, given: Json, _: list[str]) -> Lines:
        event = f"event:{number(given['input']['id'])}"
        yield event, event, {DELETED: "true"}

    def _published(self, given: Json, _: list[str]) -> Lines:
        event = f"event:{number(given['id'])}"
        yield event, event, {"published": "true"}

    def _unpublished(self, given: Json, _: list[str]) -> Lines:
        event = f"event:{number(given['id'])}"
        yield event, event, {"published": "false"}

    def _variants_update(self, given: Json, _: list[str]) -> Lines:
        event = f"event:{number(given['productId'])}"
        for variant in given["variants"]:
            yield event, f"ticket:{number(variant['id'])}", _fields(variant)

    def _variants_create(self, given: Json, effects: list[str]) -> Lines:
        event = f"event:{number(given['productId'])}"
        for ticket, variant in zip(_made(effects, "variant"), given["variants"], strict=True):
            yield event, f"ticket:{ticket}", _fields(variant)

    def _variants_delete(self, given: Json, _: list[str]) -> Lines:
        event = f"event:{number(given['productId'])}"
        for ticket in given["variantsIds"]:
            yield event, f"ticket:{number(ticket)}", {DELETED: "true"}

    def _adjusted(self, given: Json, _: list[str]) -> Lines:
        """By whom, not by how much: the sum is judged by what is there at the end."""
        for change in given["input"]["changes"]:
            yield self._moved(given, change["inventoryItemId"])

    def _activated(self, given: Json, _: list[str]) -> Lines:
        yield self._moved(given, given["inventoryItemId"])

    def _moved(self, given: Json, item: str) -> tuple[str, str, dict[str, Value]]:
        lane, thing = self._items.get(number(item), ("shop", f"item:{number(item)}"))
        return lane, thing, {ADJUSTED: given["idempotencyKey"][:JOB_ID]}

    def _metafields_deleted(self, given: Json, _: list[str]) -> Lines:
        for one in given["metafields"]:
            owner = number(one["ownerId"])
            lane, thing = (f"event:{owner}",) * 2 if "/Product/" in one["ownerId"] else self._ticket(owner)
            yield lane, thing, {_ours(one): None}

    def _sold(self, given: Json, _: list[str]) -> Lines:
        lane, thing = self._ticket(str(given["variant_id"]))
        yield lane, thing, {SOLD: str(given["quantity"])}

    def _ticket(self, variant: str) -> tuple[str, str]:
        return self._tickets.get(variant, ("shop", f"ticket:{variant}"))

    def _made_by_merchant(self, given: Json, effects: list[str]) -> Lines:
        [made] = _made(effects, "product")
        yield f"event:{made}", f"event:{made}", {CREATED: MERCHANT, **_fields(given)}
        for ticket, variant in zip(_made(effects, "variant"), given["variants"], strict=False):
            says = _fields({**variant, "name": variant["title"], "title": None})
            yield f"event:{made}", f"ticket:{ticket}", {CREATED: MERCHANT, **says}

    def _edited_by_merchant(self, given: Json, _: list[str]) -> Lines:
        event = f"event:{given['id']}"
        yield event, event, _fields(given)
        for variant in given.get("variants") or ():
            yield event, f"ticket:{variant['id']}", _fields({**variant, "name": variant.get("title"), "title": None})

    def _deleted_by_merchant(self, given: Json, _: list[str]) -> Lines:
        yield f"event:{given['id']}", f"event:{given['id']}", {DELETED: "true"}


def _made(effects: Iterable[str], kind: str) -> list[str]:
    found = (MADE.match(effect) for effect in effects)
    return [match[2] for match in found if match and match[1] == kind]


def _fields(wanted: Mapping[str, Any]) -> dict[str, Value]:
    return dict(_each(wanted))


# Said by commands of every kind, or by none: no value that could tell one from another.
UNSAID = frozenset({
    "id", "variants", "metafields", "productOptions", "options", "inventoryQuantities", "quantity", "quantities",
    "inventoryItem", "inventoryPolicy", "inventory_policy", "tracked", "taxable", "position",
    "deleteConflictingConstrainedMetafields", "redirectNewHandle", "giftCard", "requiresSellingPlan", "images",
    "published",
})  # fmt: skip


def _each(wanted: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    for name, value in wanted.items():
        if name == "optionValues":
            yield from (("name", spoken("name", one.get("name"))) for one in value)
        elif name not in UNSAID and (value is not None or name == "compareAtPrice"):
            ours = NAMES.get(name, name)
            yield ours, spoken(ours, value)
    for metafield in wanted.get("metafields") or ():
        value = metafield["value"]
        if (metafield["namespace"], metafield["key"]) == JOB:
            yield CREATED, value
        else:
            ours = _ours(metafield)
            yield ours, spoken(ours, value)


def _ours(metafield: Json) -> str:
    namespace, key = metafield["namespace"], metafield["key"]
    return str(key) if namespace in OURS else f"{namespace}.{key}"
