"""What a query costs: requested before it runs, actual from what it returned. Pure.

The formula (docs/shopify.md 2.4): an object or list of objects 1, value types 0, a connection 2 plus its weight times
its node's cost, a root count 10, a mutation 10 and what lies below its payload's own fields.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import floor, log
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    value_from_ast_untyped,
)

VALUE_TYPES = frozenset(
    {
        "ApiVersion",
        "InventoryItemMeasurement",
        "LocationAddress",
        "MailingAddress",
        "MoneyBag",
        "MoneyV2",
        "ShopAddress",
        "WebhookSubscriptionEndpoint",
        "Weight",
    }
)
TRANSPARENT = frozenset({"edges", "node", "nodes", "pageInfo"})
MUTATION = 10
DEAR_MUTATIONS = {"fileCreate": 20, "refundCreate": 20, "orderCapture": 20, "productCreateMedia": 20}
ROOT_COUNT = 10
CONNECTION = 2
PER_VARIANT = 0.2

ASKED = object()  # stands for "not run yet": price what was asked, not what came back


def weight(size: int) -> int:
    """How much a page of this many nodes weighs: 1 -> 1, 10 -> 4, 50 -> 7, 250 -> 11."""
    return floor(2 * log(max(2, size))) if size > 0 else 0


@dataclass(slots=True)
class FieldCost:
    """One line of the cost debug header's answer."""

    path: list[str]
    defined: float
    total: float
    children: float

    def as_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "definedCost": int(self.defined),
            "requestedTotalCost": round(self.total),
            "requestedChildrenCost": round(self.children) if self.children else None,
        }


@dataclass(slots=True)
class _Asked:
    """A field to price, with the type condition it stands under."""

    condition: GraphQLCompositeType
    nodes: list[FieldNode]


