"""Everything is read by bulk operations: whole, or with an error that says what is missing, and on from any stop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import httpx2
import orjson
import pytest
from exports import PACE, Open, Pool, Reading, begun, opening, simulated
from waiting import eventually

from shared.postgres import transaction
from shared.shopify import Answer
from shared.shopify.errors import ShopifyUnavailable
from shared.shopify.shares import Share
from syncer import graphql_nodes
from syncer.export import Seen
from syncer.export.errors import (
    ExportExpired,
    ExportFailed,
    ExportLost,
    ExportMalformed,
    ExportRefused,
    ExportStalled,
    ExportTruncated,
    ResultUnavailable,
    TooManyExports,
)
from syncer.rules import Rules
from syncer.runs import RunCancelled
from syncer.shop_reader import ShopReader


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    async with simulated() as started:
        yield started


@pytest.fixture
async def opened(pool: Pool, url: str) -> AsyncIterator[Open]:
    """Begin to read the simulated shop, or one of the test's own with so many events."""
    async with AsyncExitStack() as stack:

        async def start(events: int | None = None, **knobs: Any) -> Reading:
            address = url if events is None else await stack.enter_async_context(simulated(events))
            return await stack.enter_async_context(opening(pool, address, **knobs))

        yield start


def counted(truth: dict[int, Any]) -> tuple[int, int, int]:
    variants = [variant for product in truth.values() for variant in product["variants"]]
    return len(truth), len(variants), sum(len(variant["levels"]) for variant in variants)


# All is well


@pytest.mark.parametrize("scatter", [0, 50, "end"])
async def test_every_product_comes_once_and_as_a_read_of_it_alone_has_it(opened: Open, scatter: Any) -> None:
    reading = await opened(bulk_scatter=scatter)
    counts = await reading.read()
    truth = await reading.truth()
    assert sorted(reading.handed) == sorted(truth)
    assert (counts.products, counts.tickets, counts.levels) == counted(truth)
    assert (counts.refetched, counts.operations, counts.expected) == (0, 1, len(truth))
    one_by_one: Any = ShopReader(reading.client, Rules())  # type: ignore[arg-type]
    for product_id in list(truth)[::9]:
        read = await one_by_one.product(product_id)
        bulk = reading.seen[product_id]
        assert graphql_nodes.product(orjson.dumps(bulk.node)) == graphql_nodes.product(orjson.dumps(read.node))
        assert bulk.began_at < read.began_at


