"""Compare the projection with Shopify's plain truth, field by field: as organizers and anyone read it, and in SQL.

What an event must say is worked out anew in `expected`; nothing here knows the code that is judged.
"""

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx2
from expected import LEVEL, VENUE, expected_event, for_anyone, plain

Json = dict[str, Any]

AT_ONCE = 16  # requests
SHOWN = 40  # differences in a report


@dataclass(frozen=True)
class Difference:
    """`where`: organizers, anyone or tables."""

    event_id: int
    where: str
    field: str
    ours: Any
    theirs: Any

    def __str__(self) -> str:
        return f"event {self.event_id}, {self.where}: {self.field} is {self.ours!r}, in Shopify {self.theirs!r}"


class Checker:
    """Asks over HTTP and SQL, so it can judge any system, wherever it runs. `token` has the scope events:read."""

    def __init__(self, shopify: str, read_api: str, token: str, dsn: str, currency: str = "EUR") -> None:
        self._shopify, self._read_api, self._dsn, self._currency = shopify, read_api, dsn, currency
        self._authorized = {"Authorization": f"Bearer {token}"}

    async def differences(self, only: Collection[int] | None = None) -> list[Difference]:
        """Of all events, or of those with the ids `only`. The system must have settled."""
        async with httpx2.AsyncClient(trust_env=False, timeout=30.0) as http:
            truths = (await http.get(f"{self._shopify}/control/products")).raise_for_status().json()["products"]
            theirs = {truth["id"]: truth for truth in truths if only is None or truth["id"] in only}
            tables = await self._tables()
            ours = {event_id for event_id in tables.events if only is None or event_id in only}
            limit = asyncio.Semaphore(AT_ONCE)

            async def compare(event_id: int) -> list[Difference]:
                async with limit:
                    truth = theirs.get(event_id)
                    expected = None if truth is None else expected_event(truth, self._currency)
                    return [
                        *(await self._as_read(http, event_id, expected)),
                        *tables.differences(event_id, expected),
                    ]

            compared = await asyncio.gather(*(compare(event_id) for event_id in sorted(ours | theirs.keys())))
        return [difference for found in compared for difference in found]

    async def check(self, only: Collection[int] | None = None) -> None:
        """AssertionError with a readable report unless everything is equal."""
        found = await self.differences(only)
        more = f"\n… and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        assert not found, f"{len(found)} differences:\n" + "\n".join(map(str, found[:SHOWN])) + more

    async def _as_read(self, http: httpx2.AsyncClient, event_id: int, expected: Json | None) -> list[Difference]:
        managed = await http.get(f"{self._read_api}/v1/manage/events/{event_id}", headers=self._authorized)
        public = await http.get(f"{self._read_api}/v1/events/{event_id}")
        shown = expected is not None and expected["status"] == "active"
        return [
            *_document(event_id, "organizers", managed, expected),
            *_document(event_id, "anyone", public, for_anyone(expected) if expected and shown else None),
        ]

    async def _tables(self) -> "Tables":
        connection = await asyncpg.connect(self._dsn)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return Tables(
                    {row["id"]: row for row in await connection.fetch("SELECT * FROM events")},
                    await connection.fetch("SELECT * FROM tickets ORDER BY position, id"),
                    await connection.fetch("SELECT * FROM inventory_levels"),
                )
        finally:
            await connection.close()


class Tables:
    def __init__(
        self, events: dict[int, asyncpg.Record], tickets: list[asyncpg.Record], levels: list[asyncpg.Record]
    ) -> None:
        self.events = events
        self._tickets: dict[int, list[asyncpg.Record]] = {}
        for ticket in tickets:
            self._tickets.setdefault(ticket["event_id"], []).append(ticket)
        self._levels: dict[int, list[asyncpg.Record]] = {}
        for level in levels:
            self._levels.setdefault(level["inventory_item_id"], []).append(level)

    def differences(self, event_id: int, expected: Json | None) -> list[Difference]:
        row, tickets = self.events.get(event_id), self._tickets.get(event_id, [])
        if row is None:
            return [Difference(event_id, "tables", "row", None, "there")]
        if expected is None:
            return list(_gone(event_id, row, tickets))
        if row["deleted_at"] is not None:
            return [Difference(event_id, "tables", "deleted_at", row["deleted_at"], None)]
        return list(_differing(event_id, "tables", self._as_document(row, tickets), _rowed(expected)))

    def _as_document(self, row: asyncpg.Record, tickets: list[asyncpg.Record]) -> Json:
        named = {name: plain(row[name]) for name in _COLUMNS}
        venue = {name: row[f"venue_{name}"] for name in VENUE}
        return {**named, "venue": venue, "tickets": [self._ticket(ticket) for ticket in tickets]}

    def _ticket(self, row: asyncpg.Record) -> Json:
        named = {name: plain(row[name]) for name in _TICKET_COLUMNS}
        stocked = sorted(
            (
                {"location_id": str(level["location_id"]), **{name: level[name] for name in LEVEL}}
                for level in self._levels.get(row["inventory_item_id"], [])
                if level["available"] is not None
            ),
            key=lambda level: int(level["location_id"]),
        )
        ids = {"id": str(row["id"]), "inventory_item_id": str(row["inventory_item_id"])}
        return {**named, **ids, "locations": stocked}


