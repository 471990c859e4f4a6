"""Make HTTP answers of jobs, and say in OpenAPI what they bear."""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Response

from shared.problems import responses
from writer.api import shapes

NO_STORE = {"Cache-Control": "no-store"}


def job(document: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> Response:
    location = {"Location": f"/v1/jobs/{document['job_id']}"} if status == 202 else {}  # noqa: PLR2004 (HTTP's own)
    return Response(orjson.dumps(document), status, {**NO_STORE, **location, **headers}, "application/json")


def jobs(documents: list[dict[str, Any]], next_cursor: str | None, link: str | None) -> Response:
    headers = NO_STORE if link is None else {**NO_STORE, "Link": link}
    return Response(
        orjson.dumps({"jobs": documents, "next_cursor": next_cursor}), 200, headers, media_type="application/json"
    )


def _header(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}, "example": example}


APPLIED = {"Preference-Applied": _header("What of `Prefer` was honoured.", "wait=10")}
REPLAYED = {"Idempotency-Replayed": _header("`true`: accepted before, under the same key.", "true")}
LOCATION = {"Location": _header("Where to ask for the job.", f"/v1/jobs/{shapes.JOB['job_id']}")}
RETRY_AFTER = {"Retry-After": _header("Seconds after which to come again.", "1")}

OF_COMMANDS = (400, 401, 403, 412, 422, 429, 503)
OF_CAPACITIES = (409,)
OF_BODIES = (408, 413, 415)


def of_command(*more: int, body: bool) -> dict[int | str, dict[str, Any]]:
    """What a command may be answered, for a route's `responses`. `more`: refusals of that one."""
    refusals = responses(*OF_COMMANDS, *(OF_BODIES if body else ()), *more)
    for status in (429, 503):
        refusals[status]["headers"] = RETRY_AFTER
    return {
        202: {"model": shapes.Job, "description": "Accepted.", "headers": {**LOCATION, **APPLIED, **REPLAYED}},
        200: {"model": shapes.Job, "description": "It has ended already.", "headers": {**APPLIED, **REPLAYED}},
        **refusals,
    }


def of_job(*refusals: int) -> dict[int | str, dict[str, Any]]:
    return {200: {"headers": APPLIED}, **responses(*refusals)}


def of_list(*refusals: int) -> dict[int | str, dict[str, Any]]:
    following = _header("The next page, relative to this one (RFC 8288).", '<?cursor=WyI…>; rel="next"')
    return {200: {"headers": {"Link": following}}, **responses(*refusals)}