async def test_several_operations_share_all_products_among_them(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncer.export.export.WORTH_A_PART", 10)
    reading = await opened()
    counts = await reading.read(at_once=3)
    assert sorted(reading.handed) == sorted(await reading.truth())
    assert counts.operations == 3
    sizes = [row["products"] for row in await reading.rows("SELECT products FROM export_parts")]
    assert min(sizes) > 10
    assert await reading.export().unseen(reading.run) == []


async def test_an_empty_shop_is_read_at_once(opened: Open) -> None:
    reading = await opened(events=0)
    assert (await reading.read()).products == 0
    assert reading.handed == []


async def test_what_was_read_already_is_not_read_again(opened: Open) -> None:
    reading = await opened()
    first = await reading.read()
    again = await reading.read()
    assert (again.products, again.operations) == (first.products, 1)
    assert len(reading.handed) == first.products


async def test_it_ends_as_soon_as_a_webhook_says_so(opened: Open) -> None:
    reading = await opened(bulk_seconds=0.3)
    export = reading.export(pace=replace(PACE, first_poll=30.0, longest_poll=30.0))
    running = asyncio.create_task(export.read(reading.run, Share.BACKFILL, reading.take))
    await eventually(lambda: reading.client.calls.get("bulk_operation", 0) == 1)

    async def completed() -> bool:
        return await reading.operations() == ["COMPLETED"]

    _: bool = await eventually(completed)
    export.noticed()
    await asyncio.wait_for(running, 10)


async def test_what_is_forgotten_leaves_nothing(opened: Open) -> None:
    reading = await opened()
    await reading.read()
    await reading.export().forget(reading.run)
    assert await reading.rows("SELECT part FROM export_lines UNION ALL SELECT id FROM export_parts") == []


async def test_an_event_that_an_export_did_not_see_is_named(opened: Open) -> None:
    reading = await opened()
    await reading.read()
    unprojected = await reading.export().unprojected(reading.run, Rules())
    assert (unprojected.missing, unprojected.behind) == (sorted(reading.handed), [])
    mugs = await reading.export().unprojected(reading.run, Rules(product_types=frozenset({"mug"})))
    assert mugs.missing == []
    async with transaction(reading.pool) as connection:
        await connection.execute("TRUNCATE export_lines")  # as a crash of PostgreSQL does
    with pytest.raises(ExportLost):  # and not: every event is gone
        await reading.export().unseen(reading.run)


async def test_what_is_too_large_to_be_handed_on_is_remembered_by_whoever_goes_on(opened: Open) -> None:
    reading = await opened()
    large = min(await reading.truth())

    async def take(products: Sequence[Seen]) -> Sequence[int]:
        await reading.take(products)
        return [each.product_id for each in products if each.product_id == large]

    counts = await reading.export().read(reading.run, Share.BACKFILL, take)
    assert (list(counts.too_large), counts.report()["too_large"]) == ([large], [large])
    assert list((await reading.read()).too_large) == [large]  # it was all handed on before


# Shopify's side goes wrong


async def test_a_result_that_lacks_lines_is_mended_by_another_operation(opened: Open) -> None:
    reading = await opened(bulk_truncated_lines=30, bulk_faulty=1)
    counts = await reading.read()
    assert sorted(reading.handed) == sorted(await reading.truth())
    assert (counts.operations, len(reading.way.asked)) == (2, 3)  # downloaded twice, in case the way cut it


@pytest.mark.parametrize(
    ("knobs", "error", "says"),
    [
        ({"bulk_truncated_lines": 3}, ExportTruncated, "lines came, Shopify's objectCount is"),
        ({"bulk_truncated_lines": 1, "bulk_truncated_mid_line": True}, ExportMalformed, "byte"),
        ({"bulk_fail_at": 0.5}, ExportFailed, "INTERNAL_SERVER_ERROR"),
        ({"bulk_fail_at": 0.5, "bulk_error_code": "TIMEOUT", "bulk_partial_data": False}, ExportFailed, "TIMEOUT"),
        ({"bulk_fail_at": 0.5, "bulk_error_code": "ACCESS_DENIED"}, ExportRefused, "ACCESS_DENIED"),
        ({"bulk_url_seconds": 0}, ExportExpired, "expired"),
    ],
)
async def test_what_goes_wrong_every_time_has_a_name_and_hands_nothing_on(
    opened: Open, knobs: dict[str, Any], error: type[Exception], says: str
) -> None:
    reading = await opened(**knobs)
    with pytest.raises(error, match=f"all products could not be read: .*{says}"):
        await reading.read()
    assert reading.handed == []


async def test_an_operation_that_failed_halfway_is_started_again(opened: Open) -> None:
    reading = await opened(bulk_fail_at=0.5, bulk_faulty=2)
    assert (await reading.read()).operations == 3
    assert sorted(reading.handed) == sorted(await reading.truth())


async def test_an_operation_that_somebody_cancels_is_started_again(opened: Open) -> None:
    reading = await opened(bulk_seconds=0.5)

    async def cancel() -> None:
        await reading.control.turn(bulk_seconds=0)
        operation = (await reading.part())["operation"]
        await reading.client.client.execute("bulk_operation_cancel", {"id": operation})

    reading.client.before["bulk_operation", 2] = cancel
    assert (await reading.read()).operations == 2
    assert sorted(reading.handed) == sorted(await reading.truth())


async def test_an_operation_that_gets_no_further_is_cancelled(opened: Open) -> None:
    reading = await opened(bulk_seconds=60)
    with pytest.raises(ExportStalled, match="gets no further"):
        await reading.read(pace=replace(PACE, stalled_after=0.0))
    assert set(await reading.operations()) == {"CANCELED"}


async def test_a_shortfall_that_nothing_explains_is_a_truncated_export(opened: Open) -> None:
    reading = await opened()
    known = reading.client.client.execute

    async def more(name: str, variables: Any = None, **further: Any) -> Answer:
        answer = await known(name, variables, **further)
        if name == "bulk_count":
            answer.data["productsCount"]["count"] += 0 if "created_at" in (variables["query"] or "") else 5
        return answer

    reading.client.client = type("Counting", (), {"execute": staticmethod(more), "acting_for": lambda self, _: self})()
    with pytest.raises(ExportTruncated, match="products came; Shopify counts"):
        await reading.read()
    assert reading.handed == []


async def test_what_is_created_and_deleted_meanwhile_is_no_shortfall(opened: Open) -> None:
    reading = await opened(bulk_seconds=0.2)
    truth = list(await reading.truth())

    async def edit() -> None:
        for product_id in truth[-3:]:
            await reading.control.delete(product_id)
        for _ in range(5):
            await reading.control.create("New")

    reading.client.before["bulk_operation", 1] = edit
    counts = await reading.read()
    assert set(truth[:-3]) <= set(reading.handed)
    assert counts.operations == 1


# Others


async def test_it_waits_while_others_use_all_operations_and_leaves_theirs_alone(opened: Open) -> None:
    reading = await opened(bulk_seconds=60)
    foreign = []
    for _ in range(5):
        query = {"query": "{ products { edges { node { id } } } }"}
        answer = await reading.client.client.execute("bulk_operation_run", query)
        foreign.append(answer.data["bulkOperationRunQuery"]["bulkOperation"]["id"])
    with pytest.raises(TooManyExports, match="already in progress"):
        await reading.read(pace=replace(PACE, start_within=0.0))
    running = asyncio.create_task(reading.read())
    await eventually(lambda: reading.client.calls["bulk_operation_run"] > 3)
    assert await reading.operations() == ["RUNNING"] * 5

    async def says_so() -> bool:
        async with transaction(reading.pool) as connection:
            stage = await connection.fetchval("SELECT stage FROM runs")
        return bool(stage == "waiting for other bulk operations")

    await eventually(says_so)
    await reading.control.turn(bulk_seconds=0)
    await reading.client.client.execute("bulk_operation_cancel", {"id": foreign[0]})
    assert (await asyncio.wait_for(running, 15)).operations == 1
    assert (await reading.operations()).count("RUNNING") == 4


async def test_an_operation_whose_run_was_cancelled_is_cancelled_by_the_next_one(opened: Open) -> None:
    reading = await opened(bulk_seconds=60)
    running = asyncio.create_task(reading.read())
    await eventually(lambda: reading.client.calls.get("bulk_operation", 0) > 1)
    async with transaction(reading.pool) as connection:
        await connection.execute("UPDATE runs SET state = 'cancelled', finished_at = now()")
    with pytest.raises(RunCancelled):
        await asyncio.wait_for(running, 10)
    await reading.control.turn(bulk_seconds=0)
    reading.run = await begun(reading.pool)
    await reading.read()

    async def cancelled() -> bool:
        return await reading.operations() == ["COMPLETED", "CANCELED"]

    _: bool = await eventually(cancelled)
    assert [row["run_id"] for row in await reading.rows("SELECT run_id FROM export_parts")] == [reading.run.id]


# The way breaks


async def test_a_download_that_breaks_off_goes_on_from_its_last_whole_line(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncer.export.carrier.BATCH", 1)
    reading = await opened(download_cut_after=70_000, download_cuts=2)
    counts = await reading.read()
    assert sorted(reading.handed) == sorted(await reading.truth())
    ranges = [request.headers.get("Range") for request in reading.way.asked]
    assert (ranges[0], len(ranges), counts.operations) == (None, 3, 1)
    assert all(each and each != "bytes=0-" for each in ranges[1:])


async def test_a_way_that_always_breaks_is_tried_later(opened: Open) -> None:
    reading = await opened()
    reading.way.answers = [httpx2.Response(503) for _ in range(6)]
    with pytest.raises(ResultUnavailable, match="HTTP 503"):
        await reading.read()
    assert (await reading.read()).operations == 1
    assert sorted(reading.handed) == sorted(await reading.truth())


async def test_a_server_that_ignores_ranges_is_read_from_the_start(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncer.export.carrier.BATCH", 1)
    reading = await opened(download_cut_after=70_000, download_cuts=1)
    whole = reading.way._way.handle_async_request

    async def without_range(request: httpx2.Request) -> httpx2.Response:
        request.headers.pop("Range", None)
        return await whole(request)

    monkeypatch.setattr(reading.way._way, "handle_async_request", without_range)
    await reading.read()
    assert sorted(reading.handed) == sorted(await reading.truth())


async def test_results_come_from_known_places_only(opened: Open) -> None:
    reading = await opened()
    reading.origin = "https://storage.googleapis.com"
    with pytest.raises(ExportRefused, match="BULK_RESULT_ORIGINS"):
        await reading.read()
    assert reading.way.asked == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx2.Response(302, headers={"Location": "http://169.254.169.254/"}), ExportRefused),
        (httpx2.Response(200, headers={"Content-Encoding": "gzip"}, content=b""), ExportRefused),
    ],
)
async def test_an_answer_that_nobody_asked_for_is_refused(
    opened: Open, answer: httpx2.Response, error: type[Exception]
) -> None:
    reading = await opened()
    answer.headers.pop("content-encoding", None) if answer.status_code == 302 else None
    reading.way.answers = [answer]
    with pytest.raises(error):
        await reading.read()
    assert len(reading.way.asked) == 1


