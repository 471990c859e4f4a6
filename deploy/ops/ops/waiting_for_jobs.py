"""Wait until a job is over, and say on stderr how it stands meanwhile."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import orjson

from ops import jobs_in_words, output
from ops.failures import ServerDown
from ops.following import AWAY_WITHIN, LOOK_EVERY, StillOpen
from ops.job import Job
from ops.jobs import Jobs
from ops.spans import span

Show = Callable[[Job], None]


async def followed(jobs: Jobs, job_id: UUID, within: float | None, *, json: bool) -> Job:
    """The job when it is over: it has ended, and if it took effect, readers can see it.

    Raises:
        NotFound: there is no such job.
        StillOpen: it is not over `within` so many seconds; it goes on without us.
        ServerDown: PostgreSQL was away for too long.
    """
    until = None if within is None else time.monotonic() + within
    with _showing(json=json) as show:
        while True:
            job = await _look(jobs, job_id)
            show(job)
            if job.over:
                return job
            if until is not None and time.monotonic() >= until:
                raise StillOpen(f"{job.name} is not over within {within:g} s, and goes on: it is {_words(job)}")
            await asyncio.sleep(LOOK_EVERY)


async def _look(jobs: Jobs, job_id: UUID) -> Job:
    """Raises ServerDown when PostgreSQL does not come back."""
    since = time.monotonic()
    while True:
        try:
            return await jobs.get(job_id)
        except ServerDown:
            if time.monotonic() - since > AWAY_WITHIN:
                raise
        await asyncio.sleep(1.0)


@contextmanager
def _showing(*, json: bool) -> Iterator[Show]:
    """A line that renews itself for people; a line for each change where nobody watches; JSON for programs."""
    if json:
        yield _on_change(lambda job: output.note(orjson.dumps(_told(job)).decode()))
        return
    if not sys.stderr.isatty():
        yield _on_change(lambda job: output.note(f"{job.name}: {_words(job)}"))
        return
    with output.errors().status("") as line:
        yield lambda job: line.update(f"{job.name}: {_words(job)}, {span(job.seconds)}")


def _on_change(say: Show) -> Show:
    before: list[object] = []

    def show(job: Job) -> None:
        now = [job.state, job.attempts, job.superseded_by, job.waits_for, job.parked, job.over]
        if now != before:
            before[:] = now
            say(job)

    return show


def _told(job: Job) -> dict[str, object]:
    parked = {"parked_seconds": round(job.due_in, 1)} if job.parked else {}
    told = {
        "id": str(job.id),
        "state": job.state,
        "attempts": job.attempts,
        "visible": job.visible_revision is not None,
    }
    waits = {"waits_for": job.waits_for, "waits_because": job.waits_because} if job.waits_for else {}
    return {**told, **waits, **parked}


def _words(job: Job) -> str:
    said = [job.state.replace("_", " ")]
    if job.attempts:
        said.append(f"{job.attempts} request{'' if job.attempts == 1 else 's'}")
    if job.waits_for:
        said.append(job.waits_because or f"waits {jobs_in_words.WAITS.get(job.waits_for, job.waits_for)}")
    if job.parked:
        said.append(f"parked for {span(job.due_in)}")
    if job.ended and not job.over:
        said.append("readers don't see it yet")
    return ", ".join(said)
