"""`python -m read_api`, as it is run: over real sockets, killed and stopped."""

import os
import signal

import httpx2
from projected import Event, Shop
from waiting import eventually

from sandbox.processes import Process


async def test_it_serves_and_stops(process: Process, shop: Shop):
    await shop.save(Event(42))
    async with httpx2.AsyncClient(base_url=process.url, trust_env=False) as api:  # type: ignore[attr-defined]
        got = await api.get("/v1/events/42")
        assert got.status_code == 200
        head = await api.head("/v1/events/42")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == str(len(got.content))
        held = await api.get("/v1/events/42", headers={"If-None-Match": got.headers["ETag"]})
        assert (held.status_code, held.content) == (304, b"")
        # The same connection goes on after both: neither left bytes behind.
        assert (await api.get("/v1/events/42")).content == got.content
        assert (await api.get("/v1/manage/events")).status_code == 401
        metrics = (await api.get("/metrics")).text
        assert 'understudy_read_requests_total{method="GET",route="/v1/events/{event_id}",status="200"}' in metrics
        assert "/v1/events/42" not in metrics
    os.kill(process.pid, signal.SIGTERM)
    await eventually(lambda: process.exit_code is not None or not process.alive, within=15)


async def test_a_log_line_is_json_and_holds_no_secret(process: Process, settings):
    log = process.log.read_text()
    assert "postgres.connected" in log
    assert settings().postgres_dsn.get_secret_value() not in log
