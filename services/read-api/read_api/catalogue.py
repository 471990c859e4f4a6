"""Every document there is to read: its tag, its name, and how it is loaded from the projections."""

from dataclasses import dataclass

import orjson
from asyncpg import Record

from read_api.audience import Audience
from read_api.cursor import Position
from read_api.database import Database
from read_api.listing import SQL, page_query
from read_api.parameters import Question
from read_api.reader import Answer, Reader
from shared.postgres import NotMigrated
from shared.tags import EVENTS, Document, event_tag

FOUND, NOT_FOUND = 200, 404
EMPTY = b'{"events":[]'  # how a list without events begins
NEXT_CURSOR = b',"next_cursor":'  # the last member of a list, so that it can be read from the end


@dataclass(frozen=True, slots=True)
class Named:
    """An answer, and the identity that its entity tag is made of."""

    answer: Answer
    identity: str

    @property
    def next_cursor(self) -> str | None:
        cursor: str | None = orjson.loads(self.answer.document.body.rpartition(NEXT_CURSOR)[2].removesuffix(b"}"))
        return cursor


class Catalogue:
    """All methods raise Unavailable when neither Redis nor PostgreSQL can answer."""

    def __init__(self, reader: Reader, database: Database) -> None:
        self._reader = reader
        self._database = database

    async def event(self, audience: Audience, event_id: int) -> Named:
        return await self._of_event(audience, event_id, "event")

    async def tickets(self, audience: Audience, event_id: int) -> Named:
        return await self._of_event(audience, event_id, "tickets")

    async def by_handle(self, audience: Audience, handle: str) -> Named:
        """The event that has this handle now. Which one it is belongs to the lists: they change whenever it does.

        Redis is not asked which one: a handle each would take the room of the lists, for one look into an index. The
        event's document is shared with those who ask by id.
        """
        name = f"{audience}:handle:{handle}"

        async def load() -> Document:
            row = await self._row(getattr(SQL, f"{audience}_handle"), handle=handle)
            if row["id"] is None:
                return Document(row["revision"], NOT_FOUND, b"")
            return Document(row["revision"], FOUND, b"%d" % row["id"])

        found = await self._reader.read(EVENTS, name, load, keep=None)
        if found.document.status != FOUND:
            return Named(found, name)
        return await self.event(audience, int(found.document.body))

    async def page(self, question: Question) -> Named:
        name = f"{question.audience}:{question.name}"

        async def load() -> Document:
            return _page(question, await self._database.fetch(*page_query(question)))

        return Named(await self._reader.read(EVENTS, name, load, _has_items if question.is_usual else None), name)

    async def categories(self) -> Named:
        async def load() -> Document:
            row = await self._row(SQL.categories)
            return Document(row["revision"], FOUND, b'{"categories":%b}' % row["body"].encode())

        name = f"{Audience.PUBLIC}:categories"
        return Named(await self._reader.read(EVENTS, name, load), name)

    async def _of_event(self, audience: Audience, event_id: int, kind: str) -> Named:
        async def load() -> Document:
            rows = await self._database.rows(getattr(SQL, f"{audience}_{kind}"), id=event_id)
            if not rows:
                return Document(0, NOT_FOUND, b"")
            # A 404 bears the revision of the row it hides, or the fence would refuse to store it. It is never shown.
            if not rows[0]["visible"]:
                return Document(rows[0]["revision"], NOT_FOUND, b"")
            return Document(rows[0]["revision"], FOUND, rows[0]["body"].encode())

        name = f"{audience}:{kind}"
        answer = await self._reader.read(event_tag(event_id), name, load)
        return Named(answer, f"{event_id}:{name}")

    async def _row(self, query: str, **values: object) -> Record:
        rows = await self._database.rows(query, **values)
        if not rows:
            raise NotMigrated
        return rows[0]


def _has_items(document: Document) -> bool:
    """Categories, tags and cities that don't exist are for anyone to make up: their empty lists are stored nowhere."""
    return not document.body.startswith(EMPTY)


def _page(question: Question, rows: list[Record]) -> Document:
    """Ready-made items, joined. `rows` hold one more than the page when there is a next one."""
    if not rows:
        raise NotMigrated  # even an empty list has one row, its collection's
    limit = question.parameters.limit
    items = [row for row in rows if row["id"] is not None][:limit]
    cursor = question.next_cursor(Position(items[-1]["place"], items[-1]["id"])) if len(rows) > limit else None
    joined = ",".join(row["item"] for row in items).encode()
    body = b'{"events":[%b]%b%b}' % (joined, NEXT_CURSOR, orjson.dumps(cursor))
    return Document(rows[0]["revision"], FOUND, body)
