"""What is known of one part of an export: a row of `export_parts`. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from syncer.export.ranges import Range

State = Literal["planned", "starting", "running", "staged", "whole", "handed"]


@dataclass(slots=True)
class Part:
    """As it was read, and kept in step by whoever carries it through. `found`: products that Shopify has so far."""

    id: int
    low: int | None
    high: int | None
    asks: str
    expected: int
    state: State
    name: str | None
    operation: str | None
    began_at: datetime | None
    operations: int
    downloads: int
    bytes: int
    lines: int
    opened_at: datetime | None
    roots: int | None
    products: int
    tickets: int
    levels: int
    handed_to: int
    handed: int
    refetched: int
    too_large: list[int] = field(default_factory=list)
    found: int = 0
    waits: bool = False  # other operations leave no room for ours

    @property
    def range(self) -> Range:
        return Range(self.low, self.high)

    def saw(self, products: int) -> None:
        self.found = products
