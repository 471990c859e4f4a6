"""What tags are called. Pure."""

EVENTS = "events"  # the tag of every list
OURS = "understudy"  # of every public document at a CDN besides, so that all of them can be dropped, and nothing else
EVENT = "event:"
PUBLIC_EVENT = "public:event"  # the document of an event that anyone may read, among those of its tag


def event_tag(event_id: int) -> str:
    """The tag of everything that shows one event."""
    return f"{EVENT}{event_id}"


def tagged_event(tag: str) -> int | None:
    """Which event a tag is of; None for that of the lists."""
    return int(tag.removeprefix(EVENT)) if tag.startswith(EVENT) else None
