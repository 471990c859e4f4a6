"""Do the metafields that we read have the types that we read them as? Pure.

The doctor creates no definition: it would change what the merchant's staff see and may enter, and Shopify would hold
the values that are there against it. That is the merchant's to decide.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from syncer.doctor.findings import Finding, named, ok, warning
from syncer.rules import Rules

CHECK = "metafields"
TEXT = ("single_line_text_field", "multi_line_text_field")
# What syncer/projections.py makes of each; the first is what we would define. All others are text.
TYPES = {
    "starts_at": ("date_time", "date"),
    "ends_at": ("date_time", "date"),
    "capacity": ("number_integer",),
    "max_per_order": ("number_integer",),
    "visible": ("boolean",),
}
OWNERS = {"PRODUCT": "products", "PRODUCTVARIANT": "variants"}


@dataclass(frozen=True)
class Definition:
    """`owner` as in GraphQL: PRODUCT, PRODUCTVARIANT. `name` is namespace.key."""

    owner: str
    name: str
    type: str


def mapped(rules: Rules) -> dict[str, Mapping[str, str]]:
    """By owner: our field to the metafield it comes from."""
    return {"PRODUCT": rules.event_metafields, "PRODUCTVARIANT": rules.ticket_metafields}


def findings(rules: Rules, defined: Iterable[Definition]) -> Iterator[Finding]:
    """One for each that has another type, one for all that are missing."""
    types = {(one.owner, one.name): one.type for one in defined}
    wanted = [(owner, field, name) for owner, fields in mapped(rules).items() for field, name in fields.items()]
    odd = [
        (owner, field, name)
        for owner, field, name in wanted
        if (owner, name) in types and types[owner, name] not in TYPES.get(field, TEXT)
    ]
    for owner, field, name in odd:
        fit = TYPES.get(field, TEXT)[0]
        yield warning(
            CHECK,
            f"The metafield {name} of {OWNERS[owner]} is defined as {types[owner, name]}; we read {field} as {fit}, so "
            "values that do not look like one are left out.",
            f"Define {name} as {fit}, or name another metafield for {field}.",
        )
    missing = [(owner, field, name) for owner, field, name in wanted if (owner, name) not in types]
    if missing:
        spelled = "; ".join(_spelled(owner, missing) for owner in OWNERS if any(owner == one[0] for one in missing))
        yield warning(
            CHECK,
            f"Not every metafield that we read is defined, so the shop's staff can't see or edit it: {spelled}.",
            "Define those that the shop shall use (Settings, Custom data), with the types named.",
        )
    if not odd and not missing:
        yield ok(CHECK, f"All {len(wanted)} metafields that we read are defined, with types that fit.")


def _spelled(owner: str, missing: Iterable[tuple[str, str, str]]) -> str:
    return f"{OWNERS[owner]}: " + named(
        f"{name} ({TYPES.get(field, TEXT)[0]})" for theirs, field, name in missing if theirs == owner
    )
