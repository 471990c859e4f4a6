"""The operators' commands against the whole system: asked for here, carried out by the real syncer."""

import json

from command_line import Said, understudy
from repairs import none_is_due
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


async def test_a_reconcile_of_what_is_equal_repairs_nothing_and_the_status_knows_of_it(running: Running) -> None:
    await none_is_due(running)  # else the last one may be another
    said = await command(running, "reconcile", "--whole")
    assert said.code == 0, said.err
    products = len(await running.shop.truth())
    report = said.answer["report"]
    assert (report["checked"] >= products, report["repaired"]) == (True, 0)
    last = (await running.http.get("/v1/status")).json()["last_reconcile"]
    assert (last["scope"], last["checked"], last["repaired"]) == ("whole", report["checked"], 0)
    drift = await command(running, "drift", "--since", str(said.answer["asked_at"]))
    assert (drift.code, drift.answer) == (0, {"drift": [], "more": False})


async def test_the_doctor_finds_a_system_that_runs_well(running: Running) -> None:
    said = await command(running, "doctor")
    states = {finding["check"]: finding["state"] for finding in said.answer["report"]["findings"]}
    assert (said.code, "failed" in states.values()) == (0, False), said.answer["report"]


async def test_a_rebuild_ends_with_the_same_events(running: Running) -> None:
    said = await command(running, "rebuild")
    assert said.code == 0, said.err
    await running.equal()
