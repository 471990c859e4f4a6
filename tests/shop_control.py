"""The simulated Shopify's control API: what a merchant, a buyer or a saboteur does, and the plain truth of the shop."""

from typing import Any
from urllib.parse import urlencode

import httpx2

Json = dict[str, Any]

FLUSH_WITHIN = 30.0  # seconds


class ShopControl:
    """All methods raise httpx2.HTTPStatusError for what the shop refuses. Ids are numbers, money strings."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx2.AsyncClient(base_url=f"{url}/control", trust_env=False, timeout=FLUSH_WITHIN + 5)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def state(self) -> Json:
        return await self._ask("GET", "/state")

    async def truth(self) -> list[Json]:
        """Every product, whole."""
        found: list[Json] = (await self._ask("GET", "/products"))["products"]
        return found

    async def product(self, product_id: int) -> Json:
        return await self._ask("GET", f"/products/{product_id}")

    async def create(self, title: str, variants: list[Json] | None = None, **fields: Any) -> Json:
        """`variants` as {"title", "price", "quantity" or "quantities": {location: n}, "metafields": […]}."""
        return await self._ask("POST", "/products", {"title": title, "variants": variants or [], **fields})

    async def edit(self, product_id: int, **fields: Any) -> Json:
        """`variants` as [{"id", …}], `metafields` as `metafield(…)` makes them; returns the product as it is now."""
        return await self._ask("PATCH", f"/products/{product_id}", fields)

    async def delete(self, product_id: int) -> None:
        await self._ask("DELETE", f"/products/{product_id}")

    async def add_variant(self, product_id: int, title: str, **fields: Any) -> Json:
        return await self._ask("POST", f"/products/{product_id}/variants", {"title": title, **fields})

    async def delete_variant(self, variant_id: int) -> None:
        await self._ask("DELETE", f"/variants/{variant_id}")

    async def sell(self, variant_id: int, quantity: int = 1, location_id: int | None = None) -> Json:
        sale = {"variant_id": variant_id, "quantity": quantity, "location_id": location_id}
        return await self._ask("POST", "/sell", sale)

    async def stock(self, variant_id: int, available: int | None, location_id: int) -> Json:
        """Set what is available at a location; None takes the item off it."""
        stocking = {"variant_id": variant_id, "available": available, "location_id": location_id}
        return await self._ask("POST", "/inventory", stocking)

    async def locations(self) -> list[int]:
        return [location["id"] for location in (await self._ask("GET", "/locations"))["locations"]]

    async def open_location(self, location_id: int) -> None:
        await self._ask("PATCH", f"/locations/{location_id}", {"active": True})

    async def close_location(self, location_id: int) -> None:
        """Everything there is unstocked."""
        await self._ask("PATCH", f"/locations/{location_id}", {"active": False})

    async def add_location(self, name: str) -> int:
        made: int = (await self._ask("POST", "/locations", {"name": name}))["id"]
        return made

    async def clear_subscriptions(self) -> int:
        """Delete every webhook subscription, silently; how many there were."""
        deleted: int = (await self._ask("DELETE", "/subscriptions"))["deleted"]
        return deleted

    async def scopes(self) -> list[str]:
        found: list[str] = (await self._ask("GET", "/scopes"))["scopes"]
        return found

    async def grant(self, *scopes: str) -> None:
        """Exactly these access scopes, from now on."""
        await self._ask("PUT", "/scopes", {"scopes": list(scopes)})

    async def definitions(self) -> list[Json]:
        """Of metafields: id, owner_type (PRODUCT | PRODUCTVARIANT), namespace, key, type, name."""
        found: list[Json] = (await self._ask("GET", "/definitions"))["definitions"]
        return found

    async def define(self, owner_type: str, namespace: str, key: str, type_: str = "single_line_text_field") -> Json:
        wanted = {"owner_type": owner_type, "namespace": namespace, "key": key, "type": type_}
        return await self._ask("POST", "/definitions", wanted)

    async def forget_definition(self, definition_id: int) -> None:
        await self._ask("DELETE", f"/definitions/{definition_id}")

    async def bulk_operations(self) -> list[Json]:
        """Oldest first: id (gid), status, error_code, object_count, root_object_count, file_size, query."""
        found: list[Json] = (await self._ask("GET", "/bulk_operations"))["bulk_operations"]
        return found

    async def expire_results(self) -> int:
        """Every result URL handed out so far is dead, COMPLETED operations are EXPIRED; how many there were."""
        expired: int = (await self._ask("POST", "/bulk_operations/expire"))["expired"]
        return expired

    async def throttled(self) -> int:
        """How many requests were ever answered THROTTLED."""
        found: int = (await self.state())["throttled"]
        return found

    async def deleted(self) -> int:
        """How many products were ever deleted."""
        found: int = (await self.state())["deleted_products"]
        return found

    async def turn(self, **knobs: Any) -> Json:
        """Change some knobs; returns all of them."""
        return await self._ask("PATCH", "/knobs", knobs)

    # Faults, aimed: see sandbox.shopify.faults

    async def fault(
        self, mutation: str | None = None, *, effect: str = "once", answer: str = "given", **more: Any
    ) -> int:
        """Arm one, for the next request that fits; its id.

        effect: none, once, twice (the second one's answer is given), late (with `effect_after` seconds).
        answer: given, error (`status`, 502; `retry_after`), closed, hangs, throttled, internal_error, refused (with
        `user_errors`, each field, message, code; effect none).
        more: `match` (what occurs in the variables, as JSON without spaces), `times`, `seconds` (the answer comes so
        much later), `query` (a root field of a query, instead of a mutation).
        """
        wanted = {"mutation": mutation, "effect": effect, "answer": answer, **more}
        armed: int = (await self._ask("POST", "/faults", wanted))["id"]
        return armed

    async def fails_before(self, mutation: str | None = None, **more: Any) -> int:
        """503, and no effect."""
        return await self.fault(mutation, **{"effect": "none", "answer": "error", "status": 503, **more})

    async def loses_answer(self, mutation: str | None = None, **more: Any) -> int:
        """It takes effect, and the caller gets a 502 (or what `answer` says)."""
        return await self.fault(mutation, **{"effect": "once", "answer": "error", "status": 502, **more})

    async def takes_effect_late(self, mutation: str | None = None, *, after: float, **more: Any) -> int:
        """The caller gets its 502 (or what `answer` says) at once; `after` seconds from admission it happens."""
        return await self.fault(mutation, **{"effect": "late", "effect_after": after, "answer": "error", **more})

    async def faults(self) -> list[Json]:
        """Those left: their ids, how many requests each has `left`, and what they were armed with."""
        found: list[Json] = (await self._ask("GET", "/faults"))["faults"]
        return found

    async def struck(self, fault_id: int | None = None) -> list[Json]:
        """Every strike (of that fault), oldest first: id, at, fields."""
        found: list[Json] = (await self._ask("GET", "/faults"))["struck"]
        return [one for one in found if fault_id in {None, one["id"]}]

    async def late_effects_due(self) -> int:
        due: int = (await self._ask("GET", "/faults"))["late_effects_due"]
        return due

    async def clear_faults(self) -> int:
        """How many were armed. What is under way goes on, late effects too."""
        cleared: int = (await self._ask("DELETE", "/faults"))["cleared"]
        return cleared

    async def journal(self, action: str | None = None, origin: str | None = "admin", after: int = 0) -> list[Json]:
        """Every call with its effects in the order in which they happened; those of the app, unless `origin` is None.

        Each has sequence, at, origin, action (productUpdate), input, effects (empty: it changed nothing), user_errors;
        of the app's also request (its number by order of admission) and admitted_at. A request that was carried out
        twice has two entries with one `request`. AssertionError when entries after `after` are already forgotten.
        """
        asked = {"after": after, "limit": 100_000, "origin": origin, "action": action}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        answer = await self._ask("GET", f"/journal?{query}")
        assert answer["forgotten"] <= after, f"the journal has forgotten everything up to {answer['forgotten']}"
        entries: list[Json] = answer["entries"]
        return entries

    async def journal_end(self) -> int:
        """The sequence number of the last entry: what is `after` it is new."""
        last: int = (await self._ask("GET", "/journal?limit=1"))["last"]
        return last

    async def flush(self, within: float = FLUSH_WITHIN) -> None:
        """Until no webhook is on its way, retries included. AssertionError when the time is up first."""
        answer = await self._ask("POST", f"/webhooks/flush?timeout={within}")
        assert answer["flushed"], f"{answer['pending']} webhooks are still on their way after {within:g} s"

    async def send(self, topic: str, **webhook: Any) -> None:
        """A signed webhook made by hand: `body` or `raw`, `headers`, `secret`, `url`."""
        await self._ask("POST", "/webhooks/send", {"topic": topic, **webhook})

    async def _ask(self, method: str, path: str, body: Any = None) -> Json:
        answer = await self._http.request(method, path, json=body)
        if answer.is_error:
            raise httpx2.HTTPStatusError(answer.text, request=answer.request, response=answer)
        told: Json = answer.json()
        return told


def metafield(name: str, value: str | None, type_: str = "single_line_text_field") -> Json:
    """`name` as in "event.subtitle"; a value of None removes it."""
    namespace, _, key = name.partition(".")
    return {"namespace": namespace, "key": key, "value": value, "type": type_}
