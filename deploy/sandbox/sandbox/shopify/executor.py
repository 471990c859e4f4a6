"""One GraphQL request from its text to Shopify's envelope: validate, price, admit, run, refund (docs/shopify.md 2.2).

Static errors answer alone; a query over the maximum and a throttled one run nothing; run-time errors come with `data`
and `extensions.cost`.
"""

from collections import OrderedDict
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    execute,
    get_operation_ast,
    parse,
    validate,
    value_from_ast_untyped,
)
from graphql.execution.values import get_variable_values

from sandbox.shopify.bucket import Allowance
from sandbox.shopify.context import Backstage, Request
from sandbox.shopify.cost import Pricer
from sandbox.shopify.graph import executable_schema
from sandbox.shopify.knobs import Knobs
from sandbox.shopify.refusals import UserError
from sandbox.shopify.shop import Admission
from sandbox.shopify.static_errors import syntax_error, validation_error, variable_errors

Json = dict[str, Any]

RATE_LIMITS = "https://shopify.dev/api/usage/rate-limits"
MAX_ARRAY = 250
MAX_SET_VARIANTS = 2048  # productSet.variants
PARSED = 512  # documents remembered


@dataclass(slots=True)
class Prepared:
    """A request that passed every static check."""

    document: DocumentNode
    operation: OperationDefinitionNode
    raw_variables: Json
    variables: Json
    operation_name: str | None
    pricer: Pricer
    requested: int

    @property
    def kind(self) -> str:
        """As GraphQL writes it: query, mutation."""
        return self.operation.operation.value

    @property
    def fields(self) -> list[str]:
        """The root fields that are named outright."""
        return [node.name.value for node in self.operation.selection_set.selections if isinstance(node, FieldNode)]


@dataclass(slots=True)
class Executor:
    backstage: Backstage
    bucket: Allowance
    schema: GraphQLSchema = field(default_factory=executable_schema)
    throttled: int = 0
    _parsed: OrderedDict[str, tuple[DocumentNode | None, list[Json]]] = field(default_factory=OrderedDict)

    def prepare(self, text: str, variables: Json | None, operation_name: str | None) -> Prepared | Json:
        """The priced request, or the answer to one that is wrong as it stands."""
        document, errors = self._document(text)
        if document is None or errors:
            return {"errors": errors}
        operation = get_operation_ast(document, operation_name)
        if operation is None:
            return {"errors": [{"message": "An operation name is required", "extensions": {"code": "BAD_REQUEST"}}]}
        coerced = get_variable_values(self.schema, operation.variable_definitions or (), variables or {})
        if isinstance(coerced, list):
            return {"errors": variable_errors(coerced, operation, self.schema)}
        pricer = Pricer(self.schema, document, operation, coerced.coerced)
        return Prepared(
            document, operation, variables or {}, coerced.coerced, operation_name, pricer, pricer.requested()
        )

    def admit(self, prepared: Prepared, knobs: Knobs) -> Json | None:
        """None when admitted and charged, otherwise the refusal."""
        if prepared.requested > knobs.max_query_cost:
            return _too_expensive(prepared.requested, knobs.max_query_cost)
        return None if self.bucket.admit(prepared.requested) else self.throttle(prepared)

    def throttle(self, prepared: Prepared) -> Json:
        """The refusal for want of points, whether or not they are there."""
        self.throttled += 1
        error = {"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": RATE_LIMITS}}
        return {"errors": [error], "extensions": {"cost": self._cost(prepared, None)}}

    def idempotency_keys(self, prepared: Prepared) -> list[str]:
        """The keys that the root fields carry."""
        keys = []
        for selection in prepared.operation.selection_set.selections:
            for directive in selection.directives or ():
                if directive.name.value == "idempotent":
                    keys += [value_from_ast_untyped(a.value, prepared.variables) for a in directive.arguments or ()]
        return [key for key in keys if isinstance(key, str)]

    def run(
        self,
        prepared: Prepared,
        held: frozenset[str],
        knobs: Knobs,
        base_url: str = "",
        *,
        admission: Admission,
        debug: bool = False,
        free: bool = False,
        refusal: tuple[UserError, ...] = (),
    ) -> Json:
        """Execute an admitted request and give back what it did not use; `free`: nothing was charged for it."""
        if too_long := self._too_long(prepared):
            return {"errors": [too_long], "extensions": {"cost": self._cost(prepared, None)}}
        request = Request(self.backstage, knobs, held, base_url, admission, refusal)
        result = execute(
            self.schema,
            prepared.document,
            context_value=request,
            variable_values=prepared.raw_variables,
            operation_name=prepared.operation_name,
            is_awaitable=_never,
        )
        if not isinstance(result, ExecutionResult):
            raise TypeError("No resolver waits: the state is in memory.")
        actual = prepared.pricer.actual(result.data, prepared.requested)
        if not free:
            self.bucket.refund(prepared.requested - actual)
        answer: Json = {}
        if result.errors:
            answer["errors"] = [_runtime(error) for error in result.errors]
        answer["data"] = result.data
        answer["extensions"] = {"cost": self._cost(prepared, actual)}
        if debug:
            answer["extensions"]["cost"]["fields"] = [line.as_json() for line in prepared.pricer.lines]
        if request.search:
            answer["extensions"]["search"] = request.search
        return answer

    def _document(self, text: str) -> tuple[DocumentNode | None, list[Json]]:
        if text in self._parsed:
            self._parsed.move_to_end(text)
            return self._parsed[text]
        try:
            document = parse(text)
        except GraphQLSyntaxError as error:
            return None, [syntax_error(error)]
        errors = [validation_error(error) for error in validate(self.schema, document)]
        self._parsed[text] = document, errors
        if len(self._parsed) > PARSED:
            self._parsed.popitem(last=False)
        return document, errors

    def _cost(self, prepared: Prepared, actual: int | None) -> Json:
        return {
            "requestedQueryCost": prepared.requested,
            "actualQueryCost": actual,
            "throttleStatus": self.bucket.status(),
        }

    def _too_long(self, prepared: Prepared) -> Json | None:
        """Arrays in arguments hold 250 at most; the charge stays (docs/shopify.md 2.2)."""
        root = self.schema.get_root_type(prepared.operation.operation)
        for node in prepared.operation.selection_set.selections:
            if not isinstance(node, FieldNode) or not isinstance(root, GraphQLObjectType):
                continue
            for argument in node.arguments or ():
                value = value_from_ast_untyped(argument.value, prepared.variables)
                path = [node.alias.value if node.alias else node.name.value, argument.name.value]
                if found := _longest(value, path, in_product_set=node.name.value == "productSet"):
                    size, limit = found
                    message = f"The input array size of {size} is greater than the maximum allowed of {limit}."
                    return {
                        "message": message,
                        "locations": _locations(node),
                        "extensions": {"code": "MAX_INPUT_SIZE_EXCEEDED"},
                        "path": path,
                    }
        return None


