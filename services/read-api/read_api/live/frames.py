"""Spell events as text/event-stream (HTML Living Standard, section 9.2). Pure.

Only the last event of a frame bears an id: a client that lost the rest of it asks for all of it again.
"""

from collections.abc import Iterable

from read_api.live.ids import EventId

DEGRADED = b"event: degraded\ndata: {}\n\n"  # announcements are being missed: rely on revalidation


def purges(changed: Iterable[tuple[str, int]], named: EventId) -> bytes:
    """`purge` for each tag: a document of it below that revision is gone. At least one."""
    events = [f'event: purge\ndata: {{"tag":"{tag}","revision":{revision}}}\n' for tag, revision in changed]
    return ("\n".join(events) + f"id: {named}\n\n").encode()


def reset(named: EventId) -> bytes:
    """Something may have been missed: nothing that the client holds is known to be current."""
    return f"event: reset\ndata: {{}}\nid: {named}\n\n".encode()


def live(named: EventId) -> bytes:
    """From this id on, everything is told."""
    return f"event: live\ndata: {{}}\nid: {named}\n\n".encode()


def heartbeat(named: EventId | None) -> bytes:
    """A comment for what closes idle connections, and an id without an event: a client that hears nothing for hours
    still comes back with one that is not too old.
    """
    return b":\n\n" if named is None else f":\nid: {named}\n\n".encode()


def retry(seconds: float) -> bytes:
    """How long the client waits before it connects again."""
    return f"retry: {round(seconds * 1000)}\n\n".encode()
