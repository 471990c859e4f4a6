"""Tickets are sold while their capacity is edited: what was sold stays sold, and what is available is right."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from command_stage import CommandStage, Times, command_stage
from shop_control import Json

from sandbox.servers import Servers

EVENTS, EDITS, SALES = 4, 4, 40


@pytest.fixture
async def stage(servers: Servers, database: str, tmp_path: Path) -> AsyncIterator[CommandStage]:
    times = Times(lease=3.0, request=1.0, horizon=0.2)
    async with command_stage(servers, database, tmp_path, times=times, writers=0) as made, made.writer_here():
        await made.shop.turn(latency_min=0.01, latency_max=0.08)
        await made.leads()
        yield made


async def sell(stage: CommandStage, event: Json, chance: random.Random, number: int) -> int:
    """How many were sold; a buyer who finds too few left goes away."""
    sold = 0
    for _ in range(number):
        quantity = chance.randint(1, 2)
        try:
            await stage.shop.sell(event["variants"][0]["id"], quantity)
            sold += quantity
        except httpx2.HTTPStatusError as refused:
            assert refused.response.status_code == httpx2.codes.CONFLICT  # noqa: PT017
        await asyncio.sleep(chance.uniform(0, 0.04))  # buyers come when they come
    return sold


async def edit(stage: CommandStage, event: Json, chance: random.Random) -> None:
    """Up and down, below what is sold, too; every second time an answer gets lost."""
    for place in range(EDITS):
        if place % 2:
            item = event["variants"][0]["inventory_item_id"]
            await stage.shop.fault("inventoryAdjustQuantities", answer="closed", match=f'/{item}"')
        job = await stage.edit_ticket(event, capacity=chance.randrange(50, 250))
        if place % 3:
            await stage.ended(job)


async def test_what_is_sold_while_capacity_is_edited_stays_sold(stage: CommandStage) -> None:
    chance = random.Random(1)  # noqa: S311 (an order, not a secret)
    events = await stage.new_events(EVENTS)
    async with asyncio.TaskGroup() as everyone:
        buyers = [everyone.create_task(sell(stage, event, chance, SALES)) for event in events]
        for event in events:
            everyone.create_task(edit(stage, event, chance))
    states = await stage.ended()
    assert set(states) <= {"succeeded", "superseded", "failed"}
    assert await stage.verdict() == []  # with the stock of each ticket: its capacity less all that was sold
    for event, buyer in zip(events, buyers, strict=True):
        [level] = (await stage.shop.product(event["id"]))["variants"][0]["levels"]
        assert level["committed"] == buyer.result()
    for given, state in zip(stage.given, states, strict=True):
        if state == "failed":
            assert (await stage.job(given.job))["error"]["code"] == "below_sold"
