"""The addresses of jobs: what became of commands."""

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from shared.auth import Principal, Scope, authorize, require
from shared.postgres import transaction
from shared.problems import Problem
from writer.api import answers, cursors, metrics, parameters, shapes
from writer.api.acceptance import Acceptance, Row
from writer.api.cursors import InvalidCursor
from writer.api.desk import Desk
from writer.api.documents import job_document
from writer.api.estimates import Estimates
from writer.api.parameters import ListParameters, no_such_job
from writer.api.statements import SQL
from writer.api.statements import list_jobs as list_jobs_statement
from writer.api.waiting import Waiting

WRITES = require("events:write")
REFUSALS = (400, 401, 403, 404, 503)
# Either scope will do, which FastAPI has no words for.
READS: dict[str, Any] = {"security": [{"HTTPBearer": [Scope.JOBS_READ]}, {"HTTPBearer": [Scope.EVENTS_WRITE]}]}


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks for jobs. `owner`: whose they may see; None: everybody's."""

    principal: Principal
    owner: str | None

    def sees(self, row: Row) -> bool:
        return self.owner is None or row["owner"] == self.owner


async def reader(request: Request) -> Reader:
    """`jobs:read` sees all jobs, `events:write` its own. Raises Problem: 401, 403."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem(401, "A bearer token is needed.", headers={"WWW-Authenticate": 'Bearer realm="understudy"'})
    authenticator, path = request.app.state.authenticator, request.url.path
    principal = await authorize(authenticator, token.strip(), (), path)
    return _as_reader(principal)


def _as_reader(principal: Principal) -> Reader:
    if principal.may(Scope.JOBS_READ):
        return Reader(principal, None)
    if principal.may(Scope.EVENTS_WRITE):
        return Reader(principal, principal.subject)
    challenge = 'Bearer realm="understudy", error="insufficient_scope", scope="jobs:read"'
    raise Problem(403, "The scope jobs:read or events:write is needed.", headers={"WWW-Authenticate": challenge})


JobId = Annotated[UUID, Depends(parameters.job_id)]
Wait = Annotated[int | None, Depends(parameters.wait)]
By = Annotated[Reader, Depends(reader)]


def jobs(desk: Desk, acceptance: Acceptance, estimates: Estimates, waiting: Waiting) -> APIRouter:
    routes = APIRouter(prefix="/v1/jobs", tags=["jobs"])

    @routes.get(
        "",
        dependencies=[Depends(reader), Depends(parameters.once)],
        response_model=shapes.Jobs,
        responses=answers.of_list(400, 401, 403, 503),
        openapi_extra=READS,
    )
    async def list_jobs(by: By, asked: Annotated[ListParameters, Query()]) -> Response:
        """Jobs, the newest first. With the scope `events:write` alone: your own."""
        question = _question(by.owner, asked)
        before = None if asked.cursor is None else _place(question, asked.cursor)
        event_id = None if asked.event_id is None else _known_id(asked.event_id)
        statement, values = list_jobs_statement(
            asked.limit + 1, of_owner=by.owner, of_event=event_id, in_state=asked.state, before=before
        )
        async with transaction(desk.pool()) as connection:
            rows = await connection.fetch(statement, *values)
        shown = rows[: asked.limit]
        following = cursors.encode(question, shown[-1]["seq"]) if len(rows) > asked.limit else None
        return answers.jobs([job_document(dict(row)) for row in shown], following, _link(asked, following))

    @routes.get(
        "/{job_id}",
        dependencies=[Depends(reader), Depends(parameters.nothing)],
        response_model=shapes.Job,
        responses=answers.of_job(*REFUSALS),
        openapi_extra=READS,
    )
    async def get_job(job_id: JobId, by: By, wait: Wait) -> Response:
        """A job as it is now; with `Prefer: wait=n`, when readers see its effect or it has failed, or after n s."""
        row = await _visible(by, job_id)
        headers = {}
        if wait is not None:
            row, waited = await waiting.until_over(row, wait, lambda: acceptance.job(job_id))
            headers = {"Preference-Applied": f"wait={wait}"} if waited else {}
        return answers.job(estimates.document(row), 200, headers)

    @routes.delete(
        "/{job_id}",
        dependencies=[Depends(WRITES), Depends(parameters.nothing)],
        response_model=shapes.Job,
        responses=answers.of_job(*REFUSALS, 409),
    )
    async def cancel_job(job_id: JobId, principal: Annotated[Principal, Depends(WRITES)]) -> Response:
        """Cancel a job of yours while it is queued. Afterwards it is 409, which says its state."""
        row = await _visible(_as_reader(principal), job_id)
        if row["owner"] != principal.subject and not principal.may(Scope.ADMIN):
            raise Problem(403, "Only who commanded it, or an admin, may cancel it.")
        async with transaction(desk.pool()) as connection:
            found = await connection.fetchrow(SQL.cancel, job_id)
        if found is None or (not found["done"] and found["found"] != "cancelled"):
            state = row["state"] if found is None else found["found"]
            told = {"state": state, "job_id": str(job_id)}
            raise Problem(409, f"The job is {state}; only queued ones can be cancelled.", extensions=told)
        if found["done"]:
            metrics.CANCELLED.inc()
            desk.wakeups.changed(str(job_id))
        return answers.job(estimates.document(await _visible(_as_reader(principal), job_id)), 200, {})

    async def _visible(by: Reader, job_id: UUID) -> Row:
        """Another client's job is as good as none."""
        row = await acceptance.job(job_id)
        if row is None or not by.sees(row):
            raise no_such_job()
        return row

    return routes


def _question(owner: str | None, asked: ListParameters) -> str:
    """What a cursor belongs to."""
    return repr((owner, asked.event_id, asked.state))


def _place(question: str, cursor: str) -> int:
    try:
        return cursors.decode(question, cursor)
    except InvalidCursor as error:
        detail = "The cursor is not one of this list: its filters must be those of the page before."
        raise Problem(400, detail, extensions={"errors": [{"detail": str(error), "query": "cursor"}]}) from error


def _known_id(text: str) -> int:
    """0, which no event has, for digits that are no id."""
    return int(text) if parameters.CANONICAL_ID.fullmatch(text) and int(text) <= parameters.MAX_ID else 0


def _link(asked: ListParameters, following: str | None) -> str | None:
    if following is None:
        return None
    named = asked.model_dump(exclude_none=True) | {"cursor": following}
    return f'<?{urlencode(sorted(named.items()))}>; rel="next"'
