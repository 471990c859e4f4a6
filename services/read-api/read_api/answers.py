"""Make HTTP answers of documents: 200, 304 or 404, with the headers that every answer bears."""

from collections.abc import Mapping

from fastapi import Request, Response

from read_api.audience import Audience
from read_api.cache_policy import CachePolicy
from read_api.catalogue import FOUND, Named
from read_api.conditional import entity_tag, is_current
from read_api.reader import Answer, Source
from shared.problems import Problem

CACHE = "understudy"  # our name in Cache-Status


def respond(
    request: Request, named: Named, audience: Audience, policy: CachePolicy, *, link: str | None = None
) -> Response:
    """Raises Problem (404), which tells nothing of what it hides: neither a revision nor an entity tag."""
    document, told = named.answer.document, trace(named.answer)
    if document.status != FOUND:
        raise Problem(document.status, "There is no such event.", headers=told)
    tag = entity_tag(document.revision, named.identity)
    headers = {"ETag": tag, "X-Revision": str(document.revision), **policy.headers(audience), **told}
    if link is not None:
        headers["Link"] = link
    if is_current(request.headers.getlist("If-None-Match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(document.body, headers=headers, media_type="application/json")


def trace(answer: Answer) -> Mapping[str, str]:
    """How the answer was come by: Cache-Status (RFC 9211) and Server-Timing."""
    return {
        "Cache-Status": "; ".join([CACHE, *_cache_status(answer)]),
        "Server-Timing": f'read;desc="{answer.source}";dur={answer.seconds * 1000:.2f}',
    }


def _cache_status(answer: Answer) -> list[str]:
    match answer:
        case Answer(source=Source.REDIS):
            parts = ["hit", "detail=redis"]
        case Answer(stale=True):
            parts = ["fwd=stale"]
        case Answer(bypassed=True):
            parts = ["fwd=bypass"]
        case Answer(stored=True):
            parts = ["fwd=miss", "stored"]
        case _:
            parts = ["fwd=miss"]
    return [*parts, "collapsed"] if answer.collapsed and "hit" not in parts else parts
