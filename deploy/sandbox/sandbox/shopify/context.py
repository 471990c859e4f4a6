"""What a resolver may reach: the shop, the subscriptions, and what belongs to this one request."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from graphql import GraphQLResolveInfo

from sandbox.shopify.gids import parse_gid
from sandbox.shopify.idempotency import Idempotency
from sandbox.shopify.knobs import Knobs
from sandbox.shopify.refusals import UserError, invalid_id
from sandbox.shopify.shop import Admission, Shop
from sandbox.shopify.subscriptions import Subscriptions
from sandbox.shopify.webhooks import Webhooks

if TYPE_CHECKING:
    from sandbox.shopify.bulk.operations import BulkOperations
    from sandbox.shopify.bulk.storage import Storage
    from sandbox.shopify.reading.index import SearchIndex


@dataclass(slots=True)
class Operation:
    """An asynchronous product operation; here it is complete before anyone can ask."""

    id: int
    kind: str  # ProductSetOperation | ProductDeleteOperation
    product_id: int | None
    deleted_product_id: int | None = None


@dataclass(slots=True)
class Backstage:
    """Everything that outlives a request."""

    shop: Shop
    subscriptions: Subscriptions
    webhooks: Webhooks
    idempotency: Idempotency
    api_version: str
    bulk: "BulkOperations"
    storage: "Storage"
    scopes: frozenset[str]
    index: "SearchIndex"
    operations: dict[int, Operation] = field(default_factory=dict)


@dataclass(slots=True)
class Request:
    """GraphQL's context value: one for each carrying-out of a request."""

    backstage: Backstage
    knobs: Knobs
    held_keys: frozenset[str] = frozenset()
    base_url: str = ""  # as the caller addressed the simulation: where a result's URL leads
    admission: Admission | None = None
    refusal: tuple[UserError, ...] = ()  # what every mutation in it is refused with, whatever it asks for
    search: list[dict[str, Any]] = field(default_factory=list)

    @property
    def shop(self) -> Shop:
        return self.backstage.shop


Info: TypeAlias = GraphQLResolveInfo[Request]


def request_of(info: Info) -> Request:
    return info.context


def number_of(text: str, kind: str) -> int:
    """The number in a global id of this kind.

    Raises:
        GraphQLError: RESOURCE_NOT_FOUND, as Shopify answers a malformed id or one of another kind.

    """
    found = parse_gid(text)
    if found is None or found.kind != kind:
        raise invalid_id(text)
    return found.number
