"""Make HTTP answers of documents: 200, 304 or 404, with the headers that every answer bears."""

from collections.abc import Mapping

from fastapi import Request, Response

from read_api.audience import Audience
from read_api.cache_policy import NO_STORE, CachePolicy
from read_api.catalogue import Named
from read_api.codings import Coding
from read_api.hot_path import target
from read_api.l1 import L1, Address, Entry
from read_api.reader import Answer, Source
from read_api.representations import Bodies, Representation
from shared.problems import Problem
from shared.tags import FOUND, Document

CACHE = "understudy"  # our name in Cache-Status
HOT = {"Cache-Status": f"{CACHE}; hit; detail=l1", "Server-Timing": 'read;desc="l1"'}  # of whatever lies ready


class Answers:
    """`l1`: where an answer that anyone may have is put under its address, for the hot path to find."""

    def __init__(self, policy: CachePolicy, l1: L1, cors: Mapping[str, str]) -> None:
        self._policy = policy
        self._l1 = l1
        self._trace = {**cors, **HOT}

    async def respond(
        self, request: Request, named: Named, audience: Audience, *, revision: int = 0, link: str | None = None
    ) -> Response:
        """`revision`: what the reader has seen, and must not be given less than.

        Raises:
            Problem: 404, which tells nothing of what it hides: neither a revision nor an entity tag. 409: what there is
                has not come so far.
        """
        answer, told = named.answer, trace(named)
        if answer.document.status != FOUND:
            raise Problem(answer.document.status, "There is no such event.", headers=told)
        if answer.document.revision < revision:
            raise _too_early(answer, told)
        shown = self._representation(named, audience, link)
        codings = shown.acceptable(", ".join(request.headers.getlist("Accept-Encoding")))
        if answer.entry is None:  # what is kept nowhere would be coded again for each who asks
            codings = codings[::-1]
        held = shown.held(", ".join(request.headers.getlist("If-None-Match")), codings)
        if held is not None:
            if audience is Audience.PUBLIC:
                self._make_hot(request, named, shown, held, None)
            return Response(status_code=304, headers={**shown.fields(held), **told})
        body = await shown.body(codings[0])
        if answer.entry is not None:
            self._l1.weigh(answer.entry)
        if audience is Audience.PUBLIC:
            self._make_hot(request, named, shown, codings[0], body)
        return Response(body, headers={**shown.content_fields(codings[0]), **shown.fields(codings[0]), **told})

    def _representation(self, named: Named, audience: Audience, link: str | None) -> Representation:
        """That of the entry, if the answer is kept in one."""
        answer = named.answer
        entry = None if named.spare or answer.entry is None else answer.entry
        if entry is not None and entry.document is not answer.document:
            entry = None
        if entry is not None and named.tags in entry.shown:
            return entry.shown[named.tags]
        fields = {"X-Revision": str(answer.document.revision), **self._policy.headers(audience, named.tags)}
        if named.spare:  # for this reader, now: no cache on the way may go on with it
            fields = {"X-Revision": fields["X-Revision"], "Cache-Control": NO_STORE}
        if link is not None:
            fields["Link"] = link
        shown = Representation(
            answer.document, named.identity, fields, self._trace, self._bodies(answer.document, entry)
        )
        if entry is not None:
            entry.shown[named.tags] = shown
        return shown

    def _bodies(self, document: Document, entry: Entry | None) -> Bodies:
        """Those of the entry, which is the heavier for them."""
        if entry is None:
            return Bodies(document.body)
        if entry.bodies is None:
            entry.bodies = Bodies(document.body)
        return entry.bodies

    def _make_hot(
        self, request: Request, named: Named, shown: Representation, coding: Coding, body: bytes | None
    ) -> None:
        """Whoever asks for the same next is answered before the application is reached (`hot_path.py`)."""
        entry, through = named.answer.entry, named.through
        if entry is None or entry.document is not shown.document:
            return
        naming = None
        if through is not None:
            if through.entry is None:
                return
            naming = through.entry, through.document
        self._l1.grow(entry, shown.make_ready(coding, body))
        key, _ = target(request.scope["path"], request.scope["query_string"])
        known = self._l1.addresses.get(key)
        if known is None or not known.stands:
            self._l1.point(key, Address(request.scope["route"].path, entry, shown, naming))


def trace(named: Named) -> Mapping[str, str]:
    """How the answer was come by: Cache-Status (RFC 9211) and Server-Timing."""
    answer = named.answer
    parts = ["hit", "detail=stale-if-error"] if named.spare else _cache_status(answer)
    return {
        "Cache-Status": "; ".join([CACHE, *parts]),
        "Server-Timing": f'read;desc="{answer.source}";dur={answer.seconds * 1000:.2f}',
    }


def _cache_status(answer: Answer) -> list[str]:
    match answer:
        case Answer(source=Source.REDIS | Source.L1):
            parts = ["hit", f"detail={answer.source}"]
        case Answer(stale=True):
            parts = ["fwd=stale"]
        case Answer(bypassed=True):
            parts = ["fwd=bypass"]
        case Answer(stored=True):
            parts = ["fwd=miss", "stored"]
        case _:
            parts = ["fwd=miss"]
    return [*parts, "collapsed"] if answer.collapsed and "hit" not in parts else parts


def _too_early(answer: Answer, told: Mapping[str, str]) -> Problem:
    revision = answer.document.revision
    return Problem(
        409,
        "The revision that you name is not visible here yet. Ask again. It may also be that of another document: "
        "lists and categories count on their own.",
        extensions={"revision": revision},
        headers={"X-Revision": str(revision), "Retry-After": "1", **told},
    )
