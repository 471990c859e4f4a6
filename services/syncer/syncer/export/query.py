"""The query of a bulk operation: all products of a range, with all that an event is made of. Pure.

Shopify's rules for it (docs/shopify.md 4): at most five connections, two deep, each as edges > node, the parent's `id`
first and without an alias. Metafields are asked for by name, as single fields: they are no connections, and come in the
line of their owner. Each parent says how many children must come: an export that is cut anywhere can't pass as whole.
"""

import hashlib
from collections.abc import Iterable

from syncer.export.ranges import Range
from syncer.rules import Rules

PREFIX = "Understudy"  # of every operation's name: what is ours can be told from other operations of the same app


def bulk_query(name: str, rules: Rules, products: Range) -> str:
    """`name` is the operation's: Shopify says it again with the operation, so that a lost one can be found."""
    return f"""query {PREFIX}{name} {{
  products{products.argument()} {{
    edges {{
      node {{
        {_PRODUCT}
        {_metafields(rules.event_metafields.values())}
        media {{ edges {{ node {{ {_MEDIUM} }} }} }}
        variants {{
          edges {{
            node {{
              {_VARIANT}
              {_metafields(rules.ticket_metafields.values())}
              inventoryItem {{
                {_ITEM}
                inventoryLevels {{ edges {{ node {{ {_LEVEL} }} }} }}
              }}
            }}
          }}
        }}
      }}
    }}
  }}
}}"""


def digest(rules: Rules) -> str:
    """What is asked for, in a word: an export that was begun under other rules has to start anew."""
    return hashlib.sha256(bulk_query("", rules, Range()).encode()).hexdigest()[:16]


def _metafields(names: Iterable[str]) -> str:
    """`m0`, `m1`, …; each brings its own namespace and key."""
    split = (name.partition(".") for name in sorted(set(names)))
    return " ".join(
        f'm{number}: metafield(namespace: "{namespace}", key: "{key}") {{ namespace key value }}'
        for number, (namespace, _, key) in enumerate(split)
    )


_PRODUCT = """id legacyResourceId handle title descriptionHtml status productType tags createdAt updatedAt
        variantsCount { count } mediaCount { count }"""
_MEDIUM = "id alt ... on MediaImage { image { url } }"
_VARIANT = """id legacyResourceId title sku price compareAtPrice position inventoryPolicy inventoryQuantity updatedAt"""
_ITEM = "id legacyResourceId tracked locationsCount { count }"
_LEVEL = """id isActive updatedAt location { legacyResourceId }
                  quantities(names: ["available", "committed", "on_hand"]) { name quantity }"""
