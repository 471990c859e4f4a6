"""Shopify does what it was asked, or doesn't, or does it much later, and says nothing of it: promises P6 and P7."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from command_stage import CommandStage, Times, command_stage
from databases import fresh_database
from shop_control import Json
from waiting import eventually

from sandbox.servers import Servers

TIMES = Times(lease=2.0, request=0.4, horizon=1.0)
SILENCES = ("hangs", "closed", "error", "internal_error")
FEW, ALL = pytest.param(("hangs",), id="one"), pytest.param(SILENCES, id="all", marks=pytest.mark.bench)


@pytest.fixture(scope="module")
async def one_stage(
    servers: Servers, postgres_dsn: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CommandStage]:
    directory = tmp_path_factory.mktemp("stage")
    async with (
        fresh_database(postgres_dsn, template_database) as dsn,
        command_stage(servers, dsn, directory, times=TIMES, writers=0) as made,
        made.writer_here(),
    ):
        await made.leads()
        yield made


@pytest.fixture
async def stage(one_stage: CommandStage) -> CommandStage:
    return await one_stage.anew()


async def late(stage: CommandStage, after: float, others: int, patience: float) -> list[float]:
    """An edit that is carried out so much later, with a newer one behind it; how long edits of other events took."""
    event, *rest = await stage.new_events(1 + others)
    await stage.shop.takes_effect_late("productUpdate", after=after, answer="hangs", match='"the first"')
    first = await stage.edit(event, title="the first")

    async def under_way() -> bool:
        return bool(await stage.shop.late_effects_due())

    _: bool = await eventually(under_way)
    second = await stage.edit(event, title="the second")
    began = time.monotonic()
    jobs = [await stage.edit(other) for other in rest]
    took: list[float] = []

    async def timed(job: str) -> None:
        await stage.ended(job, within=patience)
        took.append(time.monotonic() - began)

    await asyncio.gather(*(timed(job) for job in jobs))
    assert await stage.states(first, second) == ["dispatching", "queued"], (
        "the horizon was over too soon to show anything"
    )
    assert await stage.ended(first, second, within=patience) == ["succeeded", "succeeded"]
    assert await stage.shop.late_effects_due() == 0
    assert (await stage.shop.product(event["id"]))["title"] == "the second"
    assert await stage.verdict() == []
    return took


async def test_an_edit_that_takes_effect_late_does_not_overwrite_a_newer_one(stage: CommandStage) -> None:
    await late(stage, TIMES.request + 0.5, others=5, patience=10.0)


@pytest.mark.bench
async def test_an_edit_that_takes_effect_20_s_late_does_not_overwrite_a_newer_one(
    servers: Servers, database: str, tmp_path: Path
) -> None:
    """With the times that a real writer has."""
    times = Times(lease=20.0, request=10.0, horizon=30.0)
    async with command_stage(servers, database, tmp_path, times=times, writers=0) as stage, stage.writer_here():
        await stage.leads()
        took = await late(stage, 30.0, others=100, patience=60.0)
    print(f"100 edits of other events took {max(took):.2f} s at most")  # noqa: T201
    assert max(took) < 20.0


@pytest.mark.bench
async def test_without_the_horizon_the_judge_finds_the_newer_edit_overwritten(
    servers: Servers, database: str, tmp_path: Path
) -> None:
    times = Times(lease=2.0, request=0.3, horizon=0.0)
    async with command_stage(servers, database, tmp_path, times=times, writers=0) as stage, stage.writer_here():
        [event] = await stage.new_events(1)
        await stage.shop.takes_effect_late("productUpdate", after=2.0, answer="hangs", match='"the first"')
        await stage.edit(event, title="the first")
        _: int = await eventually(stage.shop.late_effects_due)
        await stage.edit(event, title="the second")
        await stage.ended()

        async def happened() -> bool:
            return not await stage.shop.late_effects_due()

        __: bool = await eventually(happened)
        assert {violation.promise for violation in await stage.verdict()} & {"effect twice", "overtaken"}


@pytest.mark.parametrize("silences", [FEW, ALL])
async def test_no_answer_to_a_creation_makes_no_second_event_or_ticket(
    stage: CommandStage, silences: tuple[str, ...]
) -> None:
    [event] = await stage.new_events(1)
    for silence in silences:
        await stage.shop.fault("productSet", answer=silence, match=f'"done, {silence}"')
        await stage.shop.fault("productSet", effect="none", answer=silence, match=f'"not done, {silence}"')
    await stage.shop.fault("productVariantsBulkCreate", answer="hangs")
    await stage.shop.fault("publishablePublish", answer="closed")
    tickets = [
        {"name": "Standing", "price": "10.00", "capacity": 50},
        {"name": "Seated", "price": "20.00", "capacity": 5},
    ]
    titles = [f"{done}, {silence}" for done in ("done", "not done") for silence in silences]
    jobs = [await stage.accept("event.create", title=each, status="active", tickets=tickets) for each in titles]
    jobs.append(await stage.accept("ticket.create", event, name="VIP", price="99.00", capacity=7))
    assert set(await stage.ended()) == {"succeeded"}
    assert await stage.verdict() == []
    made = [product for product in await stage.shop.truth() if product["title"] in titles]
    assert sorted(product["title"] for product in made) == sorted(titles)
    assert {tuple(stock_of(product)) for product in made} == {(50, 5)}
    assert stock_of(await stage.shop.product(event["id"])) == [100, 7]


@pytest.mark.parametrize("silences", [FEW, ALL])
async def test_no_answer_to_a_capacity_or_a_price_moves_no_stock_twice(
    stage: CommandStage, silences: tuple[str, ...]
) -> None:
    events = await stage.new_events(2 * len(silences))
    for event, (silence, effect) in zip(events, [(s, e) for s in silences for e in ("once", "none")], strict=True):
        item, variant = event["variants"][0]["inventory_item_id"], event["variants"][0]["id"]
        for mutation, number in (("inventoryAdjustQuantities", item), ("productVariantsBulkUpdate", variant)):
            await stage.shop.fault(mutation, effect=effect, answer=silence, match=f'/{number}"')
        await stage.edit_ticket(event, capacity=130, price="27.50")
    assert set(await stage.ended()) == {"succeeded"}
    assert await stage.verdict() == []
    for event in events:
        [variant] = (await stage.shop.product(event["id"]))["variants"]
        assert (variant["inventory_quantity"], variant["price"]) == (130, "27.50")


async def test_shopify_answering_twice_has_no_second_effect(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    for mutation in ("productSet", "productVariantsBulkCreate", "inventoryAdjustQuantities"):
        await stage.shop.fault(mutation, effect="twice")
    tickets = [{"name": "Standing", "price": "10.00", "capacity": 50}]
    await stage.accept("event.create", title="Once", tickets=tickets)
    await stage.accept("ticket.create", event, name="VIP", price="99.00", capacity=7)
    await stage.edit_ticket(event, capacity=150)
    assert set(await stage.ended()) == {"succeeded"}
    assert await stage.verdict() == []
    assert [product["title"] for product in await stage.shop.truth()].count("Once") == 1


def stock_of(product: Json) -> list[int]:
    return [variant["inventory_quantity"] for variant in product["variants"]]
