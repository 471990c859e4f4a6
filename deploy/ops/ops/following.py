"""Follow a run to its end, and say what has to be said on the way."""

import asyncio
import time
from typing import Protocol

from ops.failures import ServerDown
from ops.runs import Run, Runs

LOOK_EVERY = 0.25  # seconds
SILENCE = 10.0  # seconds after which a run that nobody takes up, or that stands still, is remarked upon
UNHEARD = 60.0  # seconds; a run that is not heard of for so long has probably lost its syncer
AWAY_WITHIN = 60.0  # seconds that PostgreSQL may be away under a run; the run itself waits for as long as it takes


class Watcher(Protocol):
    """Who is shown a run: a bar, lines of JSON, lines of text."""

    def show(self, run: Run) -> None:
        """As it is now; called again and again."""

    def say(self, sentence: str) -> None:
        """Something that the figures don't tell."""


class StillOpen(ServerDown):
    """The run did not end in time."""


async def follow(runs: Runs, run_id: int, watcher: Watcher, within: float | None = None) -> Run:
    """The run when it is over.

    Raises:
        NotFound: there is no such run.
        StillOpen: it did not end `within` so many seconds; it goes on without us.
        ServerDown: PostgreSQL was away for too long.
    """
    until = None if within is None else time.monotonic() + within
    said: str | None = None
    while True:
        run = await _look(runs, run_id, watcher)
        watcher.show(run)
        if not run.open:
            return run
        remark = remarkable(run)
        if remark is not None and remark != said:
            watcher.say(remark)
        said = remark
        if until is not None and time.monotonic() >= until:
            raise StillOpen(
                f"{run.name} did not end within {within:g} s, and goes on: `understudy runs follow {run_id}`"
            )
        await asyncio.sleep(LOOK_EVERY)


def remarkable(run: Run) -> str | None:
    """What somebody who waits for this run should know, or None. The same words while it is the same thing."""
    if run.state == "asked":
        if run.behind is not None:
            return f"{run.name} waits for run {run.behind}, which goes first"
        if run.unheard > SILENCE:
            return f"nobody has taken up {run.name} for {SILENCE:g} s: is the syncer running? `understudy status` says"
        return None
    if run.error:
        return f"attempt {run.attempts} failed, the syncer tries again: {run.error}"
    if run.unheard > UNHEARD:
        return (
            f"nothing was heard of {run.name} for {UNHEARD:g} s; if its syncer died, another, or the next, "
            "goes on where it was"
        )
    return None


async def _look(runs: Runs, run_id: int, watcher: Watcher) -> Run:
    """Raises ServerDown when PostgreSQL does not come back."""
    since = time.monotonic()
    told = False
    while True:
        try:
            return await runs.get(run_id)
        except ServerDown as error:
            if time.monotonic() - since > AWAY_WITHIN:
                raise
            if not told:
                watcher.say(f"{error}; trying again for {AWAY_WITHIN:g} s")
                told = True
        await asyncio.sleep(1.0)
