"""What Shopify refuses to run in bulk, in its own words (docs/shopify.md 4). Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    parse,
    validate,
)

from sandbox.shopify.refusals import Refused, not_simulated, refuse
from sandbox.shopify.static_errors import syntax_error, validation_error

MAX_BYTES = 65_535
MAX_CONNECTIONS = 5
MAX_DEPTH = 2  # of connections below the first


def invalid(message: str) -> Refused:
    return refuse(["query"], message, "INVALID")


@dataclass(slots=True)
class _Found:
    """What a walk through the document met."""

    connections: int = 0
    depth: int = 0
    by_nodes: list[str] = field(default_factory=list)
    without_id: list[str] = field(default_factory=list)
    in_list: bool = False


def check(schema: GraphQLSchema, text: str) -> tuple[DocumentNode, FieldNode]:
    """The document, and its one root field, a connection.

    Raises:
        Refused: Shopify's userErrors, field ["query"], code INVALID.
        GraphQLError: NOT_SIMULATED, for what Shopify takes and the simulation does not.

    """
    size = len(text.encode())
    if size > MAX_BYTES:
        raise invalid(f"Query is too large ({size} bytes; maximum is {MAX_BYTES} bytes)")
    document, operation = _parsed(text)
    roots = [node for node in operation.selection_set.selections if isinstance(node, FieldNode)]
    if any(node.name.value in {"node", "nodes"} for node in roots):
        raise invalid("Bulk queries cannot contain a top level `node` field.")
    if errors := validate(schema, document):
        raise invalid("Invalid bulk query: " + ", ".join(str(validation_error(e)["message"]) for e in errors))
    _refuse(_walked(schema, document, operation))
    if len(roots) != 1 or len(operation.selection_set.selections) != 1:
        raise not_simulated("A bulk query with several fields at its root")
    if not _is_connection(schema.query_type.fields[roots[0].name.value].type if schema.query_type else None):
        raise not_simulated("A bulk query whose root field is no connection")
    return document, roots[0]


def _parsed(text: str) -> tuple[DocumentNode, OperationDefinitionNode]:
    try:
        document = parse(text)
    except GraphQLSyntaxError as error:
        said = "unexpected end of file" if "<EOF>" in error.message else None
        raise invalid(f"Invalid bulk query: syntax error, {said}" if said else _syntax(error)) from error
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    if any(o.operation is not OperationType.QUERY for o in operations):
        raise invalid("Invalid operation type. Only `query` operations are supported.")
    if len(operations) != 1:
        raise not_simulated("A bulk query with several operations")
    return document, operations[0]


def _syntax(error: GraphQLError) -> str:
    return f"Invalid bulk query: {syntax_error(error)['message']}" if isinstance(error, GraphQLSyntaxError) else ""


def _refuse(found: _Found) -> None:
    if found.in_list:
        raise invalid("Queries that contain a connection field within a list field are not currently supported.")
    if found.by_nodes:
        raise invalid(
            "All connection fields in a bulk query must select their contents using 'edges' > 'node', e.g:"
            f" '{found.by_nodes[0]} {{ edges {{ node {{'. Selecting via 'nodes' is not supported."
        )
    if found.depth > MAX_DEPTH:
        raise invalid(f"Bulk queries cannot contain connections with a nesting depth greater than {MAX_DEPTH}.")
    if found.connections > MAX_CONNECTIONS:
        raise invalid(f"Bulk queries cannot contain more than {MAX_CONNECTIONS} connections.")
    if not found.connections:
        raise invalid("Bulk queries must contain at least one connection.")
    if found.without_id:
        raise invalid(
            "The parent 'node' field for a nested connection must select the 'id' field without an alias and must be of"
            f" 'ID' return type. Connection fields without 'id': {', '.join(dict.fromkeys(found.without_id))}."
        )


def _walked(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> _Found:
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    walk = _Walk(schema, fragments, _Found())
    walk.below(schema.query_type, [operation.selection_set], None, -1, in_list=False)
    return walk.found


@dataclass(frozen=True, slots=True)
class _Parent:
    """The node that a nested connection's lines name."""

    connection: str
    has_id: bool


@dataclass(slots=True)
class _Walk:
    schema: GraphQLSchema
    fragments: dict[str, FragmentDefinitionNode]
    found: _Found

    def below(
        self, type_: Any, sets: list[SelectionSetNode], parent: _Parent | None, depth: int, *, in_list: bool
    ) -> None:
        for owner, node in self.fields(type_, sets):
            if not isinstance(owner, GraphQLObjectType | GraphQLInterfaceType) or node.selection_set is None:
                continue
            returned = owner.fields[node.name.value].type
            if _is_connection(returned):
                self.connection(returned, node, parent, depth + 1, in_list=in_list)
                continue
            self.below(
                get_named_type(returned), [node.selection_set], parent, depth, in_list=in_list or _is_list(returned)
            )

    def connection(self, returned: Any, node: FieldNode, parent: _Parent | None, depth: int, *, in_list: bool) -> None:
        found, name = self.found, node.name.value
        found.connections += 1
        found.depth = max(found.depth, depth)
        found.in_list |= in_list
        if parent and not parent.has_id:
            found.without_id.append(parent.connection)
        type_: Any = get_named_type(returned)
        sets = [node.selection_set] if node.selection_set else []
        inner = list(self.fields(type_, sets))
        edge_type: Any = get_named_type(type_.fields["edges"].type)
        edges = [n.selection_set for _, n in inner if n.name.value == "edges" and n.selection_set]
        nodes = [
            n.selection_set for _, n in self.fields(edge_type, edges) if n.name.value == "node" and n.selection_set
        ]
        if not nodes or any(n.name.value == "nodes" for _, n in inner):
            found.by_nodes.append(name)
        node_type = get_named_type(edge_type.fields["node"].type)
        self.below(node_type, nodes, _Parent(name, self.selects_id(node_type, nodes)), depth, in_list=False)

    def selects_id(self, type_: Any, sets: list[SelectionSetNode]) -> bool:
        return any(n.name.value == "id" and n.alias is None for _, n in self.fields(type_, sets))

    def fields(self, type_: Any, sets: list[SelectionSetNode]) -> Iterator[tuple[GraphQLNamedType, FieldNode]]:
        for selection in (one for set_ in sets for one in set_.selections):
            match selection:
                case FieldNode():
                    yield type_, selection
                case InlineFragmentNode(type_condition=condition):
                    inner = self.schema.type_map[condition.name.value] if condition else type_
                    yield from self.fields(inner, [selection.selection_set])
                case FragmentSpreadNode():
                    fragment = self.fragments[selection.name.value]
                    inner = self.schema.type_map[fragment.type_condition.name.value]
                    yield from self.fields(inner, [fragment.selection_set])


def _is_connection(type_: Any) -> bool:
    return type_ is not None and get_named_type(type_).name.endswith("Connection")


def _is_list(type_: Any) -> bool:
    while isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    return isinstance(type_, GraphQLList)
