"""Promises P6, P7 and P8: each command has its effect once, in its turn, and none is lost, wherever a writer dies.

Two writers run all the time. Each schedule is an event with commands of its own, one of which is the end of whoever
comes to a certain step with it: `kill -9`, or SIGSTOP and SIGCONT when another writer has long taken over.
"""

import os
import random
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import pytest
from command_stage import CommandStage, Fate, Times, command_stage
from shop_control import Json
from writer_process import KILL, STEPS, STOP

from sandbox.servers import Servers

SEED = int(os.environ.get("UNDERSTUDY_CHAOS_SEED", "1"))
SCHEDULES = 200
AT_ONCE = 25  # schedules, with one pair of writers
TIMES = Times(lease=0.8, request=0.4, horizon=0.4)
STOPPED_FOR = (TIMES.lease + 0.1, TIMES.lease + TIMES.request + TIMES.horizon + 1.0)  # seconds
DRAINED_WITHIN = 90.0  # seconds, for one round
LOST_ANSWERS = 0.2  # of the commands: Shopify carries them out, and says nothing


@pytest.fixture
async def stage(servers: Servers, database: str, tmp_path: Path) -> AsyncIterator[CommandStage]:
    async with command_stage(servers, database, tmp_path, times=TIMES) as made:
        await made.start()
        yield made


class Schedule:
    """What is asked of one event, one command after the other, and where it is somebody's end."""

    def __init__(self, chance: random.Random, number: int) -> None:
        self.chance = chance
        self.number = number
        self.event: Json = {}
        self.jobs: list[str] = []
        self.length = chance.randint(2, 5)
        self.fateful = chance.randrange(self.length)
        self.fate: Fate = (chance.choice(STEPS), chance.choice([KILL, KILL, STOP]))

    async def begin(self, stage: CommandStage) -> None:
        self.event = await stage.new_event(f"Schedule {self.number}")

    async def command(self, stage: CommandStage, place: int) -> None:
        fate = self.fate if place == self.fateful else None
        said = f"{self.number} #{place}"
        if self.chance.random() < LOST_ANSWERS:
            await stage.shop.fault(match=said, answer=self.chance.choice(["hangs", "closed", "error"]))
        match self.chance.choice(["title", "title", "subtitle", "status", "price", "capacity", "ticket", "event"]):
            case "title":
                job = await stage.edit(self.event, fate, title=said)
            case "subtitle":
                job = await stage.edit(self.event, fate, subtitle=said)
            case "status":
                job = await stage.accept(self.chance.choice(STATUSES), self.event, fate=fate)
            case "price":
                job = await stage.edit_ticket(self.event, fate, price=f"{10 + place}.{self.number % 100:02}")
            case "capacity":
                capacity = 100 + 10 * place + self.number % 10
                job = await stage.edit_ticket(self.event, fate, capacity=capacity)
            case "ticket":
                job = await stage.accept("ticket.create", self.event, fate=fate, name=said, price="9.00", capacity=9)
            case _:
                tickets = [{"name": "Standing", "price": "8.00", "capacity": 8}]
                job = await stage.accept("event.create", fate=fate, title=said, status="active", tickets=tickets)
        self.jobs.append(job)


STATUSES = ("event.publish", "event.unpublish", "event.archive")


async def carried_out(stage: CommandStage, schedules: list[Schedule], chance: random.Random) -> None:
    """All of them at once, until nothing is open any more."""
    for schedule in schedules:
        await schedule.begin(stage)
    await stage.leads()
    async with stage.kept_running(chance, STOPPED_FOR):
        turns = [(schedule, place) for schedule in schedules for place in range(schedule.length)]
        chance.shuffle(turns)
        places = dict.fromkeys(schedules, 0)
        for schedule, _ in turns:
            await schedule.command(stage, places[schedule])
            places[schedule] += 1
        await stage.ended(*(job for schedule in schedules for job in schedule.jobs), within=DRAINED_WITHIN)


async def test_each_command_has_its_effect_once_though_writers_die(stage: CommandStage) -> None:
    chance = random.Random(SEED)  # noqa: S311 (an order, not a secret)
    schedules = [Schedule(chance, number) for number in range(3)]
    await carried_out(stage, schedules, chance)
    assert stage.fates.struck() > 0, "nobody came to where somebody was to die"
    await stage.announced()
    assert await stage.verdict() == []


@pytest.mark.bench
@pytest.mark.timeout(540)
async def test_each_command_has_its_effect_once_in_200_schedules(stage: CommandStage) -> None:
    chance = random.Random(SEED)  # noqa: S311
    for first in range(0, SCHEDULES, AT_ONCE):
        await carried_out(stage, [Schedule(chance, first + each) for each in range(AT_ONCE)], chance)
        assert await stage.verdict() == [], f"UNDERSTUDY_CHAOS_SEED={SEED}, schedules from {first}"
    print(f"{stage.fates.struck()} deaths in {SCHEDULES} schedules")  # noqa: T201
    assert stage.fates.struck() > SCHEDULES / 2


@pytest.mark.bench
@pytest.mark.parametrize(("step", "what"), list(product(STEPS, (KILL, STOP))))
async def test_nothing_is_lost_or_doubled_at_any_step(stage: CommandStage, step: str, what: str) -> None:
    """The step on its own, with a newer edit of the same event waiting."""
    event, other = await stage.new_events(2)
    await stage.leads()
    first = await stage.edit(event, (step, what))
    pid = await stage.struck(first, step)
    second, elsewhere = await stage.edit(event), await stage.edit(other)
    assert await stage.ended(elsewhere) == ["succeeded"]
    stopped = [each for each in stage.writers if each.process.alive and each.pid == pid]
    assert set(await stage.ended(first, second)) <= {"succeeded", "superseded"}
    for each in stopped:
        each.go_on()
    third = await stage.edit(event)
    assert await stage.ended(third) == ["succeeded"]
    await stage.announced()
    assert await stage.verdict() == []
