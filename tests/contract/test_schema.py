"""The pruned schema is Shopify's own, only smaller; and every document that is sent is valid in both."""

import os
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_client_schema,
    is_introspection_type,
    is_specified_directive,
    is_specified_scalar_type,
    parse,
    print_schema,
    validate,
    validate_schema,
)

from sandbox.shopify.graph import read_schema
from sandbox.shopify.prune import prune, read_introspection

ROOT = Path(__file__).parents[2]
BESIDE = Path(os.environ.get("UNDERSTUDY_SHARED", ROOT.parent / "shared")) / "shopify"
INTROSPECTION = BESIDE / "schema" / "admin_2026-10.json.gz"
DOCUMENTS = ROOT / "shared" / "shared" / "shopify" / "documents"
FRAGMENTS = sorted(DOCUMENTS.glob("fragments/*.graphql"))
OURS = sorted(DOCUMENTS.glob("*.graphql"))
SAMPLES = sorted((BESIDE / "graphql").glob("*.graphql"))

PRUNED = read_schema()

needs_true_schema = pytest.mark.skipif(
    not INTROSPECTION.is_file(), reason=f"Shopify's schema is not beside the project: {INTROSPECTION}"
)


@pytest.fixture(scope="module")
def introspection():
    return read_introspection(INTROSPECTION)


@pytest.fixture(scope="module")
def true_schema(introspection) -> GraphQLSchema:
    return build_client_schema({"__schema": introspection}, assume_valid=True)


def errors_in(schema: GraphQLSchema, document: Path) -> list[str]:
    """A document is validated with the fragments that it needs."""
    texts = [document.read_text("utf-8"), *(fragment.read_text("utf-8") for fragment in FRAGMENTS)]
    if document.parent != DOCUMENTS:
        texts = texts[:1]
    found = validate(schema, parse("\n".join(texts)))
    return [error.message for error in found if not error.message.startswith("Fragment '")]  # spread by another file


def test_the_pruned_schema_is_a_valid_schema():
    assert validate_schema(PRUNED) == []


def test_the_pruned_schema_has_no_prose():
    ours = [t for t in PRUNED.type_map.values() if not is_specified_scalar_type(t) and not is_introspection_type(t)]
    assert [t.name for t in ours if t.description] == []


def test_there_are_documents_to_check():
    assert OURS


@pytest.mark.parametrize("document", OURS, ids=lambda path: path.stem)
def test_a_document_of_ours_is_valid_in_the_pruned_schema(document):
    assert errors_in(PRUNED, document) == []


@needs_true_schema
@pytest.mark.parametrize("document", OURS, ids=lambda path: path.stem)
def test_a_document_of_ours_is_valid_in_shopifys_schema(document, true_schema):
    assert errors_in(true_schema, document) == []


@needs_true_schema
@pytest.mark.parametrize("document", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_document_is_valid_in_the_pruned_schema(document):
    assert errors_in(PRUNED, document) == []


@needs_true_schema
def test_the_pruned_schema_is_what_pruning_makes_of_shopifys(introspection):
    """Run `python -m sandbox.shopify.prune {introspection} > schema.graphql` after a change to `keep`."""
    assert print_schema(prune(introspection)) == print_schema(PRUNED)


@needs_true_schema
def test_everything_in_the_pruned_schema_is_as_shopify_has_it(true_schema):
    differences = []
    for name, ours in PRUNED.type_map.items():
        theirs = true_schema.type_map.get(name)
        if theirs is None or type(ours) is not type(theirs):
            differences.append(name)
            continue
        differences += [f"{name}.{difference}" for difference in type_differences(ours, theirs)]
    assert differences == []


@needs_true_schema
def test_every_interface_that_both_know_is_implemented(true_schema):
    for name, ours in PRUNED.type_map.items():
        if isinstance(ours, GraphQLObjectType) and not name.startswith("__"):
            known = {i.name for i in true_schema.type_map[name].interfaces} & set(PRUNED.type_map)
            assert {i.name for i in ours.interfaces} == known


@needs_true_schema
def test_directives_are_shopifys(true_schema):
    def described(schema):
        return {
            d.name: ([*map(str, d.locations)], {name: str(a.type) for name, a in d.args.items()})
            for d in schema.directives
            if not is_specified_directive(d)  # GraphQL's own are graphql-core's
        }

    assert described(PRUNED) == described(true_schema)


def type_differences(ours, theirs):
    match ours:
        case GraphQLObjectType() | GraphQLInterfaceType():
            for name, field in ours.fields.items():
                true = theirs.fields.get(name)
                if true is None or str(field.type) != str(true.type):
                    yield name
                    continue
                yield from (f"{name}({difference})" for difference in argument_differences(field.args, true.args))
                missing = {n for n, a in true.args.items() if str(a.type).endswith("!")} - set(field.args)
                yield from (f"{name}({required}) is missing" for required in missing)
        case GraphQLInputObjectType():
            yield from argument_differences(ours.fields, theirs.fields)
            if ours.is_one_of != theirs.is_one_of:
                yield "oneOf"
        case GraphQLEnumType():
            yield from set(ours.values) ^ set(theirs.values)
        case GraphQLUnionType():
            yield from {t.name for t in ours.types} - {t.name for t in theirs.types}


def argument_differences(ours, theirs):
    for name, argument in ours.items():
        true = theirs.get(name)
        if true is None or str(argument.type) != str(true.type) or default_of(argument) != default_of(true):
            yield name


def default_of(argument):
    default = argument.default
    if default is None:
        return None
    return repr(default.value) if default.literal is None else default.literal.to_dict()
