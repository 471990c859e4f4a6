"""Tokens, status, one-shots: an answer for people, one line of JSON for programs, a clear error when it can't be."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from command_line import Said, understudy

from ops import bus
from ops.up.layout import Layout
from sandbox.servers import Servers, free_port
from shared.auth import Scope, StaticKeys
from shared.topology import PURGER


async def test_a_token_opens_what_its_entry_says_and_nothing_else():
    said = await understudy("token", "--id", "front-end", "-s", "events:read", "-s", "jobs:read", "--json")
    answer = said.answer
    assert answer["token"].startswith("us_front-end_")
    assert answer["entry"].endswith(":" + hashlib.sha256(answer["token"].encode()).hexdigest())
    principal = StaticKeys.parse(answer["entry"]).principal(answer["token"])
    assert principal.subject == "key:front-end"
    assert principal.may(Scope.EVENTS_READ)
    assert principal.may(Scope.JOBS_READ)
    assert not principal.may(Scope.EVENTS_WRITE)


async def test_no_token_is_like_another():
    first, second = (await understudy("token")).out, (await understudy("token")).out
    assert first != second
    assert "events:read" in first


async def test_a_name_that_would_break_the_entry_is_refused():
    said = await understudy("token", "--id", "a:b")
    assert said.code == 2
    assert "letters, digits" in said.err


async def test_provisioning_twice_is_as_good_as_once(servers: Servers):
    for _ in range(2):
        said = await understudy("provision", "--json", env=servers.environment())
        assert said.code == 0, said.err
        assert said.answer["done"] is True


async def test_a_setting_that_is_missing_is_named():
    said = await understudy("migrate", env={"POSTGRES_DSN": ""})
    assert (said.code, said.err) == (2, "understudy: POSTGRES_DSN is not set; `understudy migrate` needs it\n")


@pytest.mark.parametrize("canary", ["canary7f3a#x", "1#canary7f3a", "canary7f3a[x"])
async def test_a_wrong_address_is_one_line_that_does_not_show_it(canary: str):
    ask = "(is the password percent-encoded?)"
    for words in (("status",), ("dead", "list")):
        said = await understudy(*words, "--nats", f"nats://u:{canary}@127.0.0.1:4222")
        assert (said.code, said.err) == (2, f"understudy: --nats (NATS_URL) is no nats:// address {ask}\n")
    said = await understudy("migrate", env={"POSTGRES_DSN": f"postgresql://u:{canary}@127.0.0.1/db"})
    assert (said.code, said.err) == (2, f"understudy: POSTGRES_DSN: is no postgresql:// address {ask}\n")
    said = await understudy("provision", "--json", env={"NATS_URL": f"nats://u:{canary}@127.0.0.1"})
    assert (said.code, said.err) == (2, f'{{"error":"NATS_URL: is no nats:// address {ask}"}}\n')


async def test_status_says_who_is_away_and_ends_with_3(servers: Servers):
    await understudy("provision", env=servers.environment())
    away = "http://127.0.0.1:9"
    words = ("status", "--json", "--read-api", away, "--webhook-ingest", away, "--writer", away, "--syncer", away)
    said = await understudy(*words, "--nats", servers.nats_url)
    assert said.code == 3
    answer = said.answer
    assert answer["ok"] is False
    assert answer["services"]["read-api"] == {"address": away, "ready": False, "problems": {"": "nobody listens there"}}
    assert {stream["name"] for stream in answer["nats"]["streams"]} == {
        "CHANGES",
        "PROJECTIONS",
        "JOBS",
        "DEAD_LETTERS",
    }
    assert answer["nats"]["consumers"][0]["name"] == "syncer"


async def purger_row(servers: Servers) -> list[str]:
    said = await understudy("status", "--nats", servers.nats_url, "--port", "9")
    return next(line for line in said.out.splitlines() if line.startswith(PURGER.durable)).split()


async def test_who_never_read_is_no_purger_and_one_that_is_away_is_missed(servers: Servers):
    await understudy("provision", env=servers.environment())
    async with bus.jetstream(servers.nats_url) as jetstream:
        await jetstream.delete_consumer(PURGER.stream.name, PURGER.durable)
        await understudy("provision", env=servers.environment())
        for _ in range(2):
            await jetstream.publish("projections.event.1", b"{}")
        assert await purger_row(servers) == ["purger", "PROJECTIONS", "no", "CDN", "-", "-"]
        purger = await jetstream.pull_subscribe_bind(PURGER.durable, PURGER.stream.name)
        (message,) = await purger.fetch(1, timeout=5)
        await message.ack_sync()
        await purger.unsubscribe()
        name, _, waiting, *rest = await purger_row(servers)
        assert (name, rest) == ("purger", ["0", "0"])
        assert int(waiting) >= 1


async def test_the_version_is_one_line():
    said = await understudy("--version")
    assert (said.code, said.out.split()[0]) == (0, "understudy")


@contextmanager
def answering(answers: dict[str, Any]) -> Iterator[str]:
    """An HTTP server that has these answers by path, and 503 for all else."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in answers else 503)
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(self.path)).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the signature is http.server's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


