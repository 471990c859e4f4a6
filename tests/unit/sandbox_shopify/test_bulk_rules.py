"""What may not run in bulk is refused in Shopify's words."""

import pytest
from graphql import build_schema

from sandbox.shopify.bulk.rules import check
from sandbox.shopify.graph import executable_schema
from sandbox.shopify.refusals import Refused

EDGES = "edges { node { id %s } }"


def connection(name, inner=""):
    return f"{name} {{ {EDGES % inner} }}"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ shop { name } }", "Bulk queries must contain at least one connection."),
        (
            f"{{ {connection('products', ' '.join(f'a{n}: ' + connection('metafields') for n in range(5)))} }}",
            "Bulk queries cannot contain more than 5 connections.",
        ),
        (
            f"{{ {connection('products', connection('variants', 'inventoryItem { ' + connection('inventoryLevels', 'item { ' + connection('variants') + ' }') + ' }'))} }}",  # noqa: E501 - one query
            "Bulk queries cannot contain connections with a nesting depth greater than 2.",
        ),
        (
            "{ products { nodes { id } } }",
            (
                "All connection fields in a bulk query must select their contents using 'edges' > 'node', e.g: "
                "'products { edges { node {'. Selecting via 'nodes' is not supported."
            ),
        ),
        (
            f"{{ products {{ edges {{ node {{ number: id {connection('variants')} }} }} }} }}",
            (
                "The parent 'node' field for a nested connection must select the 'id' field without an alias and must"
                " be of 'ID' return type. Connection fields without 'id': products."
            ),
        ),
        ('{ node(id: "gid://shopify/Product/1") { id } }', "Bulk queries cannot contain a top level `node` field."),
        (
            f'mutation {{ productDelete(input: {{id: "x"}}) {{ shop {{ {connection("metafields")} }} }} }}',
            "Invalid operation type. Only `query` operations are supported.",
        ),
        ("{ products { edges { node { id ", "Invalid bulk query: syntax error, unexpected end of file"),
        ("{ x }" + " " * 65531, "Query is too large (65536 bytes; maximum is 65535 bytes)"),
        (
            f"{{ {connection('products', 'nothing')} }}",
            "Invalid bulk query: Field 'nothing' doesn't exist on type 'Product'",
        ),
    ],
)
def test_a_query_that_may_not_run_in_bulk(query, message):
    with pytest.raises(Refused) as refused:
        check(executable_schema(), query)
    (error,) = refused.value.errors
    assert (error.field, error.code, error.message) == (["query"], "INVALID", message)


def test_a_connection_inside_a_list_is_refused():
    schema = build_schema("""
        type Query { shelves: [Shelf!]! }
        type Shelf { id: ID! books: BookConnection! }
        type BookConnection { edges: [BookEdge!]! }
        type BookEdge { node: Shelf! }
    """)
    with pytest.raises(Refused, match="connection field within a list field are not currently supported"):
        check(schema, f"{{ shelves {{ id {connection('books')} }} }}")


def test_three_levels_with_five_connections_are_fine():
    variants = connection("variants", f"{connection('metafields')} inventoryItem {{ {connection('inventoryLevels')} }}")
    _, root = check(executable_schema(), f"{{ {connection('products', connection('metafields') + variants)} }}")
    assert root.name.value == "products"
