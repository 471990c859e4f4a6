"""graphql-core's complaints about a document in Shopify's words and codes (docs/shopify.md 2.2). Pure."""

import re
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    print_ast,
)

Json = dict[str, Any]

# graphql-core's message, Shopify's, its code
TRANSLATIONS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), message, code)
    for pattern, message, code in (
        (r"Cannot query field '(\w+)' on type '(\w+)'", r"Field '\1' doesn't exist on type '\2'", "undefinedField"),
        (
            r"Unknown argument '(\w+)' on field '\w+\.(\w+)'",
            r"Field '\2' doesn't accept argument '\1'",
            "argumentNotAccepted",
        ),
        (
            r"Unknown argument '(\w+)' on field '(\w+)'",
            r"Field '\2' doesn't accept argument '\1'",
            "argumentNotAccepted",
        ),
        (
            r"(?:Field|Argument) '(?:\w+\.)?(\w+)' argument '(\w+)' of type .* is required",
            r"Field '\1' is missing required arguments: \2",
            "missingRequiredArguments",
        ),
        (
            r"Argument '(?:\w+\.)?(\w+)\((\w+):\)' of type .* is required",
            r"Field '\1' is missing required arguments: \2",
            "missingRequiredArguments",
        ),
        (
            r"Argument '@(\w+)\((\w+):\)' of type .* is required",
            r"Directive '\1' is missing required arguments: \2",
            "missingRequiredArguments",
        ),
        (r"Unknown directive '@?(\w+)'", r"Directive @\1 is not defined", "undefinedDirective"),
        (r"Unknown type '(\w+)'", r"No such type \1, so it can't be a fragment condition", "undefinedType"),
        (
            r"Directive '@(\w+)' argument '(\w+)' of type .* is required",
            r"Directive '\1' is missing required arguments: \2",
            "missingRequiredArguments",
        ),
        (
            r"Field '(?:\w+\.)?(\w+)' of (?:required )?type '\[?(\w+)[!\]]*' must have a selection",
            r"Field must have selections (field '\1' returns \2 but has no selections. Did you mean '\1 { ... }'?)",
            "selectionMismatch",
        ),
        (
            r"Variable '\$(\w+)' is never used in operation '(\w+)'",
            r"Variable $\1 is declared by \2 but not used",
            "variableNotUsed",
        ),
    )
)
VARIABLE = re.compile(r"Variable '\$(?P<name>\w+)' has invalid value(?: at (?P<path>[^:]+))?: (?P<why>.*)", re.DOTALL)
OTHER = "argumentLiteralsIncompatible"


def validation_error(error: GraphQLError) -> Json:
    message, code = error.message, OTHER
    for pattern, words, its_code in TRANSLATIONS:
        if found := pattern.match(error.message):
            message, code = found.expand(words), its_code
            break
    return {"message": message, "locations": _locations(error), "path": [], "extensions": {"code": code}}


def syntax_error(error: GraphQLSyntaxError) -> Json:
    message = error.message.removeprefix("Syntax Error: ")
    return {
        "message": f"syntax error, {message}",
        "locations": _locations(error),
        "extensions": {"code": "PARSE_ERROR"},
    }


def variable_errors(
    errors: list[GraphQLError], operation: OperationDefinitionNode, schema: GraphQLSchema
) -> list[Json]:
    """One error for each variable, with all its problems, each as `path (explanation)`."""
    types = {d.variable.name.value: print_ast(d.type) for d in operation.variable_definitions or ()}
    problems: dict[str, list[tuple[str, str]]] = {}
    places: dict[str, list[Any]] = {}
    for error in errors:
        found = VARIABLE.match(error.message)
        name, where, why = (found["name"], found["path"] or "", found["why"]) if found else ("", "", error.message)
        problems.setdefault(name, []).append(_problem(where, why, schema))
        places.setdefault(name, _locations(error))
    return [_variable_error(name, types.get(name, ""), found, places[name]) for name, found in problems.items()]


def _variable_error(name: str, type_: str, problems: list[tuple[str, str]], places: list[Any]) -> Json:
    said = ", ".join(f"{path} ({why})" for path, why in problems if path)
    message = f"Variable ${name} of type {type_} was provided invalid value" + (f" for {said}" if said else "")
    listed = [{"path": [_step(s) for s in path.split(".") if s], "explanation": why} for path, why in problems]
    return {"message": message, "locations": places, "extensions": {"code": "INVALID_VARIABLE", "problems": listed}}


def _problem(where: str, why: str, schema: GraphQLSchema) -> tuple[str, str]:
    """graphql-core's place and reason as Shopify's: dotted path, explanation."""
    path = re.sub(r"\[(\d+)\]", r".\1", where).strip(".")
    if found := re.search(r"of type '(\w+)' not to include unknown field '(\w+)'", why):
        return _under(path, found[2]), f"Field is not defined on {found[1]}"
    if found := re.search(r"to include required field '(\w+)'", why):
        return _under(path, found[1]), "Expected value to not be null"
    if "non-null" in why:
        return path, "Expected value to not be null"
    if found := re.search(r"Value '([^']*)' does not exist in '(\w+)' enum", why):
        enum = schema.type_map[found[2]]
        names = ", ".join(enum.values) if isinstance(enum, GraphQLEnumType) else ""
        return path, f'Expected "{found[1]}" to be one of: {names}'
    if found := re.search(r"(Int|Float|String|Boolean|ID) cannot represent .*value: (.+?)\.?$", why):
        return path, "Could not coerce value {} to {}".format(found[2].replace("'", '"'), found[1])
    return path, why.rstrip(".")


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _step(text: str) -> str | int:
    return int(text) if text.isdigit() else text


def _locations(error: GraphQLError) -> list[Any]:
    return [location.formatted for location in error.locations or ()]
