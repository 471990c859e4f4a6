"""The requested cost is docs/shopify.md 2.4, tested against its table 3.1 and the measured 862 and 1293."""

import pytest
from graphql import OperationDefinitionNode, parse

from sandbox.shopify.cost import Pricer, weight
from sandbox.shopify.graph import read_schema

SCHEMA = read_schema()
LEVELS = """
  inventoryLevels(first: 10) {
    nodes { id location { id name } quantities(names: ["available", "on_hand"]) { name quantity } }
    pageInfo { hasNextPage }
  }
"""
FULL = f"""query ($id: ID!) {{
  product(id: $id) {{
    id
    options {{ id optionValues {{ id name }} }}
    variantsCount {{ count precision }}
    metafields(first: 50) {{ nodes {{ id value }} pageInfo {{ endCursor }} }}
    variants(first: 250) {{
      nodes {{ id selectedOptions {{ name value }} inventoryItem {{ id {LEVELS} }} }}
      pageInfo {{ endCursor }}
    }}
  }}
}}"""
PAGE = """query ($first: Int!) {
  products(first: $first, sortKey: UPDATED_AT) {
    nodes {
      id
      variantsCount { count }
      variants(first: 100) { nodes { id selectedOptions { name } inventoryItem { id } } pageInfo { endCursor } }
    }
  }
}"""
TABLE = [
    ("{ shop { id plan { shopifyPlus } resourceLimits { locationLimit } } }", {}, 3),
    ("{ locations(first: 50) { nodes { id } pageInfo { endCursor } } }", {}, 9),
    ("{ publications(first: 20) { nodes { id } } }", {}, 7),
    ("{ products(first: 250) { nodes { id variantsCount { count } } } }", {}, 24),
    ("{ products(first: 250) { edges { cursor node { id variantsCount { count } } } } }", {}, 24),
    (PAGE, {"first": 25}, 188),
    (PAGE, {"first": 50}, 219),
    (PAGE, {"first": 100}, 281),
    (PAGE, {"first": 250}, 343),
    (FULL, {"id": "gid://shopify/Product/1"}, 202),
    (f"{{ inventoryItem(id: 1) {{ id variants(first: 1) {{ nodes {{ id product {{ id }} }} }} {LEVELS} }} }}", {}, 19),
    ('{ nodes(ids: ["a", "b", "c"]) { ... on Product { id title } } }', {}, 1),
    ("{ events(first: 250) { nodes { id ... on BasicEvent { subjectId } } } }", {}, 13),
    ("{ bulkOperations(first: 10) { nodes { id } } }", {}, 6),
    ("{ productsCount { count } }", {}, 10),
    (
        (
            "{ productOperation(id: 1) { status product { id } ... on ProductSetOperation { userErrors { message } }"
            " ... on ProductDeleteOperation { userErrors { message } } } }"
        ),
        {},
        3,
    ),
    ("mutation { productDelete(input: {id: 1}) { deletedProductId userErrors { message } } }", {}, 10),
    (
        (
            "mutation ($p: ProductCreateInput!) { productCreate(product: $p) { userErrors { message } product { id"
            " variants(first: 1) { nodes { id inventoryItem { id } } } } } }"
        ),
        {"p": {}},
        14,
    ),
    (
        (
            "mutation ($v: [ProductVariantsBulkInput!]!) { productVariantsBulkCreate(productId: 1, variants: $v)"
            " { productVariants { id inventoryItem { id } } } }"
        ),
        {"v": [{}] * 100},
        31,
    ),
    (
        (
            "mutation ($i: ProductSetInput!) { productSet(input: $i) { product { id } productSetOperation"
            " { id userErrors { message } } } }"
        ),
        {"i": {"variants": [{}] * 5}},
        12,
    ),
    (
        (
            'mutation ($i: InventorySetQuantitiesInput!) { inventorySetQuantities(input: $i) @idempotent(key: "k")'
            " { inventoryAdjustmentGroup { id changes { name item { id } location { id } } } userErrors { message } } }"
        ),
        {"i": {}},
        13,
    ),
    ("mutation { webhookSubscriptionDelete(id: 1) { deletedWebhookSubscriptionId } }", {}, 10),
    ("{ webhookSubscriptions(first: 50) { nodes { id apiVersion { handle } } } }", {}, 9),
]


def pricer(text, variables):
    document = parse(text)
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    return Pricer(SCHEMA, document, operation, variables)


@pytest.mark.parametrize(("text", "variables", "cost"), TABLE)
def test_the_requested_cost_is_what_shopify_charges(text, variables, cost):
    assert pricer(text, variables).requested() == cost


def test_a_page_weighs_as_measured():
    assert [weight(size) for size in (0, 1, 10, 25, 50, 100, 250)] == [0, 1, 4, 6, 7, 9, 11]


def test_aliases_add_up():
    one = "products(first: 100) { nodes { id variants(first: 100) { nodes { id inventoryItem { id } } } } }"
    single = pricer(f"{{ {one} }}", {}).requested()
    assert pricer(f"{{ a: {one} b: {one} c: {one} }}", {}).requested() == 3 * single


def test_fragments_and_skipped_fields_are_seen_through():
    text = """query ($no: Boolean = false) { shop { ...Whole plan @include(if: $no) { shopifyPlus } } }
    fragment Whole on Shop { id resourceLimits { locationLimit } }"""
    assert pricer(text, {"no": False}).requested() == 2
    assert pricer(text, {"no": True}).requested() == 3


def test_the_actual_cost_follows_what_came_back():
    asked = pricer(PAGE, {"first": 250})
    node = {
        "id": "1",
        "variantsCount": {"count": 1},
        "variants": {"nodes": [{"id": "2", "selectedOptions": [{"name": "a"}], "inventoryItem": {"id": "3"}}]},
    }
    requested = asked.requested()
    assert asked.actual({"products": {"nodes": [node]}}, requested) == 2 + (1 + 1 + 2 + 3)
    assert asked.actual({"products": {"nodes": []}}, requested) == 2
    assert asked.actual(None, requested) == 0
    assert asked.actual({"products": {"nodes": [node] * 250}}, requested) <= requested


def test_the_debug_lines_name_each_priced_field():
    asked = pricer("{ products(first: 10) { nodes { id options { id } } } }", {})
    total = asked.requested()
    lines = [line.as_json() for line in asked.lines]
    assert {tuple(line["path"]): line["requestedTotalCost"] for line in lines}[("products",)] == total
    assert ["products", "nodes", "options"] in [line["path"] for line in lines]
