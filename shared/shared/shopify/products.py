"""Read products from Shopify, whole: every page of every connection, or nothing."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.errors import Permanent, Transient
from shared.shopify.client import ShopifyClient
from shared.shopify.envelope import Answer

MAX_PAGES = 50  # of one connection: 2,048 variants are 9
MAX_READS = 3  # of a product that is edited between its pages

Node = dict[str, Any]  # as Shopify's JSON has it


class ChangedWhileRead(Transient):
    """The product was edited between the pages of a read; it must be read again."""


class OddAnswer(Permanent):
    """Shopify's answer lacks what its schema promises."""


class TooManyPages(Permanent):
    """A connection has more pages than any product of Shopify's may have."""


@dataclass(frozen=True)
class ReadProduct:
    """`node` is None when Shopify has no such product. The read began at `began_at`, by our clock."""

    node: Node | None
    began_at: datetime
    their_clock: datetime | None = None  # at `began_at`; None: not said

    @property
    def by_their_clock(self) -> datetime:
        return self.their_clock or self.began_at


class ProductReader:
    """Reads by the documents beside this file, within the budget that the client keeps.

    Metafields are asked for by namespace: `event_metafields` and `ticket_metafields` are their names, "namespace.key".
    """

    def __init__(
        self, client: ShopifyClient, event_metafields: Iterable[str], ticket_metafields: Iterable[str]
    ) -> None:
        self._client = client
        self._namespaces = {
            "eventNamespace": _only_namespace(event_metafields),
            "ticketNamespace": _only_namespace(ticket_metafields),
        }

    async def product(self, product_id: int) -> ReadProduct:
        """One product, as it was at one moment: read again when it was edited between its pages.

        Raises:
            ChangedWhileRead: it was, every time.
            the errors of `shared.shopify.errors`
        """
        for _ in range(MAX_READS):
            answer = await self._ask("product", {"id": gid("Product", product_id)})
            with expecting("product"):
                node = answer.data["product"]
                if node is None or await self._complete(node):
                    return ReadProduct(node, answer.read_began_at, their_clock(answer))
        raise ChangedWhileRead(f"product {product_id} is edited faster than its pages can be read")

    async def _complete(self, node: Node) -> bool:
        """Follow every page into `node`; False when the product changed in the meantime."""
        id_, at = node["id"], node["updatedAt"]
        if not await self._follow(node["media"], "product_media", ("product", "media"), id_, at):
            return False
        if not await self._follow(node["metafields"], "product_metafields", ("product", "metafields"), id_, at):
            return False
        if not await self._follow(node["variants"], "product_variants", ("product", "variants"), id_, at):
            return False
        for variant in node["variants"]["nodes"]:
            path, variant_at = ("productVariant", "metafields"), variant["updatedAt"]
            if not await self._follow(variant["metafields"], "variant_metafields", path, variant["id"], variant_at):
                return False
            item = variant["inventoryItem"]
            levels = ("inventoryItem", "inventoryLevels")
            if not await self._follow(
                item["inventoryLevels"], "inventory_levels", levels, item["id"], item["updatedAt"]
            ):
                return False
        return True

    async def _follow(self, connection: Node, document: str, path: tuple[str, str], id_: str, updated_at: str) -> bool:
        """Append the further pages of `connection` to it. `path`: where the document's answer has the owner, and it."""
        info = connection["pageInfo"]
        for _ in range(MAX_PAGES):
            if not info["hasNextPage"]:
                return True
            answer = await self._ask(document, {"id": id_, "after": info["endCursor"]})
            owner = answer.data[path[0]]
            if owner is None or owner["updatedAt"] != updated_at:
                return False
            connection["nodes"] += owner[path[1]]["nodes"]
            info = owner[path[1]]["pageInfo"]
        raise TooManyPages(f"{document} of {id_}")

    async def _ask(self, document: str, variables: dict[str, Any]) -> Answer:
        return await self._client.execute(document, variables | self._variables(document))

    def _variables(self, document: str) -> dict[str, str | None]:
        match document:
            case "product":
                return self._namespaces
            case "product_variants":
                return {"ticketNamespace": self._namespaces["ticketNamespace"]}
            case "product_metafields":
                return {"namespace": self._namespaces["eventNamespace"]}
            case "variant_metafields":
                return {"namespace": self._namespaces["ticketNamespace"]}
        return {}


@contextmanager
def expecting(document: str) -> Iterator[None]:
    """Give what an answer does not have a name."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise OddAnswer(f"the answer to {document}: {error!r}") from error


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


def their_clock(answer: Answer) -> datetime:
    """When the read began, by Shopify's clock; by ours where the answer bears no date.

    Behind by at most a second (a date has whole ones) and the way of the answer, never ahead.
    """
    mark = answer.postmark
    if mark is None or mark.date is None:
        return answer.read_began_at
    return answer.read_began_at + (mark.date - mark.arrived_at)


def _only_namespace(names: Iterable[str]) -> str | None:
    """Of several, all are read."""
    namespaces = {name.partition(".")[0] for name in names}
    return namespaces.pop() if len(namespaces) == 1 else None
