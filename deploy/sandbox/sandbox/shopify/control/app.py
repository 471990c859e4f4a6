"""The app in the shop: its access scopes, its webhook subscriptions, the metafields that are defined for it."""

from dataclasses import dataclass

from fastapi import APIRouter, HTTPException

from sandbox.shopify.bulk.operation import BulkOperation
from sandbox.shopify.context import Backstage
from sandbox.shopify.control.shapes import DefinitionIn, Json, ScopesIn
from sandbox.shopify.shapes import Definition
from sandbox.shopify.truth import iso
from sandbox.shopify.writing.definitions import define, problems


@dataclass(slots=True)
class AppDesk:
    backstage: Backstage

    def add_to(self, router: APIRouter) -> None:
        router.add_api_route("/scopes", self.scopes, methods=["GET"])
        router.add_api_route("/scopes", self.set_scopes, methods=["PUT"])
        router.add_api_route("/subscriptions", self.clear_subscriptions, methods=["DELETE"])
        router.add_api_route("/definitions", self.definitions, methods=["GET"])
        router.add_api_route("/definitions", self.define, methods=["POST"], status_code=201)
        router.add_api_route("/definitions/{definition_id}", self.forget_definition, methods=["DELETE"])
        router.add_api_route("/bulk_operations", self.bulk_operations, methods=["GET"])
        router.add_api_route("/bulk_operations/expire", self.expire, methods=["POST"])

    async def scopes(self) -> Json:
        return {"scopes": sorted(self.backstage.scopes)}

    async def set_scopes(self, wanted: ScopesIn) -> Json:
        """What the merchant granted; in force at once."""
        self.backstage.scopes = frozenset(wanted.scopes)
        return await self.scopes()

    async def clear_subscriptions(self) -> Json:
        """All of them are gone, with what was waiting for them; nobody is told, as when Shopify removes them."""
        subscriptions = self.backstage.subscriptions
        numbers = list(subscriptions.all)
        for number in numbers:
            subscriptions.forget(number)
            self.backstage.webhooks.courier.cancel(number)
        return {"deleted": len(numbers)}

    async def definitions(self) -> Json:
        return {"definitions": [_definition(one) for one in self.backstage.shop.definitions.values()]}

    async def define(self, wanted: DefinitionIn) -> Json:
        asked = wanted.model_dump()
        asked |= {"ownerType": wanted.owner_type, "name": wanted.name or wanted.key}
        if found := problems(self.backstage.shop, asked):
            raise HTTPException(409, "; ".join(problem.message for problem in found))
        made = define(self.backstage.shop, wanted.owner_type, wanted.namespace, wanted.key, wanted.type, wanted.name)
        return _definition(made)

    async def forget_definition(self, definition_id: int) -> Json:
        if self.backstage.shop.definitions.pop(definition_id, None) is None:
            raise HTTPException(404, "No such definition.")
        return {"deleted": definition_id}

    async def bulk_operations(self) -> Json:
        """Oldest first."""
        bulk = self.backstage.bulk
        return {"bulk_operations": [bulk_truth(one, bulk.status(one)) for one in bulk.all.values()]}

    async def expire(self) -> Json:
        """Every URL handed out so far is dead; COMPLETED operations are EXPIRED."""
        return {"expired": self.backstage.bulk.expire()}


def bulk_truth(operation: BulkOperation, status: str) -> Json:
    return {
        "id": operation.gid,
        "status": status,
        "error_code": operation.error_code,
        "object_count": operation.object_count,
        "root_object_count": operation.root_object_count,
        "file_size": operation.file_size,
        "created_at": iso(operation.created_at),
        "completed_at": iso(operation.completed_at),
        "query": operation.query,
    }


def _definition(definition: Definition) -> Json:
    return {
        "id": definition.id,
        "owner_type": definition.owner_type,
        "namespace": definition.namespace,
        "key": definition.key,
        "type": definition.type,
        "name": definition.name,
    }
