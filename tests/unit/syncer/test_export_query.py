"""What is asked for in bulk: within Shopify's rules, and all that an event is made of."""

from importlib import resources

import graphql
import pytest

from sandbox.shopify.bulk.rules import check
from syncer.export.query import PREFIX, bulk_query, digest
from syncer.export.ranges import Range
from syncer.rules import Rules

MAX_CONNECTIONS, MAX_DEPTH = 5, 2  # docs/shopify.md 4

ELSEWHERE = Rules(event_metafields={"subtitle": "custom.sub", "category": "custom.sub"}, ticket_metafields={})


@pytest.fixture(scope="module")
def schema():
    text = (resources.files("sandbox.shopify") / "schema.graphql").read_text("utf-8")
    return graphql.build_schema(text, assume_valid=True)


@pytest.mark.parametrize("rules", [Rules(), ELSEWHERE])
@pytest.mark.parametrize("products", [Range(), Range(None, 7), Range(8, None), Range(8, 2**62)])
def test_it_is_valid_and_accepted_in_bulk(schema, rules, products):
    text = bulk_query("0123456789abcdef", rules, products)
    assert graphql.validate(schema, graphql.parse(text)) == []
    check(schema, text)
    assert f"query {PREFIX}0123456789abcdef " in text


class Connections(graphql.Visitor):
    """Counts connections and how deep they lie, and what the parents of connections select first."""

    def __init__(self, types):
        super().__init__()
        self.types, self.found, self.deepest, self.depth = types, [], -1, -1

    def connection(self, node):
        type_ = graphql.get_named_type(self.types.get_type()) if self.types.get_type() else None
        return bool(type_) and type_.name.endswith("Connection") and node.name.value != "edges"

    def enter_field(self, node, *_):
        if self.connection(node):
            self.depth += 1
            self.deepest = max(self.deepest, self.depth)
            self.found.append(node)

    def leave_field(self, node, *_):
        if self.connection(node):
            self.depth -= 1


def test_it_has_four_connections_two_deep_by_edges_with_an_id_first(schema):
    parsed = graphql.parse(bulk_query("x", Rules(), Range()))
    types = graphql.TypeInfo(schema)
    seen = Connections(types)
    graphql.visit(parsed, graphql.TypeInfoVisitor(types, seen))
    names = [node.name.value for node in seen.found]
    assert names == ["products", "media", "variants", "inventoryLevels"]
    assert len(names) <= MAX_CONNECTIONS
    assert seen.deepest == MAX_DEPTH
    for node in seen.found:
        [edges] = node.selection_set.selections
        [inner] = edges.selection_set.selections
        first = inner.selection_set.selections[0]
        assert (edges.name.value, inner.name.value, first.name.value, first.alias) == ("edges", "node", "id", None)


def test_every_metafield_that_the_rules_name_is_asked_for_once():
    text = bulk_query("x", ELSEWHERE, Range())
    assert text.count("metafield(") == 1
    assert 'm0: metafield(namespace: "custom", key: "sub")' in text


def test_other_rules_ask_for_something_else_and_another_name_does_not():
    assert digest(Rules()) == digest(Rules(few_left_pieces=3)) != digest(ELSEWHERE)
