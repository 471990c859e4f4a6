"""graphql-core's complaints about a document in Shopify's words and codes (FACTS 2.2). Pure."""

import re
from typing import Any

from graphql import GraphQLError, GraphQLSyntaxError, OperationDefinitionNode, print_ast

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
        (r"Unknown directive '@?(\w+)'", r"Directive @\1 is not defined", "undefinedDirective"),
        (r"Unknown type '(\w+)'", r"No such type \1, so it can't be a fragment condition", "undefinedType"),
        (
            r"Directive '@(\w+)' argument '(\w+)' of type .* is required",
            r"Directive '\1' is missing required arguments: \2",
            "missingRequiredArguments",
        ),
        (
            r"Field '(?:\w+\.)?(\w+)' of (?:required )?type '([\w\[\]!]+)' must have a selection",
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


def variable_error(error: GraphQLError, operation: OperationDefinitionNode) -> Json:
    """`Variable $id of type ID! was provided invalid value`, with the problem where there is more to say."""
    found = re.match(r"Variable '\$(\w+)'", error.message)
    name = found[1] if found else ""
    types = {d.variable.name.value: print_ast(d.type) for d in operation.variable_definitions or ()}
    message = f"Variable ${name} of type {types.get(name, '')} was provided invalid value"
    where = re.search(rf"at '\${name}\.?([^']*)'|at '{name}\.?([^']*)'", error.message)
    path = (where[1] or where[2] or "") if where else ""
    if path:
        dotted = re.sub(r"\[(\d+)\]", r".\1", path).lstrip(".")
        message += f" for {dotted} ({_why(error.message)})"
    extensions = {"code": "INVALID_VARIABLE", "problems": [{"path": _steps(path), "explanation": _why(error.message)}]}
    return {"message": message, "locations": _locations(error), "extensions": extensions}


def _why(message: str) -> str:
    if "to not be null" in message or "was not provided" in message or "must not be null" in message:
        return "Expected value to not be null"
    if found := re.search(
        r"Field '(\w+)' is not defined by type '(\w+)'|to not include unknown field '(\w+)'", message
    ):
        return f"Field is not defined on {found[2] or 'the input'}"
    return message.rsplit("; ", 1)[-1]


def _steps(path: str) -> list[str | int]:
    return [int(step) if step.isdigit() else step for step in re.findall(r"\w+", path)]


def _locations(error: GraphQLError) -> list[Any]:
    return [location.formatted for location in error.locations or ()]
