"""By which code and which settings the projections are made. Pure.

Two syncers with the same `Making` make the same rows of what Shopify says; rows of another one must be made anew.
"""

import hashlib
from dataclasses import asdict, dataclass

import orjson

from syncer.rules import Rules

# Raise it with every change after which `project` or `render` make something else of the same product, or a column is
# filled that was not: `test_what_is_rendered_is_what_this_projection_version_renders` notices most of them.
PROJECTION_VERSION = 1


@dataclass(frozen=True)
class Making:
    """`rules`: a digest of everything besides the code that decides what an event looks like."""

    version: int
    rules: str


def making(rules: Rules, currency: str | None) -> Making:
    """How this syncer makes projections. The order in which settings are written down does not matter."""
    said = asdict(rules) | {"currency": currency}
    text = orjson.dumps(said, default=sorted, option=orjson.OPT_SORT_KEYS)  # sets are the only thing it can't spell
    return Making(PROJECTION_VERSION, hashlib.sha256(text).hexdigest())


def difference(made: Making, now: Making) -> str | None:
    """Why what was `made` must be made anew, in words; None: it need not."""
    if made.version != now.version:
        return f"projection version {made.version} is now {now.version}"
    if made.rules != now.rules:
        return "the settings that make events, or the shop's currency, are others now"
    return None
