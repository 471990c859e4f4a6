"""What the settings say about events: which products are events, and where their fields come from. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.metafields import event_defaults, ticket_defaults
from syncer.source import Product


@dataclass(frozen=True)
class Rules:
    """`event_metafields` and `ticket_metafields` map a field of ours to "namespace.key"."""

    product_types: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    event_metafields: Mapping[str, str] = field(default_factory=event_defaults)
    ticket_metafields: Mapping[str, str] = field(default_factory=ticket_defaults)
    few_left_share: float = 0.1  # of the capacity
    few_left_pieces: int = 10

    def is_event(self, product: Product) -> bool:
        """Every product is an event, unless types or tags are named; then one of them must fit."""
        return self.names_event(product.product_type, product.tags)

    def names_event(self, product_type: str, tags: Iterable[str]) -> bool:
        """The same, of a product of which only these are known."""
        if not self.product_types and not self.tags:
            return True
        return product_type in self.product_types or bool(self.tags.intersection(tags))

    def namespaces(self) -> tuple[str, ...]:
        """The metafield namespaces that webhooks must carry."""
        names = (*self.event_metafields.values(), *self.ticket_metafields.values())
        return tuple(sorted({name.partition(".")[0] for name in names}))
