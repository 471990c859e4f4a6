"""Start processes as soon as what they need is there: many at once, the first failure ends it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ops.up.arrival import Arrival
from sandbox.processes import Died, NotReady, Process

POLL = 0.02  # seconds between looks
SAY_EVERY = 3.0  # seconds between words on how far the events have come


class Interrupted(Exception):
    """We were asked to stop before everything was up."""


class Stopping:
    """Whether we were asked to stop. Set from a signal handler, so it takes no lock (threading.Event does)."""

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set

    def wait(self, seconds: float) -> None:
        """Let so much time pass; keep it short."""
        if not self._set:
            time.sleep(seconds)


@dataclass(frozen=True)
class Step:
    """`needs` are names of steps. A `one_shot` has done its part when it ended with exit code 0. `within`: seconds."""

    process: Process
    needs: tuple[str, ...] = ()
    one_shot: bool = False
    within: float = 60.0

    @property
    def name(self) -> str:
        """As people are told of it."""
        return self.process.name.replace("_", "-")

    def done(self) -> bool:
        """Raises Died with the end of its log."""
        code = self.process.exit_code
        if self.one_shot:
            if code not in (None, 0):
                raise Died(f"{self.name} failed with exit code {code}\n{self.process.tail()}")
            return code == 0
        if not self.process.alive:
            raise Died(f"{self.name} ended with exit code {code} before it was ready\n{self.process.tail()}")
        return self.process.ready()


def run(steps: Sequence[Step], stopping: Stopping, say: Callable[[str], None]) -> None:
    """Raises Died or NotReady for the first step that fails, Interrupted once `stopping` is set."""
    waiting, launched, done = list(steps), dict[str, tuple[Step, float]](), set[str]()
    while len(done) < len(steps):
        _check(stopping)
        for step in [each for each in waiting if done.issuperset(each.needs)]:
            waiting.remove(step)
            if not step.process.alive:  # else it was given a head start
                step.process.launch()
            launched[step.process.name] = (step, time.monotonic())
        for name, (step, since) in list(launched.items()):
            if step.done():
                del launched[name]
                done.add(name)
                became = "done" if step.one_shot else f"ready, pid {step.process.pid},"
                say(f"{step.name}: {became} in {time.monotonic() - since:.1f} s")
            elif time.monotonic() - since > step.within:
                raise NotReady(f"{step.name} was not ready within {step.within:g} s\n{step.process.tail()}")
        stopping.wait(POLL)


def wait_for_arrival(
    look: Callable[[], Arrival], stopping: Stopping, stalled_after: float, say: Callable[[str], None]
) -> Arrival:
    """Until all has arrived. It may take long, but not stand still for `stalled_after` seconds: NotReady."""
    before, since = look(), time.monotonic()
    said = since
    resumed = before.complete
    while not (now := look()).over(resumed=resumed):
        _check(stopping)
        if now != before:
            before, since = now, time.monotonic()
        if time.monotonic() - said > SAY_EVERY:
            said = time.monotonic()
            say(now.words())
        if time.monotonic() - since > stalled_after:
            raise NotReady(f"no progress for {stalled_after:g} s: {now}")
        stopping.wait(10 * POLL)
    return now


def _check(stopping: Stopping) -> None:
    if stopping.is_set():
        raise Interrupted
