"""Is the shop's location that we are told of there? Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from syncer.doctor.findings import Finding, failed, named, ok

CHECK = "location"


@dataclass(frozen=True)
class Place:
    """A location of the shop."""

    id: int
    name: str
    active: bool

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


def finding(told: int | None, places: Sequence[Place]) -> Finding:
    """`told` is SHOPIFY_LOCATION_ID, where stock is put. Reads add up all locations, and need none."""
    active = [place for place in places if place.active]
    there = f"There is {named(active)}." if active else "The shop has no active location."
    if told is None:
        return ok(CHECK, f"SHOPIFY_LOCATION_ID is not set, and nothing needs it yet. {there}")
    advice = "Set SHOPIFY_LOCATION_ID to an active location."
    known = next((place for place in places if place.id == told), None)
    if known is None:
        return failed(CHECK, f"The shop has no location {told}. {there}", advice)
    if not known.active:
        return failed(CHECK, f"The location {known} is not active. {there}", advice)
    return ok(CHECK, f"The location {known} is active.")
