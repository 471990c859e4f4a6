"""Commands as fast as Shopify allows: ours, FastAPI with RQ, and a naive client, each with a full bucket of its own."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from ops.bench import plots
from ops.bench.budget_use import Sample, Use, use
from ops.bench.commanded import COST, Command, alike, apart, disorder
from ops.bench.dispatching import as_request, progress
from ops.bench.naive import Naive
from ops.bench.patience import until
from ops.bench.percentiles import milliseconds
from ops.bench.queued import WORKERS, Queued, queue
from ops.bench.report import OURS, Row, Target, number
from ops.bench.request import request
from ops.bench.sending import Sent, send
from ops.bench.simulated import Limits, Meter, Simulated
from ops.bench.subject import Say, Subject, place

PACE = 50.0  # commands a second: five times what Shopify carries out on the standard plan
QUEUE, NAIVE = "FastAPI + RQ, 2 requests/s", "asyncio, backs off"
SECONDS_OF_BUCKET = 20.0  # Shopify's buckets hold what it restores in so many
SLOW = 3.0  # seconds that Shopify takes for the acceptance that was promised
SLOW_SECONDS, SLOW_EVENTS = 10.0, 20  # few events, so that little is left to do afterwards
ENDS_WITHIN, SEEN_WITHIN = 120.0, 60.0  # seconds beyond what the points allow
USED = Target("points used %", over=98)
NONE = (Target("THROTTLED", under=1), Target("lost", under=1), Target("out of order", under=1))
ACCEPTED = Target("accepted p99 ms", under=20)


@dataclass(frozen=True)
class Plan:
    """`commands` over the first `events` of the shop, `pace` of them a second. `peer_seconds`: after that a peer ends,
    whatever is left.
    """

    commands: int
    events: int
    limits: Limits
    peer_seconds: float
    pace: float = PACE

    @property
    def enough(self) -> int:
        """Mutations that Shopify restores the points for while one is answered."""
        return max(1, round(self.limits.rate * self.limits.latency / COST))

    @property
    def seconds(self) -> float:
        """That the points for all commands take to be restored."""
        return self.commands * COST / self.limits.rate


@dataclass
class Ran:
    """What one contender did. `others`: points that were spent meanwhile, and not by its mutations.

    `done`: seconds from the first command until nothing is left to do; None: it was stopped.
    """

    who: str
    samples: list[Sample]
    used: Use
    mutations: int
    others: float
    throttled: int
    lost: int
    disorder: int
    left: int = 0
    done: float | None = None
    seen: float | None = None
    accepted: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    note: str = ""

    def figures(self) -> dict[str, float]:
        found = {
            "points used %": self.used.percent,
            "mutations/s": (self.used.spent - self.others) / COST / self.used.seconds,
            "mutations": self.mutations,
            "THROTTLED": self.throttled,
            "lost": self.lost,
            "out of order": self.disorder,
            "not done": self.left,
        }
        found |= {} if self.done is None else {"all done s": self.done}
        found |= {} if self.seen is None else {"all visible s": self.seen}
        accepted = {f"accepted {name}": value for name, value in milliseconds(self.accepted, (0.5, 0.99)).items()}
        late = milliseconds(self.late, (0.99,))
        return found | accepted | ({"generator late p99 ms": late["p99 ms"]} if late else {})


@dataclass
class Findings:
    rows: list[Row]
    ran: list[Ran]

    def draw(self, file: Path) -> None:
        """Mutations over time."""
        lines = []
        for each in self.ran:
            began = each.samples[0]
            x = [sample.at - began.at for sample in each.samples]
            lines.append((each.who, x, [(sample.spent - began.spent) / COST for sample in each.samples]))
        plots.draw_progress(file, "Mutations that Shopify carried out", lines)


@dataclass
class Bench:
    subject: Subject
    shopify: Simulated
    plan: Plan
    event_ids: Sequence[str]
    scratch: Path
    say: Say

    async def run(self) -> Findings:
        """Ours first: whoever takes points behind the governor's back would make it guess."""
        plan, limits = self.plan, self.plan.limits
        whole = apart(self.event_ids, plan.commands, "Edited")
        self.say(f"write: {OURS}, about {plan.seconds:.0f} s")
        await self.shopify.limit(limits)
        ours = await self._ours(whole)
        self.say(f"write: {OURS}, edits that may be merged")
        await self.shopify.refilled(limits.size, limits.size / limits.rate * 2)
        merged = await self._ours(alike(self.event_ids, plan.commands, "Merged"))
        self.say(f"write: {OURS}, accepting while Shopify takes {SLOW:g} s")
        slow = await self._slow()
        self.say(f"write: {NAIVE}, {plan.peer_seconds:.0f} s at most")
        await self.shopify.limit(limits)
        naive = await self._naive(apart(self.event_ids, plan.commands, "Naive"))
        self.say(f"write: {QUEUE}, {plan.peer_seconds:.0f} s at most")
        await self.shopify.limit(limits)
        with queue(self.subject, self.scratch) as found:
            queued = await self._queued(apart(self.event_ids, plan.commands, "Queued"), found)
        return Findings(self._rows(ours, merged, slow, (naive, queued)), [ours, naive, queued])

    async def _ours(self, commands: Sequence[Command]) -> Ran:
        before, refused = await self.shopify.journal_end(), await self.shopify.throttled()
        loop = asyncio.get_running_loop()
        async with progress(self.subject) as jobs:
            began = loop.time()
            async with Meter(self.shopify, jobs.waiting) as meter:
                sent = await self._send(commands)
                await jobs.ended(self.plan.seconds + ENDS_WITHIN)
                done = loop.time() - began
            end = await jobs.seen(SEEN_WITHIN)
            seen = loop.time() - began
        ran = await self._judged(OURS, commands, meter.samples, before, refused)
        ran.lost, ran.done, ran.seen = end.lost + sent.refused, done, seen
        ran.accepted, ran.late = sent.taken, sent.late
        ran.note = f"{number(ran.others)} of the points were for reads"
        return ran

    async def _slow(self) -> Sent:
        commands = alike(self.event_ids[:SLOW_EVENTS], round(self.plan.pace * SLOW_SECONDS), "Slow")
        await self.shopify.slow_down(SLOW)
        async with progress(self.subject) as jobs:
            sent = await self._send(commands)
            await jobs.ended(ENDS_WITHIN)
            await jobs.seen(SEEN_WITHIN)
        return sent

    async def _send(self, commands: Sequence[Command]) -> Sent:
        return await send(
            commands, self.plan.pace, place(self.subject.writer), lambda each: as_request(self.subject, each)
        )

    async def _naive(self, commands: Sequence[Command]) -> Ran:
        before, refused = await self.shopify.journal_end(), await self.shopify.throttled()
        naive, loop = Naive(len(commands)), asyncio.get_running_loop()

        async def waiting() -> int:
            return naive.left

        async with Meter(self.shopify, waiting) as meter:
            began = loop.time()
            await naive.run(self.subject, commands, self.plan.pace, self.plan.peer_seconds)
            done = loop.time() - began
        ran = await self._judged(NAIVE, commands, meter.samples, before, refused, stopped=naive.left > 0)
        ran.lost, ran.left, ran.accepted = naive.lost, naive.left, naive.taken
        ran.done = done if not naive.left else None
        ran.note = f"accepted: once Shopify had done it, as far as that came; {self._stopped(naive.left)}"
        return ran

    async def _queued(self, commands: Sequence[Command], peer: Queued) -> Ran:
        before, refused = await self.shopify.journal_end(), await self.shopify.throttled()
        loop = asyncio.get_running_loop()
        async with Meter(self.shopify, peer.waiting) as meter:
            began = loop.time()
            host, port = peer.place
            sent = await send(commands, self.plan.pace, peer.place, lambda each: _posted(f"{host}:{port}", each))
            with suppress(TimeoutError):
                await until(peer.empty, max(0.0, self.plan.peer_seconds - (loop.time() - began)))
            left, failed = await peer.waiting(), await peer.failed()
        ran = await self._judged(QUEUE, commands, meter.samples, before, refused, stopped=left > 0)
        ran.lost, ran.left, ran.accepted, ran.late = failed + sent.refused, left, sent.taken, sent.late
        ran.note = f"{WORKERS} workers; {self._stopped(left)}"
        return ran

    def _stopped(self, left: int) -> str:
        """The bucket is full in the beginning: the shorter the run, the more that counts in a rate."""
        return f"stopped after {self.plan.peer_seconds:.0f} s" if left else "not stopped"

    async def _judged(
        self,
        who: str,
        commands: Sequence[Command],
        samples: list[Sample],
        before: int,
        refused: int,
        *,
        stopped: bool = False,
    ) -> Ran:
        """By Shopify's own journal. One that was stopped is not judged by how its events ended."""
        effects = await self.shopify.effects(before)
        finals = {} if stopped else await self.shopify.finals()
        mutations = sum(map(len, effects.values()))
        others = max(0.0, samples[-1].spent - samples[0].spent - COST * mutations)
        used = use(samples, self.plan.limits.rate, self.plan.enough)
        if who != OURS:  # those are our own syncer's, which reconciles all the while
            used = replace(used, spent=used.spent - others)
            others = 0.0
        return Ran(
            who,
            samples,
            used,
            mutations,
            others,
            throttled=await self.shopify.throttled() - refused,
            lost=0,
            disorder=disorder(commands, effects, finals=finals),
        )

    def _rows(self, ours: Ran, merged: Ran, slow: Sent, peers: Sequence[Ran]) -> list[Row]:
        plan, limits = self.plan, self.plan.limits
        shop = f"Shopify takes {limits.latency:g} s, {number(limits.rate)} points/s"
        apart_ = f"{number(plan.commands)} commands over {plan.events} events, none to be merged; {shop}"
        alike_ = f"{number(plan.commands)} edits over {plan.events} events, merged where they wait together; {shop}"
        slow_ = f"commands accepted at {number(plan.pace)}/s while Shopify takes {SLOW:g} s"
        accepted = {f"accepted {name}": value for name, value in milliseconds(slow.taken, (0.5, 0.99)).items()}
        late = milliseconds(slow.late, (0.99,))["p99 ms"]
        return [
            Row(apart_, OURS, ours.figures(), (USED, *NONE, ACCEPTED), ours.note),
            *(Row(apart_, each.who, each.figures(), note=each.note) for each in peers),
            Row(alike_, OURS, merged.figures(), NONE, merged.note),
            Row(slow_, OURS, {**accepted, "lost": slow.refused, "generator late p99 ms": late}, (ACCEPTED,)),
        ]


def _posted(host: str, command: Command) -> bytes:
    name, value = command.effect
    headers = {"Content-Type": "application/json"}
    return request(host, f"/v1/events/{command.event_id}", headers, orjson.dumps({name: value}))


async def measure(subject: Subject, plan: Plan, event_ids: Sequence[str], scratch: Path, say: Say) -> Findings:
    """Raises NotInstalled, ProcessError, Refused, ServerDown."""
    shopify = Simulated.at(subject.shopify)
    try:
        return await Bench(subject, shopify, plan, event_ids[: plan.events], scratch, say).run()
    finally:
        await shopify.close()


def settings(plan: Plan) -> dict[str, str]:
    """Of the writer: one client that sends it all, and connections for what Shopify may be asked at once."""
    at_once = max(64, 3 * plan.enough)
    return {
        "WRITER_CLIENT_RATE": "100000", "WRITER_CLIENT_BURST": "100000", "WRITER_CLIENT_OPEN": "1000000",
        "SHOPIFY_MAX_IN_FLIGHT": str(at_once),
    }  # fmt: skip


def bucket_of(rate: float) -> float:
    return rate * SECONDS_OF_BUCKET
