"""`understudy up`: everything on one machine with one command, and nothing of it left afterwards."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from command_line import understudy
from up_command import System, launched, nothing_left, runs, up
from waiting import eventually

from sandbox.processes import Process, answers
from sandbox.servers import Valkey, free_port

EVENTS = 12
KEYS = {
    "read_api",
    "read_apis",
    "writer",
    "writers",
    "webhook_ingest",
    "web",
    "shopify",
    "shopify_token",
    "webhook_secret",
    "nats",
    "postgres",
    "redis",
    "token",
    "logs",
}


@pytest.fixture(scope="module")
async def system() -> AsyncIterator[System]:
    async with up("--events", str(EVENTS), "--read-replicas", "2", "--write-replicas", "2") as system:
        yield system


async def public_products(system: System) -> list[dict]:
    products = (await system.http.get(f"{system.said['shopify']}/control/products")).json()["products"]
    return [product for product in products if product["status"].lower() == "active"]


async def test_it_prints_one_line_with_every_address_and_credential(system: System):
    assert set(system.said) >= KEYS
    assert system.said["web"] is None
    for room in ("read_api", "writer"):
        assert len(system.said[f"{room}s"]) == 2
        assert system.said[f"{room}s"][0] == system.said[room]


async def test_every_event_of_the_shop_is_readable_once_it_says_ready(system: System):
    public = {event["id"] for event in await system.events()}
    assert len(public) == EVENTS
    assert public == {str(product["id"]) for product in await public_products(system)}
    manage = f"{system.said['read_api']}/v1/manage/events?limit=250"
    answer = await system.http.get(manage, headers={"Authorization": f"Bearer {system.said['token']}"})
    assert len(answer.json()["events"]) > EVENTS  # drafts, too


async def test_an_edit_in_the_shop_is_served_by_every_read_api_under_a_new_etag(system: System):
    product = (await public_products(system))[0]
    paths = [f"{read_api}/v1/events/{product['id']}" for read_api in system.said["read_apis"]]
    before = [await system.http.get(path) for path in paths]
    title = f"Renamed {secrets.token_hex(4)}"
    edit = f"{system.said['shopify']}/control/products/{product['id']}"
    assert (await system.http.patch(edit, json={"title": title})).status_code == 200

    async def served(path: str) -> bool:
        return (await system.http.get(path)).json()["title"] == title

    for path, old in zip(paths, before, strict=True):
        await eventually(lambda path=path: served(path), within=10)
        now = await system.http.get(path)
        assert int(now.headers["X-Revision"]) > int(old.headers["X-Revision"])
        conditional = [{"If-None-Match": answer.headers["ETag"]} for answer in (old, now)]
        assert [(await system.http.get(path, headers=each)).status_code for each in conditional] == [200, 304]


async def test_a_command_to_any_writer_is_carried_out_once_and_operators_are_told_its_story(system: System):
    product = (await public_products(system))[0]
    title, postgres = f"Commanded {secrets.token_hex(4)}", ("--postgres", system.said["postgres"])
    answers = [
        await system.http.patch(
            f"{writer}/v1/events/{product['id']}",
            json={"title": title},
            headers={"Authorization": f"Bearer {system.said['token']}", "Idempotency-Key": title},
        )
        for writer in system.said["writers"]
    ]
    assert {answer.status_code for answer in answers} <= {200, 202}, answers[0].text
    (job_id,) = {answer.json()["job_id"] for answer in answers}
    ended = await understudy("jobs", "wait", job_id, "--json", *postgres)
    assert (ended.code, ended.answer["state"]) == (0, "succeeded"), ended.err
    event = f"{system.said['read_api']}/v1/events/{product['id']}"

    async def visible() -> bool:
        job = (await understudy("jobs", "show", job_id, "--json", *postgres)).answer
        assert [(call["document"], call["outcome"]) for call in job["calls"]] == [("event_edit", "done")]
        return job["visible_revision"] is not None

    await eventually(visible, within=10)
    assert (await system.http.get(event)).json()["title"] == title
    here = ("--port", str(urlsplit(system.said["read_api"]).port), "--json")
    unnamed = await understudy("jobs", "show", job_id, *here, env={"POSTGRES_DSN": ""})
    assert (unnamed.code, unnamed.answer["id"]) == (0, job_id), "PostgreSQL of `up` is found by its port"
    pids = [system.said["pids"][name] for name in ("writer", "writer_2")]
    header = (await understudy("jobs", *postgres)).out.splitlines()[0]
    assert any(f"(pid {pid}, epoch" in header for pid in pids), header
    listed = (await understudy("jobs", "--event", str(product["id"]), "--json", *postgres)).answer
    assert [job["id"] for job in listed["jobs"]] == [job_id]
    assert (listed["counts"]["succeeded"], listed["dispatcher"]["held"]) == (1, True)


async def test_a_service_that_is_killed_is_started_again(system: System):
    killed = system.said["pids"]["webhook_ingest"]
    os.kill(killed, signal.SIGKILL)

    def is_successor(child: psutil.Process) -> bool:
        return child.pid != killed and runs(child) and "webhook_ingest" in child.cmdline()

    children = psutil.Process(system.process.pid).children
    await eventually(lambda: any(map(is_successor, children())), within=10)
    ready = answers(f"{system.said['webhook_ingest']}/readyz")
    await eventually(lambda: asyncio.to_thread(ready), within=30)


async def test_sigterm_leaves_nothing_and_a_second_start_goes_on_with_the_same_data(tmp_path: Path):
    words = ("--events", "3", "--data", str(tmp_path / "data"))
    async with up(*words) as first:
        before, family, token = await first.events(), first.family(), first.said["token"]
        first.process.send_signal(signal.SIGTERM)
        assert await first.process.wait() == 0
        await nothing_left(family, first.ports)
    async with up(*words) as second:
        assert second.said["token"] == token
        assert {event["id"] for event in await second.events()} == {event["id"] for event in before}
        family = second.family()
        second.process.send_signal(signal.SIGKILL)
        await second.process.wait()
        await nothing_left(family, second.ports)


async def test_ctrl_c_in_the_middle_of_the_start_leaves_nothing(tmp_path: Path):
    async with launched("--json", "--port", "0", "--events", "3", "--data", str(tmp_path / "data")) as process:
        await eventually((tmp_path / "data" / "logs" / "migrate.log").exists, within=60)
        leader = psutil.Process(process.pid)
        family = [leader, *leader.children(recursive=True)]
        assert len(family) > 4
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
        await nothing_left(family, [])


async def test_another_server_that_speaks_shopifys_api_takes_the_simulated_ones_place(tmp_path: Path):
    port, token, secret = free_port(), "shpat_another", "another-secret"
    words = [
        "--port",
        str(port),
        "--events",
        "4",
        "--token",
        token,
        "--secret",
        secret,
        "--latency",
        "0",
        "--allow-http",
    ]
    url = f"http://127.0.0.1:{port}"
    other = Process(
        "shopify",
        [sys.executable, "-m", "sandbox.shopify", *words],
        log=tmp_path / "shopify.log",
        ready=answers(f"{url}/livez"),
    )
    other.start()
    try:
        async with up("--shopify", url, "--shopify-token", token, "--webhook-secret", secret) as system:
            assert system.said["shopify"] == url
            assert len(await system.events()) == len(await public_products(system))
    finally:
        other.stop()


async def test_a_port_that_is_taken_is_named_and_nothing_is_started():
    with Valkey() as squatter:
        async with launched("--json", "--port", str(squatter.port)) as process:
            _, said = await process.communicate()
    assert process.returncode == 1
    assert f"another program listens on port {squatter.port} (read-api)" in said.decode()


async def test_shopify_without_its_credentials_is_a_wrong_usage():
    async with launched("--shopify", "http://127.0.0.1:9") as process:
        _, said = await process.communicate()
    assert process.returncode == 2
    assert "--shopify-token" in said.decode()
