"""Compile a bulk query, once, into functions over the same resolvers that answer every other query.

graphql-core walks the document anew for each of a hundred thousand nodes; a compiled shape only calls the resolvers.
The results are equal: a test compares them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    value_from_ast_untyped,
)
from graphql.execution.values import VariableValues, get_argument_values
from graphql.pyutils import Path

from sandbox.shopify.context import Request
from sandbox.shopify.reading import kind_of
from sandbox.shopify.reading.fields import Absent, Connection
from sandbox.shopify.refusals import not_simulated

Json = dict[str, Any]
Read = Callable[[Any, Any], Any]  # (source, info) -> JSON
PLAIN: dict[str, type] = {"String": str, "ID": str, "Int": int, "Boolean": bool}  # need no coercion when they are that


@dataclass(slots=True)
class BulkInfo:
    """What resolvers read of graphql-core's info."""

    context: Request
    path: Path
    field_name: str


@dataclass(slots=True)
class Shape:
    """One object type's line: its fields in the order selected, and the connections that get lines of their own."""

    fields: list[tuple[str, Read]] = field(default_factory=list)
    branches: list["Branch"] = field(default_factory=list)

    def write(self, source: Any, info: Any) -> Json:
        return {key: read(source, info) for key, read in self.fields}


@dataclass(slots=True)
class Branch:
    """One connection: its items below a node, and the shape of each."""

    number: int
    depth: int
    items: Callable[[Any, Any], list[Any]]
    shape_of: Callable[[Any], Shape]


def compile_bulk(schema: GraphQLSchema, document: DocumentNode, root: FieldNode) -> list[Branch]:
    """All branches by number; the first is the root.

    Raises:
        GraphQLError: NOT_SIMULATED, a field is not.

    """
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    compiler = _Compiler(schema, fragments)
    if schema.query_type is None:
        raise TypeError("The schema has a query type.")
    compiler.branch(schema.query_type, [root], 0, lambda source, _info: source)
    return sorted(compiler.branches, key=lambda branch: branch.number)


