"""What tags are called. Pure."""

EVENTS = "events"  # the tag of every list


def event_tag(event_id: int) -> str:
    """The tag of everything that shows one event."""
    return f"event:{event_id}"