async def test_products_that_do_not_add_up_are_read_one_by_one_and_many_of_them_are_a_cut(opened: Open) -> None:
    reading = await opened()
    await reading.control.create("Jazz", [{"title": "A", "price": "1.00", "quantity": 1}])

    def fewer(body: bytes) -> bytes:
        return body.replace(b'"variantsCount":{"count":1}', b'"variantsCount":{"count":2}')

    reading.way.rewrite = fewer
    counts = await reading.read()
    singles = {number for number, each in (await reading.truth()).items() if len(each["variants"]) == 1}
    assert 0 < counts.refetched == len(singles) <= 20
    assert set(reading.handed) == set(await reading.truth()) - singles
    wanted = await reading.rows("SELECT id, reason FROM refetches")
    assert {(row["id"], row["reason"]) for row in wanted} == {(number, "export") for number in singles}
    assert await reading.export().still_wanted() == len(singles)
    await reading.rows("UPDATE refetches SET attempts = 5, error = 'no' RETURNING id")
    assert (await reading.export().still_wanted(), set(await reading.export().unread())) == (0, singles)

    def all_but_a_level(body: bytes) -> bytes:
        return body.replace(b'"locationsCount":{"count":1}', b'"locationsCount":{"count":2}').replace(
            b'"locationsCount":{"count":2}', b'"locationsCount":{"count":3}'
        )

    reading.way.rewrite = all_but_a_level
    reading.handed.clear()
    await reading.export().forget(reading.run)
    with pytest.raises(ExportTruncated, match="lack variants, media or stock levels"):
        await reading.read()
    assert reading.handed == []


