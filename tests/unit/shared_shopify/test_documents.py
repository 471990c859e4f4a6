"""Every document is what Shopify's schema allows, and costs what its comment says."""

import gzip
import json
import re
from functools import cache
from importlib import resources
from pathlib import Path

import graphql
import pytest
from graphql.execution.values import get_variable_values

from sandbox.shopify.cost import Pricer
from shared.shopify import documents
from shared.shopify.documents import UnknownDocument, load

TRUE_SCHEMAS = Path(__file__).parents[4] / "shared" / "shopify" / "schema"
VERBS = ("_create", "_update", "_edit", "_delete", "_run", "_cancel")
SMALLEST_BUCKET = 1000  # points; seen on older shops, and possible while Shopify cuts limits (docs/shopify.md 2.1)


@cache
def pruned_schema():
    text = (resources.files("sandbox.shopify") / "schema.graphql").read_text("utf-8")
    return graphql.build_schema(text, assume_valid=True)


def true_schema(version):
    file = TRUE_SCHEMAS / f"admin_{version}.json.gz"
    if not file.exists():
        pytest.skip(f"Shopify's own schema of {version} is not beside this checkout")
    found = json.loads(gzip.decompress(file.read_bytes()))
    return graphql.build_client_schema(found.get("data", found), assume_valid=True)


def check(schema, name):
    parsed = graphql.parse(load(name).text)
    assert graphql.validate(schema, parsed) == []
    type_info = graphql.TypeInfo(schema)
    deprecated = []

    class Deprecated(graphql.Visitor):
        def enter_field(self, node, *_):
            definition = type_info.get_field_def()
            if definition and definition.deprecation_reason:
                deprecated.append(node.name.value)

    graphql.visit(parsed, graphql.TypeInfoVisitor(type_info, Deprecated()))
    assert deprecated == []


@pytest.mark.parametrize("name", documents.names())
def test_it_is_valid_for_the_simulated_shopify(name):
    check(pruned_schema(), name)


@pytest.mark.parametrize("version", ["2026-07", "2026-10"])
def test_all_are_valid_for_the_true_schema_and_use_nothing_deprecated(version):
    schema = true_schema(version)
    for name in documents.names():
        check(schema, name)


@pytest.mark.parametrize("name", documents.names())
def test_its_requested_cost_is_what_it_says(name):
    document, schema = load(name), pruned_schema()
    parsed = graphql.parse(document.text)
    (operation,) = [d for d in parsed.definitions if isinstance(d, graphql.OperationDefinitionNode)]
    defaults = {
        variable.variable.name.value: graphql.value_from_ast_untyped(variable.default_value)
        for variable in operation.variable_definitions or ()
        if variable.default_value is not None
    }
    assert Pricer(schema, parsed, operation, defaults).requested() == document.cost
    assert document.cost < SMALLEST_BUCKET


@pytest.mark.parametrize("name", documents.names())
def test_its_file_names_one_operation_which_is_its_own_name(name):
    document = load(name)
    assert re.sub(r"(?<!^)(?=[A-Z])", "_", document.operation).lower() == name
    assert document.kind == ("mutation" if name.endswith(VERBS) else "query")


def test_only_what_is_there_can_be_loaded():
    for name in ("nothing", "../settings", "fragments/EventProduct", ""):
        with pytest.raises(UnknownDocument):
            load(name)


def test_variables_may_be_left_to_the_document():
    (operation,) = [
        d
        for d in graphql.parse(load("bulk_operations").text).definitions
        if isinstance(d, graphql.OperationDefinitionNode)
    ]
    values = get_variable_values(pruned_schema(), operation.variable_definitions, {})
    assert not isinstance(values, list)
