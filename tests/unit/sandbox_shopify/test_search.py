"""Shopify's search syntax, with its trap: a timestamp must be quoted."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from sandbox.shopify.search import Field, parse_search

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass
class Thing:
    title: str
    status: str = "ACTIVE"
    tags: list[str] = field(default_factory=list)
    updated: datetime = NOW
    id: int = 1


FIELDS = {
    "title": Field("text", lambda t: t.title),
    "status": Field("words", lambda t: [t.status]),
    "tag": Field("words", lambda t: t.tags),
    "updated_at": Field("time", lambda t: t.updated),
    "id": Field("number", lambda t: t.id),
}
OLD = Thing("Old Jazz", "DRAFT", ["jazz"], datetime(2026, 1, 1, tzinfo=UTC), 10)
NEW = Thing("New Rock", "ACTIVE", ["rock", "loud"], datetime(2026, 11, 1, tzinfo=UTC), 20)


def found(query):
    search = parse_search(query, FIELDS, lambda t: t.title, NOW)
    return [thing.title for thing in (OLD, NEW) if search.matches(thing)]


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", ["Old Jazz", "New Rock"]),
        ("updated_at:>='2026-11-01T00:00:00Z'", ["New Rock"]),
        ("updated_at:>'2026-11-01T00:00:00Z'", []),
        ("updated_at:<'2026-11-01T00:00:00Z'", ["Old Jazz"]),
        ('updated_at:>="2026-11-01T01:00:00+01:00"', ["New Rock"]),
        ("updated_at:<=2026-10-31", ["Old Jazz"]),
        ("updated_at:<now", ["Old Jazz", "New Rock"]),
        ("status:active", ["New Rock"]),
        ("status:ACTIVE,draft", ["Old Jazz", "New Rock"]),
        ("-status:active", ["Old Jazz"]),
        ("NOT status:active", ["Old Jazz"]),
        ("tag:loud", ["New Rock"]),
        ("title:ja*", []),
        ("title:old*", ["Old Jazz"]),
        ("title:'new rock'", ["New Rock"]),
        ("id:10", ["Old Jazz"]),
        ("id:>10", ["New Rock"]),
        ("jazz", ["Old Jazz"]),
        ("jazz OR rock", ["Old Jazz", "New Rock"]),
        ("status:draft AND (jazz OR rock)", ["Old Jazz"]),
        ("status:draft rock", []),
        ("(jazz", ["Old Jazz"]),
        ("jazz)", ["Old Jazz"]),
    ],
)
def test_a_query_finds(query, titles):
    assert found(query) == titles


def test_an_unquoted_timestamp_filters_nothing_and_only_warns():
    search = parse_search("updated_at:>=2026-11-10T00:00:00Z", FIELDS, lambda t: t.title, NOW)
    assert search.matches(OLD)
    assert [(w.field, w.code) for w in search.warnings] == [("updated_at", "invalid_value")]


def test_an_unknown_field_filters_nothing_and_only_warns():
    search = parse_search("colour:red", FIELDS, lambda t: t.title, NOW)
    assert search.matches(OLD)
    assert [w.as_json() for w in search.warnings] == [
        {"field": "colour", "message": "Invalid search field for this query.", "code": "invalid_field"}
    ]


def test_a_quoted_timestamp_warns_of_nothing():
    assert parse_search("updated_at:>='2026-11-01T00:00:00Z'", FIELDS, lambda t: t.title, NOW).warnings == []
