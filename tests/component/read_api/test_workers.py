"""`WORKERS=2`: two processes behind one address, each with a feed and a memory of its own, and one scrape for both."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from projected import Event, Shop
from prometheus_client.parser import text_string_to_metric_families
from waiting import eventually

from sandbox.processes import Process, answers
from sandbox.servers import free_port


class Pair(Process):
    """Two workers; `url` is where they are asked, `internal` where they are watched."""

    url: str
    internal: str


@pytest.fixture
def pair(tmp_path: Path, settings) -> Iterator[Pair]:
    made, port, internal = settings(), free_port(), free_port()
    process = Pair(
        "read-api",
        [sys.executable, "-m", "read_api"],
        log=tmp_path / "read-api.log",
        env={
            "NATS_URL": made.nats_url.get_secret_value(),
            "POSTGRES_DSN": made.postgres_dsn.get_secret_value(),
            "REDIS_URL": made.redis_url.get_secret_value(),
            "PORT": str(port),
            "METRICS_PORT": str(internal),
            "WORKERS": "2",
        },
        ready=answers(f"http://127.0.0.1:{internal}/readyz"),
    )
    process.url, process.internal = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{internal}"
    process.start()
    yield process
    process.stop()


async def test_each_worker_hears_and_remembers_for_itself_and_both_are_counted_together(pair: Pair, shop: Shop):
    await shop.save(Event(42))
    seen: dict[str, dict[str, Any]] = {}
    asked = 0
    # A connection for each request, which the kernel gives to either.
    client = httpx2.AsyncClient(trust_env=False, headers={"Connection": "close"})

    async def get(url: str) -> httpx2.Response:
        return (await client.get(url)).raise_for_status()

    async def both_hear() -> bool:
        nonlocal asked
        asked += 1
        process = (await get(f"{pair.url}/v1/status")).json()["process"]
        seen[process["id"]] = process
        return len(seen) == 2 and all(each["feed"]["live"] for each in seen.values())

    assert await eventually(both_hear, 15)
    assert len({each["id"] for each in seen.values()}) == 2
    for _ in range(20):
        await get(f"{pair.url}/v1/events/42")

    told = (await get(f"{pair.internal}/metrics")).text
    await client.aclose()
    samples = [sample for family in text_string_to_metric_families(told) for sample in family.samples]
    counted = {
        sample.labels["route"]: sample.value for sample in samples if sample.name == "understudy_read_requests_total"
    }
    assert counted == {"/v1/status": asked, "/v1/events/{event_id}": 20}
    assert len({sample.labels["pid"] for sample in samples if sample.name == "understudy_read_feed_live"}) == 2
