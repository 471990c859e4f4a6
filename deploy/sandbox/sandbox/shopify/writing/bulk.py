"""bulkOperationRunQuery, bulkOperationCancel."""

import asyncio
from typing import Any

from graphql.pyutils import Path

from sandbox.shopify.bulk.operation import BulkOperation
from sandbox.shopify.bulk.plan import BulkInfo, compile_bulk
from sandbox.shopify.bulk.rules import check
from sandbox.shopify.bulk.running import Running
from sandbox.shopify.context import Info, Request, number_of, request_of
from sandbox.shopify.shop import Action
from sandbox.shopify.writing.frame import Payload, perform


def run_query(_source: Any, info: Info, **arguments: Any) -> Payload:
    request = request_of(info)

    def effect(action: Action) -> Payload:
        document, root = check(info.schema, arguments["query"])
        branches = compile_bulk(info.schema, document, root)
        bulk = request.backstage.bulk
        bulk_info = BulkInfo(
            Request(request.backstage, request.knobs), Path(None, root.name.value, None), root.name.value
        )

        def carry_out(operation: BulkOperation) -> asyncio.Task[None]:
            running = Running(operation, bulk, branches[0], bulk_info, bulk.take_fault())
            return asyncio.create_task(running.carry_out(), name=operation.gid)

        operation = bulk.start(arguments["query"], arguments["groupObjects"], carry_out)
        action.did(f"bulk operation {operation.id} created")
        return {"bulkOperation": operation}

    return perform(info, arguments, effect, ("bulkOperation",))


def cancel(_source: Any, info: Info, **arguments: Any) -> Payload:
    number = number_of(arguments["id"], "BulkOperation")

    def effect(action: Action) -> Payload:
        operation = request_of(info).backstage.bulk.cancel(number)
        action.did(f"bulk operation {number} canceled")
        return {"bulkOperation": operation}

    return perform(info, arguments, effect, ("bulkOperation",))