@dataclass(slots=True)
class Pricer:
    """Prices one operation. `variables` are coerced values."""

    schema: GraphQLSchema
    document: DocumentNode
    operation: OperationDefinitionNode
    variables: dict[str, Any]
    lines: list[FieldCost] = field(default_factory=list)
    _merged: dict[tuple[Any, ...], list[tuple[str, _Asked]]] = field(default_factory=dict)

    def requested(self) -> int:
        """The static cost; fills `lines` for the debug header."""
        return round(self._root(ASKED))

    def actual(self, data: dict[str, Any] | None, requested: int) -> int:
        """The same formula on what came back, never above the requested cost."""
        return min(requested, round(self._root(data or {})))

    def _root(self, data: Any) -> float:
        root = self.schema.get_root_type(self.operation.operation)
        if root is None:
            return 0
        asked = self._asked([self.operation.selection_set], root)
        if self.operation.operation is OperationType.MUTATION:
            return sum(self._mutation(root, key, field_.nodes, data) for key, field_ in asked)
        return sum(self._field(root, field_.nodes, _at(data, key), [key], root=True) for key, field_ in asked)

    def _mutation(self, root: GraphQLObjectType, key: str, nodes: list[FieldNode], data: Any) -> float:
        name = nodes[0].name.value
        payload = get_named_type(root.fields[name].type)
        result = _at(data, key)
        below = 0.0
        if isinstance(payload, GraphQLObjectType) and result is not None:
            for child_key, child in self._asked(_sets(nodes), payload):
                child_type = get_named_type(payload.fields[child.nodes[0].name.value].type)
                below += self._children(child_type, child.nodes, _at(result, child_key), [key, child_key])
        base = DEAR_MUTATIONS.get(name, MUTATION) + round(PER_VARIANT * self._variants(name, nodes[0]))
        self._line([key], base, below, data)
        return base + below

    def _variants(self, name: str, node: FieldNode) -> int:
        arguments = {a.name.value: value_from_ast_untyped(a.value, self.variables) for a in node.arguments or ()}
        if name == "productSet":
            return len((arguments.get("input") or {}).get("variants") or ())
        if name.startswith("productVariantsBulk"):
            return len(arguments.get("variants") or ())
        return 0

    def _field(
        self, parent: GraphQLCompositeType, nodes: list[FieldNode], data: Any, path: list[str], *, root: bool = False
    ) -> float:
        if isinstance(parent, GraphQLUnionType) or nodes[0].name.value.startswith("__") or data is None:
            return 0
        named = get_named_type(parent.fields[nodes[0].name.value].type)
        if is_leaf_type(named) or named.name in VALUE_TYPES:
            return 0
        if named.name == "Count":
            cost = ROOT_COUNT if root else 1
            self._line(path, cost, 0, data)
            return cost
        if named.name.endswith("Connection"):
            return self._connection(named, nodes, data, path)
        children = self._children(named, nodes, data, path)
        self._line(path, 1, children, data)
        return 1 + children

    def _connection(self, type_: Any, nodes: list[FieldNode], data: Any, path: list[str]) -> float:
        if data is ASKED:
            size = max((self._size(node) for node in nodes), default=0)
            node_cost = 1 + self._node_children(type_, nodes, [ASKED], path)
        else:
            found = _nodes(data)
            size = len(found)
            node_cost = 1 + self._node_children(type_, nodes, found, path) / max(1, size)
        cost = CONNECTION + weight(size) * node_cost
        self._line(path, CONNECTION, cost - CONNECTION, data)
        return cost

    def _node_children(
        self, type_: GraphQLObjectType, nodes: list[FieldNode], found: list[Any], path: list[str]
    ) -> float:
        total = 0.0
        for _, asked in self._asked(_sets(nodes), type_):
            name = asked.nodes[0].name.value
            if name == "edges":
                edge = get_named_type(type_.fields["edges"].type)
                inner = [
                    n
                    for _, a in self._asked(_sets(asked.nodes), edge)
                    if a.nodes[0].name.value == "node"
                    for n in a.nodes
                ]
                if inner:
                    total += self._node_total(
                        get_named_type(edge.fields["node"].type), inner, found, [*path, "edges", "node"]
                    )
            elif name == "nodes":
                total += self._node_total(
                    get_named_type(type_.fields["nodes"].type), asked.nodes, found, [*path, "nodes"]
                )
        return total

    def _node_total(self, type_: Any, nodes: list[FieldNode], found: list[Any], path: list[str]) -> float:
        return sum(self._children(type_, nodes, data, path) for data in found)

    def _size(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in {"first", "last"}:
                value = value_from_ast_untyped(argument.value, self.variables)
                return int(value) if isinstance(value, int) else 0
        return 0

    def _children(self, type_: Any, nodes: list[FieldNode], data: Any, path: list[str]) -> float:
        """The cost below an object or a list of objects; a list weighs as its dearest element."""
        if data is None or is_leaf_type(type_):
            return 0
        if isinstance(data, list):
            return max((self._children(type_, nodes, element, path) for element in data), default=0)
        asked = self._asked(_sets(nodes), type_)
        if data is not ASKED:
            present = [(key, a) for key, a in asked if key in data]
            return sum(self._field(a.condition, a.nodes, data[key], [*path, key]) for key, a in present)
        if not is_abstract_type(type_):
            return sum(self._field(a.condition, a.nodes, ASKED, [*path, key]) for key, a in asked)
        return max(
            sum(
                self._field(a.condition, a.nodes, ASKED, [*path, key])
                for key, a in asked
                if self._applies(a.condition, concrete)
            )
            for concrete in [*self.schema.get_possible_types(type_)]
        )

    def _applies(self, condition: GraphQLCompositeType, concrete: GraphQLObjectType) -> bool:
        if isinstance(condition, GraphQLInterfaceType | GraphQLUnionType):
            return self.schema.is_sub_type(condition, concrete)
        return condition is concrete

    def _asked(self, sets: list[SelectionSetNode], type_: GraphQLCompositeType) -> list[tuple[str, _Asked]]:
        """The fields selected, merged by response key and type condition; looked up again for every returned node."""
        place: tuple[Any, ...] = (*map(id, sets), type_.name)
        if place not in self._merged:
            merged: dict[tuple[str, str], _Asked] = {}
            for condition, node in self._flat(sets, type_):
                key = node.alias.value if node.alias else node.name.value
                merged.setdefault((key, condition.name), _Asked(condition, [])).nodes.append(node)
            self._merged[place] = [(key, asked) for (key, _), asked in merged.items()]
        return self._merged[place]

    def _flat(
        self, sets: Iterable[SelectionSetNode], type_: GraphQLCompositeType
    ) -> Iterator[tuple[GraphQLCompositeType, FieldNode]]:
        for selection_set in sets:
            for selection in selection_set.selections:
                if not self._included(selection):
                    continue
                match selection:
                    case FieldNode():
                        yield type_, selection
                    case InlineFragmentNode():
                        inner = self._type(selection.type_condition.name.value) if selection.type_condition else type_
                        yield from self._flat([selection.selection_set], inner)
                    case FragmentSpreadNode():
                        fragment = self._fragment(selection.name.value)
                        inner = self._type(fragment.type_condition.name.value)
                        yield from self._flat([fragment.selection_set], inner)

    def _included(self, selection: Any) -> bool:
        for directive in selection.directives or ():
            name = directive.name.value
            if name in {"skip", "include"}:
                wanted = bool(value_from_ast_untyped(directive.arguments[0].value, self.variables))
                if wanted is (name == "skip"):
                    return False
        return True

    def _type(self, name: str) -> Any:
        return self.schema.type_map[name]

    def _fragment(self, name: str) -> FragmentDefinitionNode:
        return next(
            d for d in self.document.definitions if isinstance(d, FragmentDefinitionNode) and d.name.value == name
        )

    def _line(self, path: list[str], own: float, children: float, data: Any) -> None:
        if data is ASKED:
            self.lines.append(FieldCost(path, own, own + children, children))


def _sets(nodes: list[FieldNode]) -> list[SelectionSetNode]:
    return [node.selection_set for node in nodes if node.selection_set]


def _at(data: Any, key: str) -> Any:
    return ASKED if data is ASKED else data.get(key)


def _nodes(data: dict[str, Any]) -> list[Any]:
    """The nodes of a returned connection, whichever way they were asked for; aliases are looked through by shape."""
    for value in data.values():
        if isinstance(value, list):
            return [element.get("node", element) if isinstance(element, dict) else element for element in value]
    return []