@dataclass(slots=True)
class _Compiler:
    schema: GraphQLSchema
    fragments: dict[str, FragmentDefinitionNode]
    branches: list[Branch] = field(default_factory=list)
    numbered: int = 0

    def branch(self, owner: GraphQLObjectType, nodes: list[FieldNode], depth: int, reach: Read) -> Branch:
        """`reach` leads from the parent's node to the object that has the connection."""
        definition, resolve, args = self.field(owner, nodes[0])
        if not isinstance(resolve, Connection):
            raise not_simulated(f"{owner.name}.{nodes[0].name.value} in bulk")
        number, self.numbered = self.numbered, self.numbered + 1
        type_: Any = get_named_type(definition.type)
        edge: Any = get_named_type(type_.fields["edges"].type)
        sets = self.deeper(edge, self.deeper(type_, _sets(nodes), "edges"), "node")
        shape_of = self.shapes(get_named_type(edge.fields["node"].type), sets, depth)

        def items(source: Any, info: Any) -> list[Any]:
            reached = reach(source, info)
            return [] if reached is None and number else resolve.whole(reached, info, args)

        made = Branch(number, depth, items, shape_of)
        self.branches.append(made)
        return made

    def deeper(self, type_: Any, sets: list[SelectionSetNode], name: str) -> list[SelectionSetNode]:
        return [
            set_
            for nodes in self.selected(type_, sets).values()
            if nodes[0].name.value == name
            for set_ in _sets(nodes)
        ]

    def shapes(self, type_: Any, sets: list[SelectionSetNode], depth: int) -> Callable[[Any], Shape]:
        if not is_abstract_type(type_):
            only = self.shape(type_, sets, depth)
            return lambda _source: only
        by_kind = {one.name: self.shape(one, sets, depth) for one in self.schema.get_possible_types(type_)}
        return lambda source: by_kind[kind_of(source)]

    def shape(self, type_: GraphQLObjectType, sets: list[SelectionSetNode], depth: int) -> Shape:
        made = Shape()
        self.fill(made, made, type_, sets, depth, lambda source, _info: source)
        return made

    def fill(
        self, into: Shape, line: Shape, type_: GraphQLObjectType, sets: list[SelectionSetNode], depth: int, reach: Read
    ) -> None:
        """Fields into this object; connections, however deep in plain objects, into the line's branches."""
        for key, nodes in self.selected(type_, sets).items():
            if nodes[0].name.value == "__typename":
                into.fields.append((key, lambda _source, _info, name=type_.name: name))  # type: ignore[misc]
                continue
            definition, resolve, args = self.field(type_, nodes[0])
            named: Any = get_named_type(definition.type)
            if named.name.endswith("Connection"):
                line.branches.append(self.branch(type_, nodes, depth + 1, reach))
                continue
            finish = self.finish(definition.type, named, _sets(nodes), line, depth, _reached(reach, resolve, args))
            into.fields.append((key, _reader(resolve, args, finish)))

    def finish(
        self, type_: Any, named: Any, sets: list[SelectionSetNode], line: Shape, depth: int, reach: Read
    ) -> Read:
        """From what a resolver returned to JSON."""
        if isinstance(type_, GraphQLNonNull):
            return self.finish(type_.of_type, named, sets, line, depth, reach)
        if isinstance(type_, GraphQLList):
            return _listed(self.finish(type_.of_type, named, sets, Shape(), depth, reach))
        if is_leaf_type(named):
            return _leaf(named)
        if is_abstract_type(named):
            known = self.numbered
            shape_of = self.shapes(named, sets, depth)
            if self.numbered > known:
                raise not_simulated(f"A connection below a field of the interface {named.name} in bulk")
            return lambda value, info: None if value is None else shape_of(value).write(value, info)
        inner = Shape()
        self.fill(inner, line, named, sets, depth, reach)
        return lambda value, info: None if value is None else inner.write(value, info)

    def field(self, owner: GraphQLObjectType, node: FieldNode) -> tuple[GraphQLField, Any, Json]:
        definition = owner.fields[node.name.value]
        if isinstance(definition.resolve, Absent):
            raise not_simulated(definition.resolve.what)
        return definition, definition.resolve, get_argument_values(definition, node, VariableValues({}, {}))

    def selected(self, type_: Any, sets: list[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """By response key, in the order of their first mention."""
        merged: dict[str, list[FieldNode]] = {}
        for node in self._flat(type_, sets):
            merged.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
        return merged

    def _flat(self, type_: Any, sets: list[SelectionSetNode]) -> Iterator[FieldNode]:
        for selection in (one for set_ in sets for one in set_.selections):
            if not _included(selection):
                continue
            match selection:
                case FieldNode():
                    yield selection
                case InlineFragmentNode(type_condition=condition):
                    if condition is None or self._applies(condition.name.value, type_):
                        yield from self._flat(type_, [selection.selection_set])
                case FragmentSpreadNode():
                    fragment = self.fragments[selection.name.value]
                    if self._applies(fragment.type_condition.name.value, type_):
                        yield from self._flat(type_, [fragment.selection_set])

    def _applies(self, condition: str, type_: Any) -> bool:
        wanted: Any = self.schema.type_map[condition]
        return wanted is type_ or (is_abstract_type(wanted) and self.schema.is_sub_type(wanted, type_))


def _sets(nodes: list[FieldNode]) -> list[SelectionSetNode]:
    return [node.selection_set for node in nodes if node.selection_set]


def _included(selection: Any) -> bool:
    for directive in selection.directives or ():
        if directive.name.value in {"skip", "include"}:
            wanted = bool(value_from_ast_untyped(directive.arguments[0].value))
            if wanted is (directive.name.value == "skip"):
                return False
    return True


def _reached(reach: Read, resolve: Any, args: Json) -> Read:
    def deeper(source: Any, info: Any) -> Any:
        reached = reach(source, info)
        return None if reached is None else resolve(reached, info, **args)

    return deeper


def _reader(resolve: Any, args: Json, finish: Read) -> Read:
    if args:
        return lambda source, info: finish(resolve(source, info, **args), info)
    return lambda source, info: finish(resolve(source, info), info)


def _listed(finish: Read) -> Read:
    return lambda values, info: None if values is None else [finish(value, info) for value in values]


def _leaf(type_: GraphQLScalarType | GraphQLEnumType) -> Read:
    coerce, plain = type_.coerce_output_value, PLAIN.get(type_.name)

    def finish(value: Any, _info: Any) -> Any:
        return value if value is None or value.__class__ is plain else coerce(value)

    return finish
