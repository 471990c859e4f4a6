"""The addresses of commands: each is validated, becomes a job, and is answered at once."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from shared.auth import Principal, require
from writer.api import answers, parameters
from writer.api.acceptance import Acceptance, Asked
from writer.api.bodies import Bodies
from writer.api.commands import Command, CreateEvent, EditEvent, EditTicket, NewTicket
from writer.api.conditions import Condition
from writer.api.documents import has_ended
from writer.api.estimates import Estimates
from writer.api.waiting import Waiting

WRITES = require("events:write")
EventId = Annotated[int, Depends(parameters.event_id)]
TicketId = Annotated[int, Depends(parameters.ticket_id)]


class Sender:
    """What every command says beside what it commands."""

    def __init__(
        self,
        principal: Annotated[Principal, Depends(WRITES)],
        key: Annotated[str | None, Depends(parameters.key)],
        condition: Annotated[Condition | None, Depends(parameters.condition)],
        wait: Annotated[int | None, Depends(parameters.wait)],
    ) -> None:
        self.principal = principal
        self.key = key
        self.condition = condition
        self.wait = wait


class Reception:
    """Takes commands over, and answers them."""

    def __init__(self, acceptance: Acceptance, estimates: Estimates, waiting: Waiting) -> None:
        self._acceptance = acceptance
        self._estimates = estimates
        self._waiting = waiting

    async def take(self, sender: Sender, command: Command) -> Response:
        asked = Asked(sender.principal.subject, command, sender.key, sender.condition)
        accepted = await self._acceptance.accept(asked)
        row, headers = accepted.row, {}
        if accepted.replayed:
            headers["Idempotency-Replayed"] = "true"
        if sender.wait is not None:
            row, waited = await self._waiting.until_over(row, sender.wait, lambda: self._acceptance.job(row["id"]))
            headers |= {"Preference-Applied": f"wait={sender.wait}"} if waited else {}
        return answers.job(self._estimates.document(row), 200 if has_ended(row) else 202, headers)


async def _sender(sender: Annotated[Sender, Depends()]) -> Sender:
    return sender


From = Annotated[Sender, Depends(_sender)]


def events(reception: Reception, bodies: Bodies) -> APIRouter:
    """`/v1/events…`: what organizers do to events."""
    routes = _routes("/v1/events", ["events"])

    @routes.post("", **_takes(CreateEvent))
    async def create_event(request: Request, sender: From) -> Response:
        """Create an event with its tickets. It is a draft unless `status` says otherwise; `active`: published, too."""
        body = await bodies.read(request, CreateEvent, "event.create")
        return await reception.take(sender, body.command())

    @routes.patch("/{event_id}", **_takes(EditEvent))
    async def edit_event(request: Request, event_id: EventId, sender: From) -> Response:
        """Edit fields of an event. What is left out stays; null clears. Queued edits of one event become one call."""
        body = await bodies.read(request, EditEvent, "event.edit")
        return await reception.take(sender, body.command(event_id))

    @routes.post("/{event_id}/publish", **_TAKES_NOTHING)
    async def publish_event(event_id: EventId, sender: From) -> Response:
        """Make an event active, and visible to buyers."""
        return await reception.take(sender, Command("event.publish", event_id))

    @routes.post("/{event_id}/unpublish", **_TAKES_NOTHING)
    async def unpublish_event(event_id: EventId, sender: From) -> Response:
        """Make an event a draft again, and withdraw it from buyers."""
        return await reception.take(sender, Command("event.unpublish", event_id))

    @routes.post("/{event_id}/archive", **_TAKES_NOTHING)
    async def archive_event(event_id: EventId, sender: From) -> Response:
        """Put an event away; nobody but organizers sees it."""
        return await reception.take(sender, Command("event.archive", event_id))

    @routes.delete("/{event_id}", **_TAKES_NOTHING)
    async def delete_event(event_id: EventId, sender: From) -> Response:
        """Delete an event and its tickets, for ever."""
        return await reception.take(sender, Command("event.delete", event_id))

    return routes


def tickets(reception: Reception, bodies: Bodies) -> APIRouter:
    """`/v1/events/{event_id}/tickets…`."""
    routes = _routes("/v1/events/{event_id}/tickets", ["tickets"])

    @routes.post("", **_takes(NewTicket))
    async def create_ticket(request: Request, event_id: EventId, sender: From) -> Response:
        """Add a ticket to an event."""
        body = await bodies.read(request, NewTicket, "ticket.create")
        return await reception.take(sender, Command("ticket.create", event_id, fields=body.fields()))

    @routes.patch("/{ticket_id}", **_takes(EditTicket, *answers.OF_CAPACITIES))
    async def edit_ticket(request: Request, event_id: EventId, ticket_id: TicketId, sender: From) -> Response:
        """Edit a ticket. A new capacity changes the stock by the difference: what is sold meanwhile stays sold.

        While an earlier new capacity of the ticket is in doubt, another one is 409, which names that job in `jobs`.
        """
        body = await bodies.read(request, EditTicket, "ticket.edit")
        return await reception.take(sender, Command("ticket.edit", event_id, ticket_id, body.fields()))

    @routes.delete("/{ticket_id}", **_TAKES_NOTHING)
    async def delete_ticket(event_id: EventId, ticket_id: TicketId, sender: From) -> Response:
        """Delete a ticket. An event keeps one at least."""
        return await reception.take(sender, Command("ticket.delete", event_id, ticket_id))

    return routes


def _routes(prefix: str, tags: Sequence[str]) -> APIRouter:
    """The token is judged first, before anything of the question is looked at."""
    guards = [Depends(WRITES), Depends(parameters.nothing)]
    return APIRouter(prefix=prefix, tags=[*tags], dependencies=guards)


def _takes(body: type[Any], *refusals: int) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{body.__name__}"}
    return {
        "status_code": 202,
        "response_class": Response,
        "responses": answers.of_command(*refusals, body=True),
        "openapi_extra": {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}},
    }


_TAKES_NOTHING: dict[str, Any] = {
    "status_code": 202,
    "response_class": Response,
    "responses": answers.of_command(body=False),
}
