"""The addresses. Anonymous readers and organizers ask the same questions; what they may see differs."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from read_api import asked, shapes
from read_api.answers import Answers
from read_api.audience import Audience
from read_api.catalogue import Catalogue
from read_api.parameters import ListParameters, ManageListParameters, Question
from read_api.status import StatusBoard
from shared.auth import require
from shared.problems import responses

EventId = Annotated[int, Depends(asked.event_id)]
Handle = Annotated[str, Depends(asked.handle)]
NamedRevision = Annotated[int, Depends(asked.named_revision)]
MinRevision = Annotated[int, Depends(asked.min_revision)]


async def _public_list(parameters: Annotated[ListParameters, Query()]) -> Question:
    return asked.question(Audience.PUBLIC, parameters)


async def _organizer_list(parameters: Annotated[ManageListParameters, Query()]) -> Question:
    return asked.question(Audience.ORGANIZER, parameters)


@dataclass(frozen=True)
class View:
    """What differs between the audiences."""

    prefix: str
    guards: tuple[Any, ...]  # run before anything of the question is looked at
    question: Any
    page: type[BaseModel]
    event: type[BaseModel]
    tickets: type[BaseModel]
    refusals: tuple[int, ...]


VIEWS = {
    Audience.PUBLIC: View(
        "/v1/events", (), _public_list, shapes.Page, shapes.Event, shapes.Tickets, refusals=(400, 503)
    ),
    Audience.ORGANIZER: View(
        "/v1/manage/events",
        (Depends(require("events:read")),),
        _organizer_list,
        shapes.ManagePage,
        shapes.ManageEvent,
        shapes.ManageTickets,
        refusals=(400, 401, 403, 503),
    ),
}


def events(catalogue: Catalogue, answers: Answers, audience: Audience) -> APIRouter:
    """`/v1/events…`: active events, everything else is 404. `/v1/manage/events…`: all of them, behind a token."""
    view = VIEWS[audience]
    routes = APIRouter(prefix=view.prefix, tags=[audience.value], dependencies=[*view.guards])
    plain: dict[str, Any] = {
        "dependencies": [Depends(asked.only_min_revision), Depends(asked.once)],
        "responses": _answers(*view.refusals, 404, 409),
        "openapi_extra": CONDITIONAL,
    }

    @routes.get(
        "",
        dependencies=[Depends(asked.once)],
        response_model=view.page,
        responses=_answers(*view.refusals, 409),
        openapi_extra=CONDITIONAL,
    )
    async def list_events(
        request: Request, question: Annotated[Question, Depends(view.question)], named: NamedRevision
    ) -> Response:
        """A page of events, ready to show. `X-Revision` is the revision of the whole collection."""
        revision = max(named, question.parameters.min_revision or 0)
        page = await catalogue.page(question, revision)
        cursor = page.next_cursor
        # Relative to the page itself: the host that a proxy claims never reaches an answer.
        link = None if cursor is None else f'<?{question.query(cursor)}>; rel="next"'
        return await answers.respond(request, page, audience, revision=revision, link=link)

    @routes.get("/by-handle/{handle}", response_model=view.event, **plain)
    async def get_event_by_handle(request: Request, handle: Handle, revision: MinRevision) -> Response:
        """The event that bears this handle now, with its tickets."""
        named = await catalogue.by_handle(audience, handle, revision)
        return await answers.respond(request, named, audience, revision=revision)

    @routes.get("/{event_id}", response_model=view.event, **plain)
    async def get_event(request: Request, event_id: EventId, revision: MinRevision) -> Response:
        """An event with its tickets."""
        named = await catalogue.event(audience, event_id, revision)
        return await answers.respond(request, named, audience, revision=revision)

    @routes.get("/{event_id}/tickets", response_model=view.tickets, **plain)
    async def get_tickets(request: Request, event_id: EventId, revision: MinRevision) -> Response:
        """An event's tickets, in the order in which they are offered."""
        named = await catalogue.tickets(audience, event_id, revision)
        return await answers.respond(request, named, audience, revision=revision)

    return routes


def overview(catalogue: Catalogue, answers: Answers, board: StatusBoard) -> APIRouter:
    """What is there, and how fresh it is."""
    routes = APIRouter(prefix="/v1", tags=[Audience.PUBLIC.value])

    @routes.get(
        "/categories",
        dependencies=[Depends(asked.only_min_revision), Depends(asked.once)],
        response_model=shapes.Categories,
        responses=_answers(400, 409, 503),
        openapi_extra=CONDITIONAL,
    )
    async def get_categories(request: Request, revision: MinRevision) -> Response:
        """The categories of all active events, by name, with how many events each has."""
        named = await catalogue.categories(revision)
        return await answers.respond(request, named, Audience.PUBLIC, revision=revision)

    @routes.get(
        "/status",
        dependencies=[Depends(asked.nothing)],
        response_model=shapes.LiveStatus,
        responses=responses(400, 503),
    )
    async def get_status() -> Response:
        """Is the data live? Answered whatever else is down; never cached, and made at most once a second."""
        return Response(await board.read(), media_type="application/json")

    return routes


def _header(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}, "example": example}


HEADERS = {
    "ETag": _header(
        "Strong, its own in each coding; the same on every replica. Send it back as `If-None-Match`.",
        '"17-3f2a9c01b7de"',
    ),
    "X-Revision": _header("The revision shown. It only grows.", "17"),
    "Cache-Status": _header("Where the answer came from (RFC 9211).", "understudy; hit; detail=l1"),
    "Server-Timing": _header("How long it took, in milliseconds.", 'read;desc="l1"'),
}
CONDITIONAL: dict[str, Any] = {
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "Entity tags you hold; when one is current, the answer is 304 without a body.",
            "schema": {"type": "string"},
        }
    ]
}


def _answers(*refusals: int) -> dict[int | str, dict[str, Any]]:
    return {200: {"headers": HEADERS}, 304: {"description": "You hold it already."}, **responses(*refusals)}
