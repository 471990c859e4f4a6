"""When events have to be made anew: with other code, or other settings."""

import hashlib
from dataclasses import astuple
from datetime import UTC, datetime

import orjson
import pytest
from products import ITEM, LOCATION, VARIANT, Product, Variant, node

from syncer.documents import Edition, render
from syncer.graphql_nodes import product as parse
from syncer.projections import Facts, Stock, project
from syncer.rebuild.version import PROJECTION_VERSION, difference, making
from syncer.rules import Rules

RULES = Rules()
# What each version renders of the products below. A new digest belongs to a new version: events must be made anew.
RENDERED = {1: "69b91cce146b9c98"}


def test_equal_settings_make_the_same_however_they_are_spelled() -> None:
    one = Rules(product_types=frozenset(["a", "b", "c"]), event_metafields={"subtitle": "x.y", "city": "x.z"})
    other = Rules(product_types=frozenset(["c", "b", "a"]), event_metafields={"city": "x.z", "subtitle": "x.y"})
    assert difference(making(one, "EUR"), making(other, "EUR")) is None


@pytest.mark.parametrize(
    "rules",
    [
        Rules(product_types=frozenset(["a"])),
        Rules(tags=frozenset(["a"])),
        Rules(event_metafields={**RULES.event_metafields, "subtitle": "custom.sub"}),
        Rules(ticket_metafields={**RULES.ticket_metafields, "type": "custom.type"}),
        Rules(few_left_share=0.2),
        Rules(few_left_pieces=11),
    ],
)
def test_any_other_setting_makes_other_events(rules: Rules) -> None:
    assert difference(making(RULES, "EUR"), making(rules, "EUR")) is not None


def test_another_currency_makes_other_events() -> None:
    assert difference(making(RULES, "EUR"), making(RULES, "USD")) is not None


def test_types_are_not_tags() -> None:
    words = frozenset(["a"])
    assert difference(making(Rules(product_types=words), "EUR"), making(Rules(tags=words), "EUR")) is not None


def test_what_is_rendered_is_what_this_projection_version_renders() -> None:
    """If this fails, events are made differently than before: raise PROJECTION_VERSION, and add its digest."""
    now = datetime(2026, 11, 5, 9, 0, tzinfo=UTC)
    fields = {name: "2026-12-01T19:00:00Z" if name.endswith("_at") else f"A {name}" for name in RULES.event_metafields}
    tickets = (
        Variant(metafields={"ticket.capacity": "120", "ticket.type": "seat", "ticket.max_per_order": "4"}),
        Variant(id=VARIANT + 1, item=ITEM + 1, title="Hidden", position=2, metafields={"ticket.visible": "false"}),
        Variant(id=VARIANT + 2, item=ITEM + 2, title="Untracked", position=3, tracked=False, compare_at_price="30.00"),
        Variant(id=VARIANT + 3, item=ITEM + 3, title="Few", position=4, oversells=False),
    )
    full = Product(metafields={f"event.{name}": value for name, value in fields.items()}, variants=tickets)
    stock = {ITEM: (Stock(LOCATION, 100, 2, 102),), ITEM + 3: (Stock(LOCATION, 3, 0, 3), Stock(2, -1, 1, 0))}
    digest = hashlib.sha256()
    for each in (full, Product(variants=())):
        event = project(parse(orjson.dumps(node(each)))[0], Facts(stock, {VARIANT + 3: 9}, "EUR"), RULES, complete=True)
        for document in astuple(render(event, Edition(7, now, 5, now))):
            digest.update(orjson.dumps(orjson.loads(document), option=orjson.OPT_SORT_KEYS))
    assert digest.hexdigest()[:16] == RENDERED.get(PROJECTION_VERSION)
