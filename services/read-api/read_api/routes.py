"""The addresses. Anonymous readers and organizers ask the same questions; what they may see differs."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from read_api import asked, shapes
from read_api.answers import respond
from read_api.audience import Audience
from read_api.cache_policy import CachePolicy
from read_api.catalogue import Catalogue
from read_api.parameters import ListParameters, ManageListParameters, Question
from read_api.status import StatusBoard
from shared.auth import require
from shared.problems import responses

EventId = Annotated[int, Depends(asked.event_id)]
Handle = Annotated[str, Depends(asked.handle)]


def _public_list(parameters: Annotated[ListParameters, Query()]) -> Question:
    return asked.question(Audience.PUBLIC, parameters)


def _organizer_list(parameters: Annotated[ManageListParameters, Query()]) -> Question:
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


def events(catalogue: Catalogue, policy: CachePolicy, audience: Audience) -> APIRouter:
    """`/v1/events…`: active events, everything else is 404. `/v1/manage/events…`: all of them, behind a token."""
    view = VIEWS[audience]
    routes = APIRouter(prefix=view.prefix, tags=[audience.value], dependencies=[*view.guards])
    plain: dict[str, Any] = {
        "dependencies": [Depends(asked.nothing)],
        "responses": _answers(*view.refusals, 404),
        "openapi_extra": CONDITIONAL,
    }

    @routes.get(
        "",
        dependencies=[Depends(asked.once)],
        response_model=view.page,
        responses=_answers(*view.refusals),
        openapi_extra=CONDITIONAL,
    )
    async def list_events(request: Request, question: Annotated[Question, Depends(view.question)]) -> Response:
        """A page of events, ready to show. `X-Revision` is the revision of the whole collection."""
        page = await catalogue.page(question)
        cursor = page.next_cursor
        # Relative to the page itself: the host that a proxy claims never reaches an answer.
        link = None if cursor is None else f'<?{question.query(cursor)}>; rel="next"'
        return respond(request, page, audience, policy, link=link)

    @routes.get("/by-handle/{handle}", response_model=view.event, **plain)
    async def get_event_by_handle(request: Request, handle: Handle) -> Response:
        """The event that bears this handle now, with its tickets."""
        return respond(request, await catalogue.by_handle(audience, handle), audience, policy)

    @routes.get("/{event_id}", response_model=view.event, **plain)
    async def get_event(request: Request, event_id: EventId) -> Response:
        """An event with its tickets."""
        return respond(request, await catalogue.event(audience, event_id), audience, policy)

    @routes.get("/{event_id}/tickets", response_model=view.tickets, **plain)
    async def get_tickets(request: Request, event_id: EventId) -> Response:
        """An event's tickets, in the order in which they are offered."""
        return respond(request, await catalogue.tickets(audience, event_id), audience, policy)

    return routes


def overview(catalogue: Catalogue, policy: CachePolicy, board: StatusBoard) -> APIRouter:
    """What is there, and how fresh it is."""
    routes = APIRouter(prefix="/v1", tags=[Audience.PUBLIC.value], dependencies=[Depends(asked.nothing)])

    @routes.get(
        "/categories", response_model=shapes.Categories, responses=_answers(400, 503), openapi_extra=CONDITIONAL
    )
    async def get_categories(request: Request) -> Response:
        """The categories of all active events, by name, with how many events each has."""
        return respond(request, await catalogue.categories(), Audience.PUBLIC, policy)

    @routes.get("/status", response_model=shapes.LiveStatus, responses=responses(400, 503))
    async def get_status() -> Response:
        """Is the data live? Answered whatever else is down; never cached, and made at most once a second."""
        return Response(await board.read(), media_type="application/json")

    return routes


def _header(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}, "example": example}


HEADERS = {
    "ETag": _header("Strong; the same on every replica. Send it back as `If-None-Match`.", '"17-3f2a9c01b7de"'),
    "X-Revision": _header("The revision shown. It only grows.", "17"),
    "Cache-Status": _header("Where the answer came from (RFC 9211).", "understudy; hit; detail=redis"),
    "Server-Timing": _header("How long it took, in milliseconds.", 'read;desc="redis";dur=0.42'),
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
