"""What an announcement tells each audience. Pure."""

from shared.contracts import EventProjectedV1
from shared.tags.names import EVENTS, event_tag

Purges = tuple[tuple[str, int], ...]  # tag, revision


def purges_of(event: EventProjectedV1, *, drafts: bool) -> Purges:
    """The tags whose documents are gone, for clients that see `drafts`, or don't. Empty: there is nothing to tell.

    A draft's own tag is told to organizers only. `events` is told to everyone, whichever event bears its revision: an
    announcement that is made again may have a draft as its bearer, and lists would stay old in browsers. So a draft
    whose change raises the collection makes anonymous clients hear of `events`. That is no secret: the `X-Revision` of
    every public list says the same.
    """
    lists = () if event.events_revision is None else ((EVENTS, event.events_revision),)
    return ((event_tag(event.event_id), event.revision), *lists) if event.visible or drafts else lists
