"""What a command's headers, path and query string may say: strictly, whatever is not understood is refused."""

import re
from collections import Counter
from typing import Annotated
from uuid import UUID

from fastapi import Header, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from shared.problems import Problem
from writer.api import conditions, cursors, preferences, shapes
from writer.api.conditions import Condition, InvalidCondition

CANONICAL_ID = re.compile(r"[1-9][0-9]{0,18}")
CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
MAX_ID = 2**63 - 1
MAX_LIMIT = 250

DIGITS = "^[0-9]+$"
EventId = Annotated[str, Path(description="The event's id.", pattern=DIGITS, examples=["8012345678901"])]
TicketId = Annotated[str, Path(description="The ticket's id.", pattern=DIGITS, examples=["4412345678901"])]
JobId = Annotated[str, Path(description="The job's id.", examples=[shapes.JOB["job_id"]])]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Yours for this command, 1 to 255 printable ASCII characters. Sent again with the same command, it "
        "gives the same job; with another one, 422.",
        json_schema_extra={"minLength": 1, "maxLength": 255},
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The `ETag` of the event as you have read it. 412 when it has moved on, or is going to: commands "
        "for it were accepted that are not visible yet.",
    ),
]
Prefer = Annotated[
    str | None,
    Header(
        description="`wait=n`: answer when readers see the effect or it has failed, or after n seconds"
        f" (at most {preferences.LONGEST_WAIT})."
    ),
]


class ListParameters(BaseModel):
    """The query string of `GET /v1/jobs`. Anything else in it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_id: Annotated[str, Field(pattern=DIGITS)] | None = Field(None, description="Jobs of this event.")
    state: shapes.State | None = Field(None, description="Jobs in this state.")
    limit: int = Field(50, ge=1, le=MAX_LIMIT, description="Most jobs on a page.")
    cursor: str | None = Field(
        None, min_length=1, max_length=cursors.MAX_LENGTH, description="`next_cursor` of the page before, unchanged."
    )


async def nothing(request: Request) -> None:
    """For addresses without parameters."""
    _refuse("This address takes no parameters.", list(request.query_params.keys()))


async def once(request: Request) -> None:
    counted = Counter(name for name, _ in request.query_params.multi_items())
    _refuse("Each parameter can be given once.", [name for name, times in counted.items() if times > 1])


async def event_id(event_id: EventId) -> int:
    """Raises Problem: 422 for digits that are no id (0, leading zeros, above 64 bits)."""
    return _id(event_id, "event_id", "There is no such event.")


async def ticket_id(ticket_id: TicketId) -> int:
    """The same."""
    return _id(ticket_id, "ticket_id", "The event has no such ticket.")


async def job_id(job_id: JobId) -> UUID:
    """Raises Problem: 404 for what can be no job's id."""
    if CANONICAL_UUID.fullmatch(job_id) is None:
        raise no_such_job()
    return UUID(job_id)


async def key(request: Request, idempotency_key: Key = None) -> str | None:
    """Raises Problem: 400."""
    if idempotency_key is None:
        return None
    if len(request.headers.getlist("Idempotency-Key")) > 1 or KEY.fullmatch(idempotency_key) is None:
        raise _wrong_header("Idempotency-Key", "must be given once, as 1 to 255 printable ASCII characters")
    return idempotency_key


async def condition(request: Request, if_match: IfMatch = None) -> Condition | None:
    """Raises Problem: 400."""
    if if_match is None:
        return None
    try:
        return conditions.parse(", ".join(request.headers.getlist("If-Match")))
    except InvalidCondition:
        raise _wrong_header("If-Match", 'must be entity tags, as in "17-3f2a9c01b7de", or *') from None


async def wait(request: Request, prefer: Prefer = None) -> int | None:
    """Seconds; None when the client doesn't say."""
    return None if prefer is None else preferences.wait(", ".join(request.headers.getlist("Prefer")))


def no_such_job() -> Problem:
    return Problem(404, "There is no such job.")


def _id(text: str, name: str, detail: str) -> int:
    if CANONICAL_ID.fullmatch(text) is None or int(text) > MAX_ID:
        error = {"detail": detail, "path": name, "pointer": f"#/{name}"}
        raise Problem(422, detail, extensions={"errors": [error]})
    return int(text)


def _wrong_header(name: str, words: str) -> Problem:
    return Problem(400, f"{name} {words}.", extensions={"errors": [{"detail": words, "header": name}]})


def _refuse(detail: str, names: list[str]) -> None:
    if names:
        raise Problem(400, detail, extensions={"errors": [{"detail": detail, "query": name} for name in names]})
