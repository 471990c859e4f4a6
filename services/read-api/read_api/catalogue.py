"""Every document there is to read: its tag, its name, and how it is loaded from the projections."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson
from asyncpg import Record

from read_api.audience import Audience
from read_api.cursor import Position
from read_api.database import Database
from read_api.floors import Floors
from read_api.listing import SQL, page_query
from read_api.parameters import Question
from read_api.reader import Answer, Keep, Load, Reader, Wanted, everything
from shared.postgres import NotMigrated
from shared.tags import EVENTS, FOUND, NOT_FOUND, Document, event_tag

EMPTY = b'{"events":[]'  # how a list without events begins
NEXT_CURSOR = b',"next_cursor":'  # the last member of a list, so that it can be read from the end


@dataclass(frozen=True, slots=True)
class Named:
    """An answer, the identity that its entity tag is made of, and the tags that it depends on.

    `through`: the answer that named this one (which event has a handle), whose change makes it another.
    """

    answer: Answer
    identity: str
    tags: tuple[str, ...]
    through: Answer | None = None

    @property
    def spare(self) -> bool:
        """Whether any of it is stale, because nothing newer can be loaded."""
        return self.answer.spare or (self.through is not None and self.through.spare)

    @property
    def next_cursor(self) -> str | None:
        cursor: str | None = orjson.loads(self.answer.document.body.rpartition(NEXT_CURSOR)[2].removesuffix(b"}"))
        return cursor


class Catalogue:
    """`spare_for`: seconds for which each audience may be given what is stale, while nothing can be loaded.

    All methods raise Unavailable when nothing can answer. `revision`: what the reader has seen, and must not be given
    less than; see `Reader.read_from`.
    """

    def __init__(self, reader: Reader, database: Database, floors: Floors, spare_for: Mapping[Audience, float]) -> None:
        self._reader = reader
        self._database = database
        self._floors = floors
        self._spare_for = spare_for

    async def event(self, audience: Audience, event_id: int, revision: int = 0) -> Named:
        return await self._of_event(audience, event_id, "event", revision)

    async def tickets(self, audience: Audience, event_id: int, revision: int = 0) -> Named:
        return await self._of_event(audience, event_id, "tickets", revision)

    async def by_handle(self, audience: Audience, handle: str, revision: int = 0) -> Named:
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

        # Who names a revision may name that of an event which is new: then its handle is waited for, too.
        found = await self._read(audience, EVENTS, name, load, keep=None, until_found=revision > 0)
        if found.document.status != FOUND:
            return Named(found, name, (EVENTS,))
        event = await self.event(audience, int(found.document.body), revision)
        return replace(event, tags=(EVENTS, *event.tags), through=found)

    async def page(self, question: Question, revision: int = 0) -> Named:
        name = f"{question.audience}:{question.name}"

        async def load() -> Document:
            return _page(question, await self._database.fetch(*page_query(question)))

        keep = _has_items if question.is_usual else None
        return Named(await self._read(question.audience, EVENTS, name, load, revision, keep), name, (EVENTS,))

    async def categories(self, revision: int = 0) -> Named:
        async def load() -> Document:
            row = await self._row(SQL.categories)
            return Document(row["revision"], FOUND, b'{"categories":%b}' % row["body"].encode())

        name = f"{Audience.PUBLIC}:categories"
        return Named(await self._read(Audience.PUBLIC, EVENTS, name, load, revision), name, (EVENTS,))

    async def _of_event(self, audience: Audience, event_id: int, kind: str, revision: int) -> Named:
        async def load() -> Document:
            rows = await self._database.rows(getattr(SQL, f"{audience}_{kind}"), id=event_id)
            if not rows:
                return Document(0, NOT_FOUND, b"")
            # A 404 bears the revision of the row it hides, or the fence would refuse to store it. It is never shown.
            if not rows[0]["visible"]:
                return Document(rows[0]["revision"], NOT_FOUND, b"")
            return Document(rows[0]["revision"], FOUND, rows[0]["body"].encode())

        tag, name = event_tag(event_id), f"{audience}:{kind}"
        return Named(await self._read(audience, tag, name, load, revision), f"{event_id}:{name}", (tag,))

    async def _read(
        self,
        audience: Audience,
        tag: str,
        name: str,
        load: Load,
        revision: int = 0,
        keep: Keep | None = everything,
        *,
        until_found: bool = False,
    ) -> Answer:
        wanted = Wanted(tag, name, load, keep, self._spare_for[audience])
        if until_found:
            return await self._reader.read_from(wanted, 0, lambda document: document.status == FOUND)
        if not revision:
            return await self._reader.read(wanted)
        return await self._reader.read_from(wanted, revision, lambda document: self._tells(tag, document, revision))

    def _tells(self, tag: str, document: Document, revision: int) -> bool:
        """Whether this document says that it has come so far, without saying more than its reader may know.

        A 404 that came at once would tell that a draft has this revision; unless that was announced to everyone.
        """
        return document.status == FOUND or self._floors.announced(tag) >= revision

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
