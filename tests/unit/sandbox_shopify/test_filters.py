"""Filters of subscriptions, and their bodies as XML."""

import pytest

from sandbox.shopify.filters import passes
from sandbox.shopify.xml_bodies import as_xml

BODY = {
    "id": 7,
    "status": "active",
    "title": "Jazz",
    "tags": "a, b",
    "variants": [{"price": "5.00"}, {"price": "20.00"}],
}


@pytest.mark.parametrize(
    ("filter_", "passed"),
    [
        (None, True),
        ("status:active", True),
        ("status:Active", False),
        ("status:draft OR title:Jazz", True),
        ("status:active AND -title:Jazz", False),
        ("variants.price:>10.00", True),
        ("variants.price:>30", False),
        ("id:7", True),
        ("title:J*", True),
        ("tags:a", False),
        ('tags:"a, b"', True),
        ("nothing:x", False),
        ("nothing:*", False),
    ],
)
def test_a_filter_looks_at_the_body(filter_, passed):
    assert passes(filter_, BODY) is passed


def test_xml_is_the_same_body():
    text = as_xml("products/update", BODY | {"vendor": None, "body_html": "<p>"}).decode()
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<product>\n  <id type="integer">7</id>\n')
    assert '  <variants type="array">\n    <variant>\n      <price>5.00</price>\n' in text
    assert '<vendor nil="true"/>' in text
    assert "<body-html>&lt;p&gt;</body-html>" in text
