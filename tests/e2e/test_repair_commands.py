"""The operators' commands against the whole system: asked for here, carried out by the real syncer."""

import json

from command_line import Said, understudy
from whole_system import Running


async def command(running: Running, *words: str) -> Said:
    return await understudy(*words, "--json", env={"POSTGRES_DSN": running.dsn})


async def test_a_backfill_is_followed_to_its_end_and_the_status_knows_of_it(running: Running) -> None:
    said = await command(running, "backfill")
    assert said.code == 0, said.err
    products = len(await running.shop.truth())
    assert (said.answer["state"], said.answer["report"]["products"]) == ("succeeded", products)
    assert all(json.loads(line) for line in said.err.splitlines())
    status = (await running.http.get("/v1/status")).json()
    assert (status["backfill"]["complete"], status["backfill"]["products"]) == (True, products)
    assert status["shopify"]["budget_left"] > 0
    await running.equal()


async def test_what_no_webhook_told_is_reconciled_and_stands_in_the_drift(running: Running) -> None:
    event_id = int((await running.new_event())["id"])
    with running.postbox.holding():  # and never delivered
        await running.shop.edit(event_id, title="Nobody was told")
        await running.shop.flush()
    said = await command(running, "reconcile", "--whole")
    assert said.code == 0, said.err
    assert said.answer["report"]["repaired"] == 1
    await running.reads(event_id, title="Nobody was told")
    drift = (await command(running, "drift", "--event", str(event_id))).answer["drift"]
    [title] = [row for row in drift if row["field"] == "title"]
    assert (title["ours"], title["theirs"], title["cause"]) == ("Jazz Night", "Nobody was told", "missed")
    status = (await running.http.get("/v1/status")).json()
    assert status["last_reconcile"]["scope"] == "whole"
    assert status["drift"]["by_cause"]["missed"] >= 1


async def test_the_doctor_finds_a_system_that_runs_well(running: Running) -> None:
    said = await command(running, "doctor")
    states = {finding["check"]: finding["state"] for finding in said.answer["report"]["findings"]}
    assert (said.code, "failed" in states.values()) == (0, False), said.answer["report"]


async def test_a_rebuild_ends_with_the_same_events(running: Running) -> None:
    said = await command(running, "rebuild")
    assert said.code == 0, said.err
    await running.equal()
