"""Cut all product ids into ranges of about as many products each. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Range:
    """Product ids from `low` to `high`, both included; None: no bound on that side."""

    low: int | None = None
    high: int | None = None

    def terms(self) -> str:
        """In Shopify's search syntax; empty for all products, which then come from no search index."""
        bounds = [f"id:>={self.low}" if self.low is not None else "", f"id:<={self.high}" if self.high else ""]
        return " AND ".join(bound for bound in bounds if bound)

    def argument(self) -> str:
        """As an argument in a GraphQL document."""
        return f'(query: "{self.terms()}")' if self.terms() else ""

    def __str__(self) -> str:
        if self.low is None and self.high is None:
            return "all products"
        return f"products {self.low or 'from the first'} to {self.high or 'the last'}"


def probes(low: int, high: int, number: int) -> list[int]:
    """`number` ids, evenly spaced within low..high: how many products there are up to each is a histogram of them."""
    return sorted({low + (high - low) * step // (number + 1) for step in range(1, number + 1)})


def cut(parts: int, low: int, high: int, counted: Sequence[tuple[int, int]], total: int) -> list[Range]:
    """At most `parts` ranges that cover everything, and hold about as many products each.

    `counted`: ids in order, each with how many products have an id up to it. Between them, ids count as even.
    """
    known = [(low - 1, 0), *counted, (high, total)]
    places = [_place(known, total * part // parts) for part in range(1, parts)]
    ends = sorted({place for place in places if low <= place < high})
    starts = [None, *(end + 1 for end in ends)]
    return [Range(start, end) for start, end in zip(starts, [*ends, None], strict=True)]


def _place(known: Sequence[tuple[int, int]], wanted: int) -> int:
    """The id up to which there should be `wanted` products."""
    for (left, below), (right, up_to) in pairwise(known):
        if up_to >= wanted:
            share = (wanted - below) / (up_to - below) if up_to > below else 1.0
            return left + int((right - left) * max(0.0, share))
    return known[-1][0]
