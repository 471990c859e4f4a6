"""Live jobs, step by step: what is kept, who may hear what, and that no cut connection loses the end of a job."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from event_streams import Heard, block
from hypothesis import example, given
from hypothesis import strategies as st

from read_api.feed import Position
from read_api.live import voices
from read_api.live.asking import Wish, wish
from read_api.live.circles import Circle
from read_api.live.fan_out import job_handings
from read_api.live.hub import Hub
from read_api.live.ids import OF_NO_STREAM, EventId, Place
from read_api.live.job_ring import MOST_JOBS, MOST_TEXT, JobRing
from read_api.live.job_subscribers import JobSubscribers
from read_api.live.job_updates import JobUpdate, JobWish, NotAJob, update_of
from read_api.live.rights import circle_of, jobs_of, sees_jobs
from read_api.live.rounds import MOST_JOBS_OF_A_ROUND, JobRound
from read_api.live.settings import LiveSettings
from read_api.live.stream import Stream
from shared.auth import Principal
from shared.contracts import EventProjectedV1, JobChangedV1
from shared.settings import NatsSettings

BORN = datetime(2026, 1, 1, tzinfo=UTC)
ANN = Principal("ann", frozenset({"events:write"}))
DESK = Principal("desk", frozenset({"jobs:read", "events:read"}))
ids = st.builds(EventId, st.integers(0, 10**18 - 1), st.integers(0, 10**19 - 1))
NOT_KNOWN = EventId(OF_NO_STREAM, 0)
names = st.sampled_from("abcd")
changes = st.lists(st.tuples(names, st.integers(1, 4)), max_size=30)  # of which job, which version


def job_id(number: int) -> str:
    return f"01990000-0000-7000-8000-{number:012d}"


def changed(number: int, version: int, owner: str = "ann", body: bytes | None = None) -> JobChangedV1:
    job = job_id(number)
    return JobChangedV1(
        id=f"job:{job}:{version}", source="writer", subject=f"job/{job}", time=BORN, job_id=job, owner=owner,
        state="queued", version=version,
        body=orjson.dumps({"job_id": job, "version": version}) if body is None else body,
    )  # fmt: skip


def update(job: str, version: int = 1, owner: str = "ann", size: int = 10) -> JobUpdate:
    return JobUpdate(job, owner, version, f"event: job\ndata: {job}{version}".encode().ljust(size, b".") + b"\n")


@given(ids | st.none(), ids | st.none())
def test_a_place_is_read_as_it_was_written(tags: EventId | None, jobs: EventId | None):
    assert Place.parse(str(Place(tags, jobs))) == Place(tags or NOT_KNOWN, jobs or NOT_KNOWN)


@given(st.text(alphabet="0123456789-.j "))
@example("7-3.9-5")
@example("j9-5.7-3")
def test_whatever_is_sent_as_a_place_is_one_or_half_of_one_or_none(text: str):
    read = Place.parse(text)
    halves = [half for half in (read.tags, read.jobs) if half != NOT_KNOWN]
    assert all(str(half) in text for half in halves)
    assert read.jobs == NOT_KNOWN or f"j{read.jobs}" in text


@given(changes, st.integers(1, 5), st.integers(5, 45), st.none() | st.frozensets(names))
def test_a_replay_of_jobs_is_the_latest_of_each_that_changed_or_a_reset(said, most, known, wanted):
    ring = JobRing(most)
    ring.begin(EventId(7, 10))
    latest: dict[str, tuple[int, JobUpdate]] = {}
    for sequence, (job, version) in enumerate(said, start=11):
        newer = job not in latest or latest[job][1].version < version
        if ring.add(sequence, update(job, version)) and newer:
            latest[job] = (sequence, update(job, version))
    newest = 10 + len(said)
    assert ring.latest() == EventId(7, newest)
    replay = ring.since(EventId(7, known), JobWish(wanted, None))
    if replay is None:
        assert not 10 <= known <= newest or len(latest) > most, "a reset is told for a reason"
        return
    expected = {job: found for job, (at, found) in latest.items() if at > known and (wanted is None or job in wanted)}
    replayed = {found.job_id: found for found in replay}  # one that was forgotten may be told once more
    assert expected.items() <= replayed.items(), "nothing is left out without a reset"
    assert wanted is None or set(replayed) <= wanted


def test_a_ring_is_bounded_in_bytes_and_forgets_the_oldest():
    ring = JobRing(1000, most_bytes=1000)
    ring.begin(EventId(7, 0))
    for number in range(1, 50):
        ring.add(number, update(str(number), size=99))
        assert ring.bytes <= 1000
    assert ring.since(EventId(7, 38), JobWish(None, None)) is None
    assert [found.job_id for found in ring.since(EventId(7, 47), JobWish(None, None)) or ()] == ["48", "49"]
    ring.add(50, update("50", size=5000))
    assert (ring.bytes, ring.since(EventId(7, 49), JobWish(None, None))) == (0, None)


def test_who_announces_late_does_not_take_a_job_back():
    ring = JobRing(10)
    ring.begin(EventId(7, 0))
    assert ring.add(1, update("a", 5))
    assert not ring.add(2, update("a", 5))
    assert not ring.add(3, update("a", 4))
    assert ring.latest() == EventId(7, 3)
    assert ring.since(EventId(7, 0), JobWish(None, None)) == [update("a", 5)]


def test_whatever_is_in_a_body_it_is_one_event():
    spread = b'{\n "note": "a\\nb",\r\n "event": "x"\n}'
    text = update_of(changed(1, 1, body=spread)).text
    assert text == b'event: job\ndata: {"note":"a\\nb","event":"x"}\n'
    for body in (b"", b"[]", b"1", b"{", b'{"a": "\xff"}', b"{}\n\nevent: purge"):
        with pytest.raises(NotAJob):
            update_of(changed(1, 1, body=body))


@pytest.mark.parametrize(
    ("scopes", "query", "circle", "owner"),
    [
        ({"events:read"}, b"", Circle.ORGANIZER, None),
        ({"events:write"}, b"jobs=all", Circle.JOBS, "me"),
        ({"jobs:read"}, b"jobs=all", Circle.JOBS, None),
        ({"jobs:read", "events:write"}, b"jobs=all", Circle.JOBS, None),
        ({"admin"}, b"jobs=all&tags=all", Circle.BOTH, None),
        ({"events:read", "events:write"}, b"jobs=all&tags=events", Circle.BOTH, "me"),
    ],
)
def test_whose_jobs_are_told_depends_on_the_scopes(scopes, query, circle, owner):
    principal, asked = Principal("me", frozenset(scopes)), wish(query, None)
    found = jobs_of(asked, principal)
    assert circle_of(asked, principal) is circle
    assert found == (None if asked.jobs is None else JobWish(None, owner))
    assert sees_jobs(principal) == (circle is not Circle.ORGANIZER)
    assert (circle_of(asked, None), jobs_of(asked, None)) == (Circle.PUBLIC, None)


def stream(wanted: JobWish) -> Stream:
    async def send(_: Any) -> None:
        raise AssertionError("nothing is sent here")

    return Stream(send, frozenset(), circle=Circle.JOBS, ends_at=None, on_caught_up=lambda _: None, jobs=wanted)


owners = st.sampled_from(["ann", "bob"])
wishes = st.builds(JobWish, st.none() | st.frozensets(names, min_size=1), st.none() | owners)


@given(st.dictionaries(names, owners, min_size=1), st.lists(wishes, max_size=6))
def test_everyone_is_handed_the_jobs_that_they_asked_for_and_may_see(said, wanted):
    told, subscribers, voice = JobRound(EventId(7, 3)), JobSubscribers(), voices.of_jobs(lambda: None)
    updates = {job: update(job, owner=owner) for job, owner in said.items()}
    for each in updates.values():
        told.add(each, EventId(7, 3))
    streams = [stream(each) for each in wanted]
    for each in streams:
        subscribers.add(each)
    assert set(subscribers) == set(streams)
    handed = list(job_handings(told, subscribers, voice))
    assert len({id(to) for to, _ in handed}) == len(handed)
    by_stream = {id(to): message["body"] for to, message in handed}
    for to, asked in zip(streams, wanted, strict=True):
        expected = [each for each in updates.values() if asked.wants(each)]
        body = by_stream.get(id(to), b"")
        assert body.count(b"event: job") == len(expected)
        assert all(each.text in body for each in expected)
        assert body.endswith(b"id: j7-3\n\n") == bool(expected)
        subscribers.remove(to)
    assert (len(subscribers), list(subscribers), subscribers.broad()) == (0, [], [])


def test_who_would_be_told_too_much_at_once_is_reset_and_others_are_not():
    voice = voices.of_jobs(lambda: None)
    for count, size in ((MOST_JOBS + 1, 10), (5, MOST_TEXT // 4), (MOST_JOBS_OF_A_ROUND + 1, 10)):
        told, subscribers = JobRound(EventId(7, 3)), JobSubscribers()
        every, own, one = (
            stream(JobWish(None, None)), stream(JobWish(None, "bob")), stream(JobWish(frozenset({"1"}), "bob"))
        )  # fmt: skip
        for each in (every, own, one):
            subscribers.add(each)
        for number in range(count):
            told.add(update(str(number), owner="bob" if number == 1 else "ann", size=size), EventId(7, 3))
        handed = {to: message["body"] for to, message in job_handings(told, subscribers, voice)}
        assert handed[every] == voice.reset(EventId(7, 3))
        if count <= MOST_JOBS_OF_A_ROUND:
            assert handed[own] == handed[one] != handed[every]
        else:
            assert handed == dict.fromkeys((every, own, one), voice.reset(EventId(7, 3)))


class DrivenFeed:
    """As much of a feed as is looked at, to be driven by a test."""

    def __init__(self) -> None:
        self.look_back = 0
        self.live = True
        self.position = Position(BORN, 10)


class Client:
    def __init__(self) -> None:
        self.body = b""
        self.open = True

    async def send(self, message: Any) -> None:
        self.body += message.get("body", b"")

    def heard(self) -> Iterator[Heard]:
        for text in self.body.decode().split("\n\n")[:-1]:
            if not text.startswith("retry:"):
                yield block(text)


@pytest.fixture
def hub() -> Hub:
    """Both of whose feeds are live, not started: tests have it do what is due."""
    made = Hub(LiveSettings(), DrivenFeed(), NatsSettings(nats_url="nats://127.0.0.1:9"))  # type: ignore[arg-type]
    made.jobs.feed._following = DrivenFeed()  # type: ignore[assignment]
    made.resumed(missed=False)
    made.jobs.resumed(missed=False)
    return made


async def tell(hub: Hub) -> None:
    for teller in (*hub._tellers.values(), *hub.jobs.tellers.values()):
        while teller._queue:
            await teller.step()


def purge(hub: Hub, sequence: int) -> None:
    event = EventProjectedV1(
        id=str(sequence), source="syncer", subject="event/42", time=BORN, seen_at=BORN,
        event_id=42, revision=sequence, visible=True,
    )  # fmt: skip
    hub.heard(event, late=False, sequence=sequence)


@pytest.mark.parametrize("order", [1, -1], ids=["tags first", "jobs first"])
async def test_wherever_a_connection_is_cut_its_client_learns_the_latest_or_that_it_did_not(hub, order):
    """Each event is the last that arrives, once; the client comes back with the id that it holds then."""
    asked = Wish(None, None, frozenset({job_id(1)}))
    await tell(hub)
    client, behind = Client(), Client()
    joined, missing = (hub.join(each.send, asked, DESK) for each in (client, behind))
    for step in range(1, 6):
        if step == 5:
            hub.leave(missing)  # as for one that is behind: the last of each is not handed to it
        purge(hub, 10 + step)
        hub.jobs.heard(changed(1, step), late=False, sequence=10 + 2 * step)
        for tellers in (hub._tellers, hub.jobs.tellers)[::order]:
            await tellers[Circle.BOTH].step()
        await tell(hub)
    hub.leave(joined)
    await behind.send({"body": hub._anew(missing)})
    returned = await after_coming_back(hub, asked, [each.id for each in behind.heard() if each.id][-5])
    assert [each.event for each in returned] == ["purge", "live", "job", "live"]
    connections = [list(client.heard()), list(behind.heard()), [*list(behind.heard())[:-4], *returned]]
    for heard in connections:
        known = None
        for cut, last in enumerate(heard, start=1):
            known = last.id or known
            before = heard[:cut]
            assert knows(before + await after_coming_back(hub, asked, known)) == (15, 5), f"cut after {before}"


async def after_coming_back(hub: Hub, asked: Wish, known: str | None) -> list[Heard]:
    """What is told to who comes back; that of its own accord it reads all anew after a reset, or without an id."""
    place = Place.parse(known) if known else Place()
    client = Client()
    hub.leave(hub.join(client.send, Wish(asked.tags, place.tags, asked.jobs, place.jobs), DESK))
    heard = list(client.heard())
    anew = [Heard("reset", {"of": of}, None) for of in ("tags", "jobs")] if known is None else []
    return anew + heard


def knows(heard: list[Heard]) -> tuple[int, int]:
    """The revision and the version that a client has which reads again what was reset."""
    revision = version = 0
    for told in heard:
        if told.event == "purge":
            revision = max(revision, told.data["revision"])
        elif told.event == "job":
            version = max(version, told.data["version"])
        elif told.event == "reset":
            revision, version = (15, version) if told.data["of"] == "tags" else (revision, 5)
    return revision, version


async def test_heartbeats_name_what_each_circle_was_told(hub):
    await tell(hub)
    both, jobs = Client(), Client()
    streams = [
        hub.join(both.send, Wish(None, None, "all"), DESK),
        hub.join(jobs.send, Wish(frozenset(), None, "all"), ANN),
    ]
    purge(hub, 11)
    hub.jobs.heard(changed(1, 1), late=False, sequence=12)
    await tell(hub)
    await hub._watch.step(streams)
    told = [list(client.heard())[-1] for client in (both, jobs)]
    assert [(heard.event, Place.parse(heard.id or "")) for heard in told] == [
        ("", Place(hub._rings[True].latest(), hub.jobs._ring.latest())),
        ("", Place(NOT_KNOWN, hub.jobs._ring.latest())),
    ]
    assert [heard.event for heard in jobs.heard()] == ["live", "job", ""]
    for each in streams:
        hub.leave(each)
    assert (hub.open, hub._streams.hear_of_jobs) == (0, 0)


async def test_what_is_no_job_is_passed_over_and_a_stop_ends_all(hub):
    await tell(hub)
    client = Client()
    joined = hub.join(client.send, Wish(frozenset(), None, "all"), ANN)
    hub.jobs.heard(changed(1, 1, body=b"nonsense"), late=False, sequence=11)
    hub.jobs.heard(changed(2, 1), late=False, sequence=12)
    await tell(hub)
    assert [heard.event for heard in client.heard()] == ["live", "job"]
    hub.stop()
    assert (joined.open, hub.open) == (False, 0)
