"""The search index: what `products(query:)` and counts see, some seconds behind the shop (docs/shopify.md 2.6).

An edit made now is found by its old state, a new product not at all, a deleted one is still counted, until the lag is
over. Reads by id, and lists without a query, are fresh.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.shopify.paging import Order
from sandbox.shopify.reading.products import PRODUCT_ORDERS, PRODUCT_SEARCH, words
from sandbox.shopify.search import Field
from sandbox.shopify.shapes import Product
from sandbox.shopify.shop import Action, Shop


@dataclass(frozen=True, slots=True)
class Entry:
    """A product as it was indexed."""

    product: Product
    values: dict[str, Any]
    orders: dict[str, Any]
    words: str

    @classmethod
    def of(cls, product: Product) -> "Entry":
        values = {name: field.read(product) for name, field in PRODUCT_SEARCH.items()}
        values["tag"] = list(product.tags)
        orders = {name: order.value(product) for name, order in PRODUCT_ORDERS.items()}
        return cls(product, values, orders, words(product))


def _indexed(name: str) -> Callable[[Entry], Any]:
    return lambda entry: entry.values[name]


FIELDS: dict[str, Field[Entry]] = {name: Field(known.kind, _indexed(name)) for name, known in PRODUCT_SEARCH.items()}


@dataclass(slots=True)
class SearchIndex:
    """`clock` is monotonic seconds. Without a lag it keeps nothing, and the shop itself is searched."""

    shop: Shop
    clock: Callable[[], float]
    lag: float = 0
    _entries: dict[int, Entry] = field(default_factory=dict)
    _coming: deque[tuple[float, int, Entry | None]] = field(default_factory=deque)

    @property
    def fields(self) -> dict[str, Field[Entry]]:
        return FIELDS

    def set_lag(self, seconds: float) -> None:
        """What was on its way is indexed at once when the lag ends."""
        if bool(seconds) is not bool(self.lag):
            self._coming.clear()
            self._entries = {p.id: Entry.of(p) for p in self.shop.products.values()} if seconds else {}
        self.lag = seconds

    def follow(self, action: Action) -> None:
        """At the end of an action: what it did will be found when the lag is over."""
        if not self.lag:
            return
        due = self.clock() + self.lag
        gone = {number for topic, number in action.told if topic == "PRODUCTS_DELETE"}
        for number, product in (action.touched | action.created).items():
            if number not in gone:
                self._coming.append((due, number, Entry.of(product)))
        self._coming.extend((due, number, None) for number in gone)

    def entries(self) -> list[Entry]:
        """Everything indexed by now, deleted products among them."""
        now = self.clock()
        while self._coming and self._coming[0][0] <= now:
            _, number, entry = self._coming.popleft()
            if entry is None:
                self._entries.pop(number, None)
            else:
                self._entries[number] = entry
        return list(self._entries.values())

    def order(self, sort_key: str) -> Order[Product]:
        return Order(lambda product: self._entries[product.id].orders[sort_key], lambda product: product.id)
