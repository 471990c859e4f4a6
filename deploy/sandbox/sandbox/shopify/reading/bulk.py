"""Bulk operations: one, all, and the legacy current one."""

from typing import Any

from sandbox.shopify.bulk.operation import BulkOperation
from sandbox.shopify.context import Info, request_of
from sandbox.shopify.paging import Order
from sandbox.shopify.reading.fields import BY_CREATED, EPOCH, Connection, Resolver, iso, read, searched
from sandbox.shopify.search import Field

BY_COMPLETED: Order[BulkOperation] = Order(lambda o: iso(o.completed_at or EPOCH), lambda o: o.id)


def _status(operation: BulkOperation, info: Info) -> str:
    return request_of(info).backstage.bulk.status(operation)


def found_operations(_source: Any, info: Info, args: dict[str, Any]) -> list[BulkOperation]:
    fields: dict[str, Field[BulkOperation]] = {
        "id": Field("number", lambda o: o.id),
        "status": Field("words", lambda o: [_status(o, info)]),
        "operation_type": Field("words", lambda _: ["query"]),
        "created_at": Field("time", lambda o: o.created_at),
        "completed_at": Field("time", lambda o: o.completed_at),
    }
    found = request_of(info).backstage.bulk.all.values()
    return searched(info, found, args.get("query"), fields, lambda o: o.query)


OPERATIONS = Connection(
    found_operations, lambda _info, args: BY_COMPLETED if args.get("sortKey") == "COMPLETED_AT" else BY_CREATED
)


def current(_source: Any, info: Info, type: str = "QUERY") -> BulkOperation | None:  # noqa: A002 - GraphQL's name
    """The latest of its type, running or not; there are no bulk mutations here."""
    found = request_of(info).backstage.bulk.all
    return found[max(found)] if found and type == "QUERY" else None


def _url(operation: BulkOperation, info: Info) -> str | None:
    request = request_of(info)
    return request.backstage.storage.url(operation, request.base_url)


BULK_OPERATION: dict[str, Resolver] = {
    "id": lambda operation, _: operation.gid,
    "completedAt": read("completed_at"),
    "createdAt": read("created_at"),
    "errorCode": read("error_code"),
    "fileSize": lambda o, _: None if o.file_size is None or o.status != "COMPLETED" else str(o.file_size),
    "objectCount": lambda operation, _: str(operation.object_count),
    "partialDataUrl": lambda operation, info: _url(operation, info) if operation.status == "FAILED" else None,
    "query": read("query"),
    "rootObjectCount": lambda operation, _: str(operation.root_object_count),
    "status": _status,
    "type": lambda _, __: "QUERY",
    "url": lambda operation, info: _url(operation, info) if operation.status == "COMPLETED" else None,
}
