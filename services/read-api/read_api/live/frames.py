"""Spell events as text/event-stream (HTML Living Standard, section 9.2). Pure.

Only the last event of a frame bears an id: a client that lost the rest of it asks for all of it again. `named` is such
an id. `data` of what says how things stand: of which kind of changes, where a client hears of more than one.
"""

from collections.abc import Iterable

from read_api.live.ids import EventId, Place
from read_api.live.job_updates import JobUpdate

Named = EventId | Place

EVERYTHING, TAGS, JOBS = "{}", '{"of":"tags"}', '{"of":"jobs"}'


def purges(changed: Iterable[tuple[str, int]], named: Named) -> bytes:
    """`purge` for each tag: a document of it below that revision is gone. At least one."""
    events = [f'event: purge\ndata: {{"tag":"{tag}","revision":{revision}}}\n' for tag, revision in changed]
    return ("\n".join(events) + f"id: {named}\n\n").encode()


def jobs(updates: Iterable[JobUpdate], named: Named) -> bytes:
    """`job` for each of them: this is what it is now. At least one."""
    return b"\n".join(update.text for update in updates) + f"id: {named}\n\n".encode()


def degraded(data: str = EVERYTHING) -> bytes:
    """Announcements are being missed: rely on revalidation."""
    return f"event: degraded\ndata: {data}\n\n".encode()


DEGRADED = degraded()


def reset(named: Named, data: str = EVERYTHING) -> bytes:
    """Something may have been missed: nothing that the client holds is known to be current."""
    return f"event: reset\ndata: {data}\nid: {named}\n\n".encode()


def live(named: Named, data: str = EVERYTHING) -> bytes:
    """From this id on, everything is told."""
    return f"event: live\ndata: {data}\nid: {named}\n\n".encode()


def heartbeat(named: Named | None) -> bytes:
    """A comment for what closes idle connections, and an id without an event: a client that hears nothing for hours
    still comes back with one that is not too old.
    """
    return b":\n\n" if named is None else f":\nid: {named}\n\n".encode()


def retry(seconds: float) -> bytes:
    """How long the client waits before it connects again."""
    return f"retry: {round(seconds * 1000)}\n\n".encode()
