"""Read from Shopify what the doctor judges."""

from datetime import datetime, timedelta
from typing import Any

from shared.shopify import Answer, ShopifyClient
from shared.shopify.products import expecting
from syncer.doctor.clocks import Ahead, ahead, narrowed
from syncer.doctor.definitions import Definition, mapped
from syncer.doctor.places import Place
from syncer.doctor.traffic import Newest
from syncer.rules import Rules

GRAIN = timedelta(seconds=1)  # of an HTTP date
MAX_PAGES = 10  # of 250 definitions


class Shop:
    """One visit's reads. Every answer tells Shopify's time as well; together they tell it closely."""

    def __init__(self, client: ShopifyClient, rules: Rules) -> None:
        self._client = client
        self._rules = rules
        self._clocks: list[Ahead] = []

    async def scopes(self) -> frozenset[str]:
        answer = await self._ask("app_scopes")
        with expecting("app_scopes"):
            return frozenset(scope["handle"] for scope in answer.data["currentAppInstallation"]["accessScopes"])

    async def api_versions(self) -> tuple[dict[str, bool], str | None]:
        """By handle, whether it is supported; and the one in which Shopify answered."""
        answer = await self._ask("api_versions")
        with expecting("api_versions"):
            versions = {version["handle"]: bool(version["supported"]) for version in answer.data["publicApiVersions"]}
        return versions, None if answer.postmark is None else answer.postmark.api_version

    async def places(self) -> list[Place]:
        answer = await self._ask("locations", {"includeInactive": True})
        with expecting("locations"):
            nodes = answer.data["locations"]["nodes"]
            return [Place(int(node["legacyResourceId"]), node["name"], node["isActive"]) for node in nodes]

    async def definitions(self) -> list[Definition]:
        """Those in the namespaces that the rules name."""
        found: list[Definition] = []
        for owner, fields in mapped(self._rules).items():
            for namespace in sorted({name.partition(".")[0] for name in fields.values()}):
                found += await self._definitions_in(owner, namespace)
        return found

    async def newest(self) -> Newest | None:
        answer = await self._ask("newest_product")
        with expecting("newest_product"):
            nodes = answer.data["products"]["nodes"]
            if not nodes:
                return None
            return Newest(int(nodes[0]["legacyResourceId"]), datetime.fromisoformat(nodes[0]["updatedAt"]))

    async def clock(self) -> Ahead | None:
        """How far Shopify's clock is ahead, by every answer of this visit."""
        if not self._clocks:
            await self._ask("api_versions")
        return narrowed(self._clocks)

    async def _definitions_in(self, owner: str, namespace: str) -> list[Definition]:
        found: list[Definition] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            variables = {"ownerType": owner, "namespace": namespace, "after": cursor}
            answer = await self._ask("metafield_definitions", variables)
            with expecting("metafield_definitions"):
                page = answer.data["metafieldDefinitions"]
                found += [
                    Definition(owner, f"{namespace}.{node['key']}", node["type"]["name"]) for node in page["nodes"]
                ]
                if not page["pageInfo"]["hasNextPage"]:
                    break
                cursor = page["pageInfo"]["endCursor"]
        return found

    async def _ask(self, document: str, variables: dict[str, Any] | None = None) -> Answer:
        answer = await self._client.execute(document, variables)
        mark = answer.postmark
        if mark is not None and mark.date is not None:
            self._clocks.append(ahead(answer.read_began_at, mark.date, mark.arrived_at, GRAIN))
        return answer