# We die


async def die() -> None:
    raise ShopifyUnavailable("the process dies here", may_have_happened=True)


@pytest.mark.parametrize(
    ("document", "number", "when"),
    [
        ("bulk_ends", 1, "after"),
        ("bulk_operation_run", 1, "before"),
        ("bulk_operation_run", 1, "after"),
        ("bulk_operation", 1, "before"),
        ("bulk_operation", 1, "after"),
        ("bulk_count", 1, "before"),
    ],
)
async def test_who_goes_on_after_a_death_uses_what_was_started(
    opened: Open, document: str, number: int, when: str
) -> None:
    reading = await opened()
    getattr(reading.client, when)[document, number] = die
    with pytest.raises(ShopifyUnavailable):
        await reading.read()
    await reading.read()
    assert sorted(reading.handed) == sorted(await reading.truth())
    started = 2 if (document, when) == ("bulk_operation_run", "before") else 1
    assert len(await reading.operations()) == 1, started


async def test_who_dies_while_downloading_goes_on_from_the_committed_byte(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncer.export.carrier.BATCH", 1)
    reading = await opened(download_bytes_per_second=400_000)
    running = asyncio.create_task(reading.read())

    async def staged() -> bool:
        return bool(await reading.rows("SELECT 1 FROM export_parts WHERE bytes > 0"))

    _: bool = await eventually(staged)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    committed = (await reading.part())["bytes"]
    await reading.control.turn(download_bytes_per_second=None)
    await reading.read()
    assert sorted(reading.handed) == sorted(await reading.truth())
    assert reading.way.asked[-1].headers["Range"] == f"bytes={committed}-"


async def test_who_dies_while_handing_on_goes_on_there(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncer.export.staging.HANDED_AT_ONCE", 7)
    reading = await opened()
    truth = sorted(await reading.truth())
    deaths = 0
    while len(reading.handed) < len(truth):
        reading.broken = 2
        try:
            await reading.read()
        except ResultUnavailable:
            deaths += 1
    assert reading.handed == truth  # in the order of ids, and none twice
    assert deaths >= 2
    assert reading.client.calls["bulk_operation_run"] == 1


@pytest.mark.parametrize("state", ["staged", "handing"])
async def test_what_a_crash_of_postgresql_empties_is_downloaded_again(
    opened: Open, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr("syncer.export.staging.HANDED_AT_ONCE", 7)
    reading = await opened()
    if state == "staged":
        reading.client.before["bulk_count", 1] = die
        with pytest.raises(ShopifyUnavailable):
            await reading.read()
    else:
        reading.broken = 3
        with pytest.raises(ResultUnavailable):
            await reading.read()
    async with transaction(reading.pool) as connection:
        await connection.execute("TRUNCATE export_lines")
    reading.broken = None
    counts = await reading.read()
    assert sorted(reading.handed) == sorted(await reading.truth())
    assert (counts.operations, len(reading.way.asked)) == (1, 2)


async def test_rules_that_changed_meanwhile_begin_it_anew(opened: Open) -> None:
    reading = await opened()
    reading.client.before["bulk_count", 1] = die
    with pytest.raises(ShopifyUnavailable):
        await reading.read()
    other = Rules(event_metafields={"subtitle": "custom.sub"})
    assert (await reading.read(rules=other)).operations == 1
    assert reading.client.calls["bulk_operation_run"] == 2
