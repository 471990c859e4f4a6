"""A document as it is sent: in each content coding, with headers and a strong entity tag of its own (RFC 9110, 8.8.3).

Built once for each document and kept with its entry in L1, so that a hit there copies nothing and renders nothing.
"""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from read_api.codings import QUICK, SMALLEST, Coding, accepted, encode
from read_api.conditional import coded_tag, entity_tag, held
from shared.tags import Document

Fields = Mapping[str, str]
Message = dict[str, Any]  # of ASGI; ready-made ones are shared, so nobody may change them

OWN = frozenset({"ETag", "X-Revision", "Cache-Tag", "Surrogate-Key", "Link", "Content-Length"})  # differ by document
READY = 1900  # bytes of ready-made headers and messages, measured

NO_BODY: Message = {"type": "http.response.body", "body": b""}


class Bodies:
    """The bytes of a document in each content coding, each made once, when it is first asked for.

    `coded`: how many bytes are kept beside the plain ones.
    """

    def __init__(self, plain: bytes) -> None:
        self.coded = 0
        self._bodies = {Coding.IDENTITY: plain}
        self._making = asyncio.Lock()

    async def get(self, coding: Coding) -> bytes:
        """What would hold up the others is coded in a thread."""
        if coding not in self._bodies:
            async with self._making:
                if coding not in self._bodies:
                    self._bodies[coding] = await self._make(coding)
                    self.coded += len(self._bodies[coding])
        return self._bodies[coding]

    async def _make(self, coding: Coding) -> bytes:
        plain = self._bodies[Coding.IDENTITY]
        return encode(coding, plain) if len(plain) <= QUICK else await asyncio.to_thread(encode, coding, plain)


class Representation:
    """`fields`: the headers of every answer, however it was come by. `trace`: those of a hit in L1, beside them.

    `bodies` may be shared with another representation of the same document.
    """

    def __init__(self, document: Document, identity: str, fields: Fields, trace: Fields, bodies: Bodies) -> None:
        self.document = document
        self.ready: dict[Coding, tuple[Message, Message]] = {}  # start and body of a hit, once somebody asked for it
        self.unchanged: dict[Coding, tuple[Message, Message]] = {}  # those of a 304
        self._offered = tuple(Coding) if len(document.body) >= SMALLEST else (Coding.IDENTITY,)
        tag = entity_tag(document.revision, identity)
        self._tags = {coding: coded_tag(tag, coding) for coding in self._offered}
        self._fields = fields
        self._trace = trace
        self._bodies = bodies

    def acceptable(self, accept_encoding: str) -> tuple[Coding, ...]:
        """The codings that this reader may be answered in, best first."""
        return accepted(accept_encoding) if len(self._offered) > 1 else self._offered

    def held(self, if_none_match: str, codings: tuple[Coding, ...]) -> Coding | None:
        """The coding that the reader holds already. Which of those it takes is selected is ours to say."""
        return held(if_none_match, {self._tags[coding]: coding for coding in codings})

    def fields(self, coding: Coding) -> Fields:
        """The headers of a 304."""
        tagged = {"ETag": self._tags[coding], **self._fields}
        if len(self._offered) == 1:
            return tagged
        return tagged | {"Vary": ", ".join(filter(None, ("Accept-Encoding", self._fields.get("Vary"))))}

    def content_fields(self, coding: Coding) -> Fields:
        """What an answer with a body bears beside them."""
        coded = {} if coding is Coding.IDENTITY else {"Content-Encoding": coding.value}
        return {"Content-Type": "application/json", **coded}

    async def body(self, coding: Coding) -> bytes:
        return await self._bodies.get(coding)

    def make_ready(self, coding: Coding, body: bytes | None) -> int:
        """For those who ask for it next. None: only for those who hold it. Returns how many bytes more are kept."""
        grown = 0
        if coding not in self.unchanged:
            grown += READY
            headers = _headers({**self.fields(coding), **self._trace})
            self.unchanged[coding] = _start(304, headers), NO_BODY
        if coding not in self.ready and body is not None:
            grown += READY
            own = {**self.content_fields(coding), "Content-Length": str(len(body))}
            headers = [*self.unchanged[coding][0]["headers"], *_headers(own)]
            self.ready[coding] = _start(200, headers), {"type": "http.response.body", "body": body}
        return grown


def _headers(fields: Fields) -> list[tuple[bytes, bytes]]:
    return [_header(name, value) if name in OWN else _shared_header(name, value) for name, value in fields.items()]


@lru_cache(maxsize=64)
def _name(name: str) -> bytes:
    return name.lower().encode()


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    return _name(name), value.encode("latin-1")


_shared_header = lru_cache(maxsize=64)(_header)  # one object for what thousands of documents bear


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}