_COLUMNS = {
    "handle", "title", "subtitle", "description_html", "status", "category", "tags", "organizer", "starts_at",
    "ends_at", "timezone", "currency", "price_min", "price_max", "capacity", "sold", "available", "availability",
    "created_at", "updated_at", "data_complete",
}  # fmt: skip
_TICKET_COLUMNS = {
    "name", "type", "sku", "price", "compare_at_price", "capacity", "capacity_source", "sold", "available",
    "max_per_order", "visible", "status", "position",
}  # fmt: skip


def _rowed(expected: Json) -> Json:
    """The same in the tables: no availability for each ticket, images and ids apart."""
    tickets = [
        {name: value for name, value in ticket.items() if name != "availability"} for ticket in expected["tickets"]
    ]
    return {name: value for name, value in expected.items() if name not in ("id", "images")} | {"tickets": tickets}


def _document(event_id: int, where: str, answer: httpx2.Response, expected: Json | None) -> Iterator[Difference]:
    status = 200 if expected is not None else 404
    if answer.status_code != status:
        yield Difference(event_id, where, "status code", answer.status_code, status)
        return
    if expected is None:
        return
    document = answer.json()
    if answer.headers["X-Revision"] != str(document["revision"]):
        yield Difference(event_id, where, "X-Revision", answer.headers["X-Revision"], document["revision"])
    ours = {name: value for name, value in document.items() if name not in ("revision", "synced_at")}
    yield from _differing(event_id, where, ours, expected)


def _gone(event_id: int, row: asyncpg.Record, tickets: list[asyncpg.Record]) -> Iterator[Difference]:
    if row["deleted_at"] is None:
        yield Difference(event_id, "tables", "deleted_at", None, "deleted")
    if tickets:
        yield Difference(event_id, "tables", "tickets", [ticket["id"] for ticket in tickets], [])


def _differing(event_id: int, where: str, ours: Any, theirs: Any, path: str = "") -> Iterator[Difference]:
    """Walk both; lists of dictionaries that have ids are matched by id, and their order is compared, too."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name in sorted(theirs.keys() | ours.keys()):
            dotted = f"{path}.{name}" if path else name
            if name not in ours or name not in theirs:
                ours_here, theirs_here = ours.get(name, "(absent)"), theirs.get(name, "(absent)")
                yield Difference(event_id, where, dotted, ours_here, theirs_here)
                continue
            yield from _differing(event_id, where, ours[name], theirs[name], dotted)
    elif isinstance(theirs, list) and isinstance(ours, list) and theirs and isinstance(theirs[0], dict):
        yield from _differing_lists(event_id, where, ours, theirs, path)
    elif theirs != ours:  # this way round: what is observed knows what it accepts
        yield Difference(event_id, where, path, ours, theirs)


def _differing_lists(event_id: int, where: str, ours: list[Any], theirs: list[Any], path: str) -> Iterator[Difference]:
    key = next((name for name in ("id", "location_id") if name in theirs[0]), None)
    if key is None:
        if len(ours) != len(theirs):
            yield Difference(event_id, where, path, ours, theirs)
            return
        for place, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differing(event_id, where, our, their, f"{path}[{place}]")
        return
    our_ids, their_ids = [one[key] for one in ours], [one[key] for one in theirs]
    if our_ids != their_ids:
        yield Difference(event_id, where, f"{path} ({key}s in order)", our_ids, their_ids)
    known = {one[key]: one for one in ours}
    for their in theirs:
        if their[key] in known:
            yield from _differing(event_id, where, known[their[key]], their, f"{path}[{their[key]}]")