def _never(_value: Any) -> TypeGuard[Awaitable[Any]]:
    """No resolver waits for anything; asking every value costs a tenth of the time."""
    return False


def _longest(value: Any, path: list[str], *, in_product_set: bool) -> tuple[int, int] | None:
    if isinstance(value, list):
        limit = MAX_SET_VARIANTS if in_product_set and path[-1] == "variants" else MAX_ARRAY
        if len(value) > limit:
            return len(value), limit
        return next((f for one in value if (f := _longest(one, path, in_product_set=in_product_set))), None)
    if isinstance(value, dict):
        items = ((one, [*path, key]) for key, one in value.items())
        return next((f for one, at in items if (f := _longest(one, at, in_product_set=in_product_set))), None)
    return None


def _locations(node: FieldNode) -> list[dict[str, int]]:
    if node.loc is None:
        return []
    token = node.loc.start_token
    return [{"line": token.line, "column": token.column}]


def _runtime(error: GraphQLError) -> Json:
    """Key order as observed: message, locations, extensions, path."""
    if error.original_error is not None and not isinstance(error.original_error, GraphQLError):
        raise error.original_error  # a fault of the simulation: answered 500, never as GraphQL
    return {
        "message": error.message,
        "locations": [location.formatted for location in error.locations or ()],
        "extensions": error.extensions or {"code": "INTERNAL_SERVER_ERROR"},
        "path": error.path,
    }


def _too_expensive(cost: int, limit: int) -> Json:
    message = (
        f"Query cost is {cost}, which exceeds the single query max cost limit ({limit}).\n\n"
        f"See {RATE_LIMITS.replace('shopify.dev/api', 'shopify.dev/docs/api')} for more information on how the\n"
        "cost of a query is calculated.\n\nTo query larger amounts of data with fewer limits, bulk operations should be"
        " used instead.\nSee https://shopify.dev/docs/api/usage/bulk-operations/queries for usage details.\n"
    )
    extensions = {"code": "MAX_COST_EXCEEDED", "cost": cost, "maxCost": limit, "documentation": RATE_LIMITS}
    return {"errors": [{"message": message, "extensions": extensions}]}
