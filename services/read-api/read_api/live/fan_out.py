"""Who is handed what, with every frame encoded once. Pure but for what a stream is."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from starlette.types import Message

from read_api.live.ids import EventId
from read_api.live.job_ring import fits
from read_api.live.job_subscribers import JobSubscribers
from read_api.live.job_updates import JobUpdate
from read_api.live.rounds import JobRound, Notice, Round
from read_api.live.stream import Stream, message
from read_api.live.subscribers import Subscribers
from read_api.live.voices import PLAIN, Jobs, Tags, Voice

Handing = tuple[Stream, Message]


def handings(told: Round | Notice, subscribers: Subscribers, voice: Voice[Tags] = PLAIN) -> Iterator[Handing]:
    """For one circle."""
    if isinstance(told, Notice):
        yield from _to_all(told.frame, subscribers)
        return
    if told.overflown:
        yield from _to_all(voice.reset(told.named), subscribers)
        return
    broad = subscribers.broad()
    if broad:
        everything = message(voice.reset(told.named) if told.flood else voice.changes(told.changed, told.named))
        for stream in broad:
            yield stream, everything
    yield from _to_concerned(told, subscribers, voice)


def job_handings(told: JobRound | Notice, subscribers: JobSubscribers, voice: Voice[Jobs]) -> Iterator[Handing]:
    """For one circle. Who would be told too much at once is reset instead."""
    if isinstance(told, Notice):
        yield from _to_all(told.frame, subscribers)
        return
    if told.overflown:
        yield from _to_all(voice.reset(told.named), subscribers)
        return
    of_owner: defaultdict[str | None, list[JobUpdate]] = defaultdict(list)
    for update in told.changed.values():
        of_owner[None].append(update)
        of_owner[update.owner].append(update)
    for owner, streams in subscribers.broad():
        if owner in of_owner:
            frame = _jobs(of_owner[owner], told.named, voice)
            for stream in streams:
                yield stream, frame
    encoded: dict[tuple[str, ...], Message] = {}
    for stream, job_ids in subscribers.concerned(told.changed).items():
        if job_ids not in encoded:
            encoded[job_ids] = _jobs([told.changed[job_id] for job_id in job_ids], told.named, voice)
        yield stream, encoded[job_ids]


def _to_all(frame: bytes, streams: Iterable[Stream]) -> Iterator[Handing]:
    for_all = message(frame)
    for stream in streams:
        yield stream, for_all


def _to_concerned(told: Round, subscribers: Subscribers, voice: Voice[Tags]) -> Iterator[Handing]:
    encoded: dict[tuple[str, ...], Message] = {}
    for stream, tags in subscribers.concerned(told.changed):
        frame = encoded.get(tags)
        if frame is None:
            frame = encoded[tags] = message(voice.changes({tag: told.changed[tag] for tag in tags}, told.named))
        yield stream, frame


def _jobs(updates: list[JobUpdate], named: EventId, voice: Voice[Jobs]) -> Message:
    return message(voice.changes(updates, named) if fits(updates) else voice.reset(named))
