"""What a job's row means, in an operator's words, and what they can do about one that is in doubt. Pure."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from ops.job import EFFECTIVE, Call, Census, Dispatcher, Job, Story
from ops.spans import span

STYLES = {
    "queued": "", "dispatching": "cyan", "succeeded": "green", "superseded": "green", "failed": "bold red",
    "in_doubt": "bold yellow", "cancelled": "dim",
}  # fmt: skip
WAITS = {"unknown_outcome": "for what was sent", "shopify": "for Shopify"}
LONGEST = 60  # characters of a value
CREATE = "event.create"


def lease(told: Dispatcher, started_by: int | None = None) -> str:
    """`dispatched by box/71/3f2a (pid 70, epoch 7, its lease ends in 12 s)`; `started_by`: the writer's pid."""
    if told.owner is None:
        return "nobody has ever dispatched: is the writer running?"
    if not told.held:
        return f"nobody dispatches: the lease of {told.owner} (epoch {told.epoch}) is over; is the writer running?"
    pid = "" if started_by is None else f"pid {started_by}, "
    return f"dispatched by {told.owner} ({pid}epoch {told.epoch}, its lease ends in {span(told.expires_in)})"


def breaker(told: Dispatcher) -> str:
    """Empty while it is closed."""
    if told.breaker_in <= 0:
        return ""
    return f"nothing is sent to Shopify for {span(told.breaker_in)}: {told.breaker_reason or 'it fails'}"


def census(told: Census) -> str:
    """`9 open, 0 in doubt, the oldest 21 s old`; the oldest that is open."""
    oldest = "" if told.oldest_seconds is None else f", the oldest {span(told.oldest_seconds)} old"
    return f"{told.open:,} open, {told.in_doubt:,} in doubt{oldest}"


def state(job: Job) -> str:
    """`queued, waits for Shopify, 12 s`; in short."""
    said = [job.state.replace("_", " ")]
    if job.waits_for:
        said.append(f"waits {WAITS.get(job.waits_for, job.waits_for)}")
    elif job.parked:
        said.append("parked")
    return ", ".join(said) + (f" {span(job.due_in)}" if job.parked else "")


def counts(by_state: Mapping[str, int]) -> str:
    """`3 queued, 1 in doubt`; open ones and those in doubt are always named."""
    always = ("queued", "dispatching", "in_doubt")
    return ", ".join(f"{n:,} {state.replace('_', ' ')}" for state, n in by_state.items() if n or state in always)


def target(job: Job) -> str:
    """`event 42`, `ticket 420 of event 42`; of a create that has made nothing yet, what it is to make."""
    if job.event_id is None:
        return f"a new event, {value(job.command.get('title'))}"
    if job.ticket_id is not None:
        return f"ticket {job.ticket_id} of event {job.event_id}"
    return f"event {job.event_id}"


def facts(story: Story) -> Iterator[tuple[str, str]]:
    """What is said of a job, line by line."""
    job = story.job
    yield "job", str(job.id)
    yield "command", f"{job.kind}, {target(job)}"
    yield "of", job.owner
    yield "state", job.state.replace("_", " ")
    yield from _moments(job)
    if job.attempts:
        yield "requests", f"{job.attempts}" + ("" if job.cost is None else f", {job.cost:g} points")
    yield from _merged(story)
    if job.state in EFFECTIVE:
        yield "readers", _visible(job)
    yield from _error(job.error or {})
    if job.note:
        yield "note", job.note


def _moments(job: Job) -> Iterator[tuple[str, str]]:
    yield "accepted", time(job.created_at)
    if job.dispatched_at:
        yield "dispatched", time(job.dispatched_at)
    if job.finished_at:
        yield "ended", f"{time(job.finished_at)}, after {span(job.seconds)}"
    if job.waits_for:
        yield "waits", _waits(job)
    elif job.parked:
        yield "event parked", f"until {time(job.due_at)}, {span(job.due_in)} more"


def _waits(job: Job) -> str:
    """`Shopify gave no answer within 10 s; next look in 12 s`."""
    because = job.waits_because or f"waits {WAITS.get(job.waits_for or '', job.waits_for)}"
    return because + (f"; next look in {span(job.due_in)}" if job.parked else "; it is tried again soon")


def _merged(story: Story) -> Iterator[tuple[str, str]]:
    job = story.job
    if job.superseded_by:
        carried = "carried by" if job.state in ("superseded", "dispatching") else "was carried by"
        yield carried, f"job {job.superseded_by}, which took its fields in"
    for taken in story.took_in:
        yield "took in", f"job {taken}"


