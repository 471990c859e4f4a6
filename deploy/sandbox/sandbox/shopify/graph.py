"""The executable schema: the pruned SDL with a resolver on every field; what is not simulated says so."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
)

from sandbox.shopify.context import Info, request_of
from sandbox.shopify.reading import PLAIN_TYPES, QUERY, TYPES, kind_of
from sandbox.shopify.reading.fields import Absent, Connection, Resolver
from sandbox.shopify.refusals import not_simulated
from sandbox.shopify.scopes import NEEDED, access_denied, grants
from sandbox.shopify.writing import MUTATIONS

CENT = Decimal("0.01")
BEYOND_MONEY = Decimal(10) ** 18  # refused later, in words


def read_schema() -> GraphQLSchema:
    """The pruned copy of Shopify's schema, not executable."""
    return build_schema(files("sandbox.shopify").joinpath("schema.graphql").read_text(), assume_valid=True)


@cache
def executable_schema() -> GraphQLSchema:
    """One for the process: what belongs to a shop comes with each request's context."""
    schema = read_schema()
    for type_ in schema.type_map.values():
        if type_.name.startswith("__"):
            continue
        match type_:
            case GraphQLObjectType():
                for name, field in type_.fields.items():
                    field.resolve = _resolver(type_.name, name, field)
            case GraphQLInterfaceType() | GraphQLUnionType():
                type_.resolve_type = kind_of
            case GraphQLScalarType():
                _coerce(type_)
            case _:
                pass
    return schema


def _resolver(type_name: str, name: str, _field: GraphQLField) -> Resolver:
    if type_name == "QueryRoot":
        found = QUERY.get(name)
    elif type_name == "Mutation":
        found = MUTATIONS.get(name)
    elif type_name.endswith("Connection"):
        found = {"nodes": _attribute("nodes"), "edges": _attribute("edges"), "pageInfo": _attribute("page_info")}[name]
    elif type_name.endswith("Edge"):
        found = _attribute(name)
    elif type_name == "PageInfo":
        found = _attribute("".join(f"_{c.lower()}" if c.isupper() else c for c in name))
    elif type_name in PLAIN_TYPES or type_name.endswith(("Payload", "UserError")):
        found = _key(type_name, name)
    else:
        found = TYPES.get(type_name, {}).get(name)
    return _guarded(f"{type_name}.{name}", found) if found else Absent(f"{type_name}.{name}")


def _guarded(field: str, resolve: Resolver) -> Resolver:
    """Behind the access scope that Shopify asks for."""
    scope = NEEDED.get(field)
    if scope is None:
        return resolve
    name = field.partition(".")[2]

    def check(info: Info) -> None:
        if not grants(request_of(info).backstage.scopes, scope):
            raise access_denied(name, scope)

    if isinstance(resolve, Connection):
        items = resolve.items

        def guarded_items(source: Any, info: Info, args: dict[str, Any]) -> Any:
            check(info)
            return items(source, info, args)

        return Connection(guarded_items, resolve.order)

    def guarded(source: Any, info: Info, **args: Any) -> Any:
        check(info)
        return resolve(source, info, **args)

    return guarded


def _attribute(name: str) -> Resolver:
    return lambda source, _info, **_: getattr(source, name)


def _key(type_name: str, name: str) -> Resolver:
    def resolve(source: dict[str, Any], _info: Info, **_: Any) -> Any:
        if name not in source:
            raise not_simulated(f"{type_name}.{name}")
        return source[name]

    return resolve


def _coerce(scalar: GraphQLScalarType) -> None:
    out, into = SCALARS.get(scalar.name, (None, None))
    if out:
        scalar.coerce_output_value = out
    if into:
        scalar.coerce_input_value = into


def print_money(amount: Decimal) -> str:
    return f"{amount:.2f}"


def print_decimal(amount: Decimal) -> str:
    """At least one decimal: `37.0`."""
    text = f"{amount.normalize():f}"
    return text if "." in text else f"{text}.0"


def print_time(at: Any) -> str:
    """`2026-11-22T20:44:00Z`: whole seconds, UTC."""
    if not isinstance(at, datetime):
        return str(at)
    return at.astimezone(UTC).isoformat()[:19] + "Z"


def parse_time(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise GraphQLError(f"Invalid DateTime '{value}'") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def parse_decimal(value: Any, kind: str = "decimal") -> Decimal:
    """A string or a number, in Shopify's words where it is none."""
    try:
        found = Decimal(str(value))
    except InvalidOperation as error:
        raise GraphQLError(f"invalid {kind} '{value}'") from error
    if isinstance(value, bool) or not found.is_finite():
        raise GraphQLError(f"invalid {kind} '{value}'")
    return found


def parse_money(value: Any) -> Decimal:
    """Kept in whole cents."""
    found = parse_decimal(value, "money")
    return found.quantize(CENT, ROUND_HALF_UP) if abs(found) < BEYOND_MONEY else found


def parse_url(value: Any) -> str:
    if not isinstance(value, str):
        raise GraphQLError(f"Invalid url '{value}'")
    if value and "://" not in value:
        raise GraphQLError(f"Invalid url '{value}', missing scheme")
    return value


SCALARS: dict[str, tuple[Callable[[Any], Any] | None, Callable[[Any], Any] | None]] = {
    "DateTime": (print_time, parse_time),
    "Money": (print_money, parse_money),
    "Decimal": (print_decimal, parse_decimal),
    "URL": (None, parse_url),
}
