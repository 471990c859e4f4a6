"""What each document will ask of the bucket. Pure."""

from dataclasses import dataclass, field

from shared.shopify.documents import Document

# By our formula, 95.4 % of recorded costs were exact, the others off by up to 9 points (docs/shopify.md 2.4).
MARGIN = 10.0  # points on top, until Shopify has said the true cost
MAX_COST = 1000.0  # the most a query may ask for


@dataclass(slots=True)
class CostBook:
    """Learns from answers. With variables that change page sizes, the highest cost seen is what is reserved."""

    _learnt: dict[str, float] = field(default_factory=dict)

    def of(self, document: Document) -> float:
        """Points to reserve for `document`."""
        return self._learnt.get(document.name, min(document.cost + MARGIN, MAX_COST))

    def learn(self, document: Document, requested: float) -> None:
        """Shopify said what `document` asked for."""
        self._learnt[document.name] = max(requested, self._learnt.get(document.name, 0.0))
