"""Who is handed what in one round, with every frame encoded once. Pure but for what a stream is."""

from collections.abc import Iterator, Mapping

from starlette.types import Message

from read_api.live import frames
from read_api.live.ids import EventId
from read_api.live.rounds import Round
from read_api.live.stream import Stream, message
from read_api.live.subscribers import Subscribers

Handing = tuple[Stream, Message]


def handings(told: Round, subscribers: Subscribers, named: EventId, *, drafts: bool) -> Iterator[Handing]:
    """For one audience. `named`: the id of the last announcement of the round that it may hear of."""
    changed = told.all if drafts else told.public
    if told.overflown:
        dropped = message(frames.reset(named))
        yield from ((stream, dropped) for stream in list(subscribers))
        return
    if not changed:
        return
    everything = message(frames.reset(named) if told.flood else frames.purges(changed.items(), named))
    for stream in subscribers.broad():
        yield stream, everything
    yield from _to_concerned(changed, subscribers, named)


def _to_concerned(changed: Mapping[str, int], subscribers: Subscribers, named: EventId) -> Iterator[Handing]:
    encoded: dict[tuple[str, ...], Message] = {}
    for stream, tags in subscribers.concerned(changed):
        frame = encoded.get(tags)
        if frame is None:
            frame = encoded[tags] = message(frames.purges([(tag, changed[tag]) for tag in tags], named))
        yield stream, frame
