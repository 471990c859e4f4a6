"""What is wrong with a document or its variables is said in Shopify's words, seen in recorded answers."""

import pytest
from graphql import get_operation_ast, parse, validate
from graphql.execution.values import get_variable_values

from sandbox.shopify.graph import executable_schema
from sandbox.shopify.static_errors import validation_error, variable_errors

SCHEMA = executable_schema()
ADJUST = """mutation ($i: InventoryAdjustQuantitiesInput!) {
  inventoryAdjustQuantities(input: $i) @idempotent(key: "k") { userErrors { code } } }"""
CREATE = "mutation ($p: ProductCreateInput!) { productCreate(product: $p) { product { id } } }"


@pytest.mark.parametrize(
    ("text", "message", "code"),
    [
        ("{ shop { nope } }", "Field 'nope' doesn't exist on type 'Shop'", "undefinedField"),
        ("{ products(first: 1, nope: 2) { nodes { id } } }", "Field 'products' doesn't accept argument 'nope'", None),
        ("{ product { id } }", "Field 'product' is missing required arguments: id", "missingRequiredArguments"),
        (
            "{ shop }",
            (
                "Field must have selections (field 'shop' returns Shop but has no selections."
                " Did you mean 'shop { ... }'?)"
            ),
            "selectionMismatch",
        ),
        ("query Q($x: Int) { shop { id } }", "Variable $x is declared by Q but not used", "variableNotUsed"),
        ("{ shop { id @nope } }", "Directive @nope is not defined", "undefinedDirective"),
        ("{ shop { id @idempotent } }", "Directive 'idempotent' is missing required arguments: key", None),
        ("{ node(id: 1) { ... on Nope { id } } }", "No such type Nope, so it can't be a fragment condition", None),
    ],
)
def test_a_document_is_refused_in_shopifys_words(text, message, code):
    found = [validation_error(error) for error in validate(SCHEMA, parse(text))]
    assert message in [error["message"] for error in found]
    if code:
        assert found[0]["extensions"]["code"] == code


@pytest.mark.parametrize(
    ("text", "variables", "said"),
    [
        (CREATE, {}, ""),
        (CREATE, {"p": None}, ""),
        (CREATE, {"p": {"nope": 1}}, " for nope (Field is not defined on ProductCreateInput)"),
        (
            CREATE,
            {"p": {"status": "NO"}},
            ' for status (Expected "NO" to be one of: ACTIVE, ARCHIVED, DRAFT, UNLISTED)',
        ),
        (
            ADJUST,
            {"i": {"name": "available", "reason": "x", "changes": [{"locationId": "1", "delta": 1}]}},
            " for changes.0.inventoryItemId (Expected value to not be null)",
        ),
        (
            ADJUST,
            {"i": {"name": "a", "reason": "x", "changes": [{"locationId": "1", "inventoryItemId": "1", "delta": "x"}]}},
            ' for changes.0.delta (Could not coerce value "x" to Int)',
        ),
    ],
)
def test_a_variable_is_refused_in_shopifys_words(text, variables, said):
    operation = get_operation_ast(parse(text))
    errors = get_variable_values(SCHEMA, operation.variable_definitions, variables)
    (error,) = variable_errors(errors, operation, SCHEMA)
    name = "p" if text is CREATE else "i"
    type_ = "ProductCreateInput!" if text is CREATE else "InventoryAdjustQuantitiesInput!"
    assert error["message"] == f"Variable ${name} of type {type_} was provided invalid value{said}"
    assert error["extensions"]["code"] == "INVALID_VARIABLE"


def test_all_problems_of_one_variable_are_one_error():
    operation = get_operation_ast(parse(CREATE))
    errors = get_variable_values(SCHEMA, operation.variable_definitions, {"p": {"nope": 1, "never": 2}})
    (error,) = variable_errors(errors, operation, SCHEMA)
    assert [problem["path"] for problem in error["extensions"]["problems"]] == [["nope"], ["never"]]
