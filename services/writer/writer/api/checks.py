"""What Shopify would refuse for certain, as far as the projections and the queue tell, is refused at once. Pure.

Where they don't tell (an event of which not all tickets are known, stock that is being sold), Shopify decides.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from writer.api.commands import MONEY, Command
from writer.api.currencies import decimals, places

Error = dict[str, str]
TICKET_KINDS = ("event.create", "ticket.create", "ticket.edit", "ticket.delete")
DATE_KINDS = ("event.create", "event.edit")
DATES = ("starts_at", "ends_at")


@dataclass(frozen=True, slots=True)
class Known:
    """Of the event and the ticket that a command is about, and of the shop. Field by field, `get_known` says how."""

    living: bool
    deleted: bool
    created: bool
    deleting: bool
    revision: int | None
    starts_at: datetime | None
    ends_at: datetime | None
    complete: bool
    ticket_known: bool
    ticket_deleting: bool
    known_capacity: int | None
    handle_taken: bool
    currency: str | None


@dataclass(frozen=True, slots=True)
class Pending:
    """A command that was accepted, and that readers can't see the effect of yet."""

    kind: str
    ticket_id: int | None
    command: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ticket:
    id: int | None  # None: Shopify has not named it yet
    name: str


def kinds_to_foresee(command: Command) -> tuple[str, ...]:
    """Of which pending commands the check of this one needs to know; none for most."""
    match command.kind:
        case "event.edit" if len(command.fields.keys() & set(DATES)) == 1:
            return DATE_KINDS
        case "ticket.create" | "ticket.delete":
            return TICKET_KINDS
        case "ticket.edit" if "name" in command.fields:
            return TICKET_KINDS
        case _:
            return ()


def of_target(command: Command, known: Known) -> Iterator[Error]:
    """The event and the ticket must be there, as far as anyone knows."""
    if command.event_id is None:
        return
    if known.deleted or known.deleting:
        yield _in_path("event_id", "The event was deleted, or is about to be.")
    elif not (known.living or known.created):
        yield _in_path("event_id", "There is no such event.")
    elif command.ticket_id is not None:
        if known.ticket_deleting:
            yield _in_path("ticket_id", "The ticket was deleted, or is about to be.")
        elif not known.ticket_known:
            yield _in_path("ticket_id", "The event has no such ticket.")


def of_fields(command: Command, known: Known, pending: Sequence[Pending], tickets: Sequence[Ticket]) -> Iterator[Error]:
    """`pending`: of `kinds_to_foresee`, in order. `tickets`: those that readers see."""
    yield from _currency(command, known)
    yield from _amounts(command, known)
    yield from _dates(command, known, pending)
    if known.handle_taken:
        yield _at("handle", "Another event has this handle.")
    yield from _names(command, known, pending, tickets)


def _currency(command: Command, known: Known) -> Iterator[Error]:
    if command.currency is None or command.currency == known.currency:
        return
    if known.currency is None:
        yield _at("currency", "The shop's currency is not known yet; leave it out.")
    else:
        yield _at("currency", f"must be the shop's: {known.currency}")


def _amounts(command: Command, known: Known) -> Iterator[Error]:
    most = decimals(known.currency)
    for pointer, fields in _priced(command):
        for name in MONEY:
            amount = fields.get(name)
            if amount is not None and places(amount) > most:
                yield _at(f"{pointer}{name}", f"must have at most {most} decimals in {known.currency}")


def _priced(command: Command) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "", command.fields
    for number, ticket in enumerate(command.fields.get("tickets", ())):
        yield f"tickets/{number}/", ticket


def _dates(command: Command, known: Known, pending: Sequence[Pending]) -> Iterator[Error]:
    """One that isn't named is what it will be once all that is queued has taken effect."""
    named = [name for name in DATES if name in command.fields]
    if not named:
        return
    dates = {"starts_at": _spelled(known.starts_at), "ends_at": _spelled(known.ends_at)}
    for fields in (*(each.command for each in pending), command.fields):
        dates |= {name: fields[name] for name in DATES if name in fields}
    starts_at, ends_at = dates["starts_at"], dates["ends_at"]
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        at = "ends_at" if "ends_at" in named else "starts_at"
        yield _at(at, "The event must end after it starts.")


def _names(command: Command, known: Known, pending: Sequence[Pending], tickets: Sequence[Ticket]) -> Iterator[Error]:
    if command.kind == "event.create":
        yield from _each_once(command.fields["tickets"])
        return
    if not kinds_to_foresee(command) or not command.kind.startswith("ticket."):
        return
    others = [
        ticket for ticket in foresee(known, pending, tickets) if ticket.id != command.ticket_id or ticket.id is None
    ]
    if command.kind == "ticket.delete":
        if not others and (known.complete or not known.living):
            yield _in_path("ticket_id", "An event keeps one ticket at least.")
    elif command.fields["name"] in {ticket.name for ticket in others}:
        yield _at("name", "Another ticket of this event has this name.")


def _each_once(tickets: Iterable[Mapping[str, Any]]) -> Iterator[Error]:
    seen = set()
    for number, ticket in enumerate(tickets):
        if ticket["name"] in seen:
            yield _at(f"tickets/{number}/name", "Another ticket of this event has this name.")
        seen.add(ticket["name"])


def foresee(known: Known, pending: Sequence[Pending], tickets: Sequence[Ticket]) -> list[Ticket]:
    """The event's tickets once all that is queued has taken effect."""
    found = list(tickets)
    for each in pending:
        match each.kind:
            case "event.create" if not known.living:
                found += [Ticket(None, ticket["name"]) for ticket in each.command["tickets"]]
            case "ticket.create" if each.ticket_id is None or all(t.id != each.ticket_id for t in found):
                found.append(Ticket(each.ticket_id, each.command["name"]))
            case "ticket.edit" if "name" in each.command:
                found = [Ticket(t.id, each.command["name"]) if t.id == each.ticket_id else t for t in found]
            case "ticket.delete":
                found = [ticket for ticket in found if ticket.id != each.ticket_id]
    return found


def _spelled(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _at(pointer: str, detail: str) -> Error:
    return {"detail": detail, "pointer": f"#/{pointer}"}


def _in_path(name: str, detail: str) -> Error:
    return {"detail": detail, "path": name, "pointer": f"#/{name}"}
