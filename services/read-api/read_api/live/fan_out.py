"""Who is handed what, with every frame encoded once. Pure but for what a stream is."""

from collections.abc import Iterator

from starlette.types import Message

from read_api.live import frames
from read_api.live.rounds import Notice, Round
from read_api.live.stream import Stream, message
from read_api.live.subscribers import Subscribers

Handing = tuple[Stream, Message]


def handings(told: Round | Notice, subscribers: Subscribers) -> Iterator[Handing]:
    """For one audience."""
    if isinstance(told, Notice):
        yield from _to_all(told.frame, subscribers)
        return
    if told.overflown:
        yield from _to_all(frames.reset(told.named), subscribers)
        return
    changed = told.changed.items()
    everything = message(frames.reset(told.named) if told.flood else frames.purges(changed, told.named))
    for stream in subscribers.broad():
        yield stream, everything
    yield from _to_concerned(told, subscribers)


def _to_all(frame: bytes, subscribers: Subscribers) -> Iterator[Handing]:
    for_all = message(frame)
    for stream in subscribers:
        yield stream, for_all


def _to_concerned(told: Round, subscribers: Subscribers) -> Iterator[Handing]:
    encoded: dict[tuple[str, ...], Message] = {}
    for stream, tags in subscribers.concerned(told.changed):
        frame = encoded.get(tags)
        if frame is None:
            frame = encoded[tags] = message(frames.purges([(tag, told.changed[tag]) for tag in tags], told.named))
        yield stream, frame
