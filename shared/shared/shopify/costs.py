"""What each document will ask of the bucket. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from zlib import crc32

from shared.shopify.documents import Document

# By our formula, 95.4 % of recorded costs were exact, the others off by up to 9 points (docs/shopify.md 2.4).
MARGIN = 10.0  # points on top, until Shopify has said the true cost
MAX_COST = 1000.0  # the most a query may ask for


def key(document: Document) -> str:
    """A document that was changed is another one: it may have become cheaper."""
    return f"{document.name}/{crc32(document.text.encode()):08x}"


@dataclass(slots=True)
class CostBook:
    """Learns from answers. With variables that change page sizes, the highest cost seen is what is reserved."""

    _learnt: dict[str, float] = field(default_factory=dict)

    def of(self, document: Document) -> float:
        """Points to reserve for `document`."""
        return self._learnt.get(key(document), min(document.cost + MARGIN, MAX_COST))

    def learn(self, document: Document, requested: float) -> tuple[str, float] | None:
        """Shopify said what `document` asked for. What others should know of it; None when it is nothing new."""
        name = key(document)
        if requested <= self._learnt.get(name, -1.0):
            return None
        self._learnt[name] = requested
        return name, requested

    def believe(self, costs: Mapping[str, float]) -> None:
        """What others have learnt, by `key`."""
        for name, requested in costs.items():
            self._learnt[name] = max(requested, self._learnt.get(name, 0.0))
