"""Read what was asked from the URL, strictly: whatever is not understood is refused, so nobody mints cache keys.

Coroutines, though nothing is awaited: FastAPI runs plain functions in threads, which costs 0.15 ms for each.
"""

import re
from collections import Counter
from typing import Annotated

from fastapi import Header, Path, Query, Request

from read_api.audience import Audience
from read_api.cursor import MAX_ID, InvalidCursor
from read_api.parameters import ListParameters, MinRevision, Question, ask
from shared.problems import Problem

CANONICAL_ID = re.compile(r"[1-9][0-9]{0,18}")
MAX_HANDLE = 255  # characters, Shopify's own limit
CONTROL = re.compile(r"[\x00-\x1f\x7f]")

MIN_REVISION = "min_revision"

MinRevisionHeader = Annotated[
    MinRevision | None,
    Header(
        description="A revision that you have seen: the answer is not older. It is waited for up to 2 s; else 409, "
        "which says what there is."
    ),
]
MinRevisionQuery = Annotated[
    MinRevision | None, Query(description="The same as `X-Min-Revision`, for where a CDN stands between.")
]
EventId = Annotated[str, Path(description="Shopify's product id.", pattern="^[0-9]+$", examples=["8012345678901"])]
Handle = Annotated[str, Path(description="The event's handle, as in its URL.", examples=["jazz-night"])]


async def event_id(event_id: EventId) -> int:
    """Raises Problem: 404 for digits that are no id (0, leading zeros, above 64 bits)."""
    if CANONICAL_ID.fullmatch(event_id) is None or int(event_id) > MAX_ID:
        raise Problem(404, "There is no such event.")
    return int(event_id)


async def handle(handle: Handle) -> str:
    """Raises Problem: 404 for what can be no handle."""
    if len(handle) > MAX_HANDLE or CONTROL.search(handle):
        raise Problem(404, "There is no such event.")
    return handle


async def nothing(request: Request) -> None:
    """For routes without parameters."""
    _refuse("This address takes no parameters.", list(request.query_params.keys()))


async def only_min_revision(request: Request) -> None:
    """For documents that are asked for by their address."""
    others = [name for name in request.query_params if name != MIN_REVISION]
    _refuse("This address takes no parameter but min_revision.", others)


async def named_revision(x_min_revision: MinRevisionHeader = None) -> int:
    """The revision that the reader has seen; 0 when it names none."""
    return x_min_revision or 0


async def min_revision(x_min_revision: MinRevisionHeader = None, min_revision: MinRevisionQuery = None) -> int:
    """The same, from the header or the query string."""
    return max(x_min_revision or 0, min_revision or 0)


async def once(request: Request) -> None:
    """For lists: which of two values is meant?"""
    counted = Counter(name for name, _ in request.query_params.multi_items())
    _refuse("Each parameter can be given once.", [name for name, times in counted.items() if times > 1])


def question(audience: Audience, parameters: ListParameters) -> Question:
    """Raises Problem when the cursor belongs to another question."""
    try:
        return ask(audience, parameters)
    except InvalidCursor as error:
        detail = "The cursor is not one of this list: its filters and sort must be those of the page before."
        raise Problem(400, detail, extensions={"errors": [{"detail": str(error), "query": "cursor"}]}) from error


def _refuse(detail: str, names: list[str]) -> None:
    if names:
        raise Problem(400, detail, extensions={"errors": [{"detail": detail, "query": name} for name in names]})