def _error(error: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if error:
        yield "error", f"{error.get('message')} ({error.get('code')})"
    for each in error.get("errors") or ():
        yield "", f"{each.get('pointer') or each.get('field') or ''} {each.get('message')}".strip()


def asked(story: Story) -> list[tuple[str, str, str]]:
    """Field, what is wanted, and what organizers read of it now, as far as an event shows it."""
    shown = _shown(story)
    return [(name, value(wanted), value(_now(shown, name))) for name, wanted in sorted(story.job.wanted.items())]


def calls(story: Story) -> list[tuple[object, ...]]:
    return [
        (
            call.number,
            call.document,
            call.retry.replace("_", " "),
            f"{call.sent_at.astimezone(UTC):%H:%M:%S.%f}"[:-3],
            f"{call.within:.1f} s",
            _outcome(call, story),
            None if call.cost is None else f"{call.cost:g}",
            _remarks(call, before_retry=call.number < story.job.retried_from),
        )
        for call in story.calls
    ]


def advice(story: Story) -> list[str]:
    """What an operator can do now; nothing where nothing has to be done."""
    job = story.job
    apart = ["A retry sends its own command alone; each of those that it took in is retried by itself."]
    if job.state == "failed":
        return [f"Once its cause is mended: understudy jobs retry {job.id}", *(apart if story.took_in else [])]
    if job.state != "in_doubt":
        return []
    event = " --event ID" if job.kind == CREATE and job.event_id is None else ""
    return [
        "Nobody knows whether Shopify has done this, and nothing more is sent for it by itself.",
        *_where_to_look(story),
        f"It is there:     understudy jobs resolve {job.id} --as succeeded{event} --note '…'",
        f"It is not:       understudy jobs retry {job.id}   (it looks once more itself before it sends anything)",
        f"Leave it undone: understudy jobs resolve {job.id} --as failed --note '…'",
        *(apart if story.took_in else []),
    ]


def value(thing: Any) -> str:
    """Short; what is no text, as JSON."""
    if thing is None:
        return "-"
    text = " ".join((thing if isinstance(thing, str) else orjson.dumps(thing, default=str).decode()).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _where_to_look(story: Story) -> Iterator[str]:
    job = story.job
    if job.event_id is None:
        handle = _handle(story.calls)
        named = f"the handle {handle}" if handle else f"the title {value(job.command.get('title'))}"
        yield f"Look in Shopify's admin, /admin/products, for a product with {named}."
        yield f"It is this job's if its metafield understudy.job says {job.id}."
        return
    place = f"/admin/products/{job.event_id}" + ("" if job.ticket_id is None else f"/variants/{job.ticket_id}")
    match job.kind:
        case "event.delete" | "ticket.delete":
            yield f"Look in Shopify's admin whether {place} is gone."
        case "ticket.create":
            named = value(job.command.get("name"))
            yield f"Look in Shopify's admin, {place}, for a variant {named} whose metafield understudy.job is {job.id}."
        case _:
            yield f"Look in Shopify's admin, {place}, whether it is as wanted above."
    if story.deleted:
        yield "The event is deleted in Shopify, as far as we have heard."


def _handle(sent: Any) -> str | None:
    """The one that the last create chose."""
    handles = [(call.variables.get("input") or {}).get("handle") for call in sent]
    return next((handle for handle in reversed(handles) if handle), None)


def _visible(job: Job) -> str:
    if job.visible_revision is not None:
        return f"see it from revision {job.visible_revision} on"
    return "don't see it yet" + ("" if job.observed_at else "; it was not said on the bus yet")


def _shown(story: Story) -> Mapping[str, Any]:
    """The event, or of a command for a ticket that ticket."""
    served, wanted = story.served or {}, story.job.ticket_id
    if not story.job.kind.startswith("ticket."):
        return served
    found = [each for each in served.get("tickets") or () if each.get("id") == str(wanted)]
    return found[0] if found else {}


def _now(shown: Mapping[str, Any], name: str) -> Any:
    """The command's fields are flat: `venue_city`."""
    if name.startswith("venue_"):
        return (shown.get("venue") or {}).get(name.removeprefix("venue_"))
    return shown.get(name)


def _outcome(call: Call, story: Story) -> str:
    """Of one without an answer, as far as the calls behind it and the job's end tell what came of it."""
    if call.outcome is not None:
        return call.outcome.replace("_", " ")
    again = [each.number for each in story.calls if each.number > call.number and each.document == call.document]
    if again:
        return f"no answer; repeated as {again[0]}"
    if story.job.state in EFFECTIVE:
        return "no answer; found done" + (", or see the note" if story.job.note else " when read back")
    return "no answer" if call.gave_up_at else "unknown"


def _remarks(call: Call, *, before_retry: bool) -> str:
    said = [str(each.get("message")) for each in (call.answer or {}).get("userErrors") or ()]
    said += ["answered after the lease was lost"] if call.late else []
    said += [f"given up at {call.gave_up_at.astimezone(UTC):%H:%M:%S}"] if call.gave_up_at else []
    said += ["no longer counts"] if call.discarded else []
    said += ["before it was retried"] if before_retry else []
    return "; ".join(said)