DATA = {
    "change_to_visible_ms": {"p50": 25.2, "p99": 84.9, "max": 90.0, "samples": 3},
    "events": 30,
    "backfill": {
        "started_at": "2026-11-22T01:39:00Z",
        "finished_at": "2026-11-22T01:40:12Z",
        "last_succeeded_at": "2026-11-22T01:40:12Z",
        "error": None,
        "products": 33,
        "expected": 33,
        "failed": False,
        "complete": True,
    },
    "last_reconcile": {"scope": "whole", "finished_at": "c", "age_seconds": 200.0, "checked": 1200, "repaired": 3},
    "drift": {"last_24h": 4, "by_cause": {"missed": 3, "late": 0, "truncated": 0, "tie": 1}},
    "runs": [{"kind": "rebuild", "scope": "", "stage": "reading", "done": 1200, "expected": 3000}],
    "shopify": {"budget_left": 1850.5},
    "degraded": [],
}


async def status_of(servers: Servers, answers: dict[str, Any], *words: str) -> Said:
    await understudy("provision", env=servers.environment())
    with answering({"/readyz": {}, **answers}) as url:
        rooms = ("--read-api", url, "--webhook-ingest", url, "--writer", url, "--syncer", url)
        return await understudy("status", *rooms, "--nats", servers.nats_url, *words)


async def test_status_is_well_when_all_is_and_speaks_in_words(servers: Servers):
    said = await status_of(servers, {"/v1/status": DATA})
    assert said.code == 0, said.out
    assert "p50 25 ms, p99 85 ms" in said.out
    assert "33 of 33 products, finished 2026-11-22 01:40 UTC" in said.out
    assert "whole, 3 min 20 s ago: 1,200 checked, 3 repaired" in said.out
    assert "4 fields: 3 missed, 1 tie" in said.out
    assert "rebuild: reading 1,200 of 3,000" in said.out
    assert "1,850 points left" in said.out
    assert not {"{", "[", "None"} & set(said.out.split())
    assert "{" not in said.out


async def test_a_backfill_that_failed_after_one_that_succeeded_is_told_with_both(servers: Servers):
    failed = {"started_at": "2026-11-22T01:41:00Z", "finished_at": None, "failed": True, "error": "ExportTruncated"}
    said = await status_of(servers, {"/v1/status": {**DATA, "backfill": {**DATA["backfill"], **failed}}})
    words = "last read whole 2026-11-22 01:40 UTC; the one of 2026-11-22 01:41 UTC failed: ExportTruncated"
    told = " ".join(said.out.split())
    assert words in told
    assert "tries again" not in told
    assert "33 of 33" not in said.out


async def test_services_that_are_ready_over_data_that_does_not_answer_are_not_well(servers: Servers):
    said = await status_of(servers, {})
    assert said.code == 3
    assert "read-api does not answer /v1/status" in said.out
    said = await status_of(servers, {}, "--json")
    assert (said.code, said.answer["ok"], said.answer["data"]) == (3, False, None)


async def test_a_read_api_that_does_without_a_part_is_not_well(servers: Servers):
    said = await status_of(servers, {"/v1/status": {**DATA, "degraded": ["postgres"]}}, "--json")
    assert (said.code, said.answer["ok"]) == (3, False)


async def test_status_and_dead_look_where_the_port_says():
    port = free_port()
    said = await understudy("status", "--port", str(port), "--json", env={"NATS_URL": ""})
    assert said.answer["services"]["read-api"]["address"] == f"http://127.0.0.1:{port}"
    said = await understudy("dead", "list", "--port", str(port), env={"NATS_URL": ""})
    assert said.code == 3
    assert Layout.of(port).url("nats", "nats").removeprefix("nats://") in said.err


async def test_a_wrong_usage_is_one_line_of_json_too():
    said = await understudy("status", "--nope", "--json")
    assert said.code == 2
    assert json.loads(said.err)["error"].startswith("No such option: --nope")
    said = await understudy("status", "--nope")
    assert said.err.startswith("understudy: No such option: --nope")
    assert (await understudy("status", "--help")).code == 0
