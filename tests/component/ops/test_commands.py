"""Tokens, status, one-shots: an answer for people, one line of JSON for programs, a clear error when it can't be."""

import hashlib

from command_line import understudy

from sandbox.servers import Servers
from shared.auth import Scope, StaticKeys


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
    assert (said.code, said.err) == (1, "understudy: POSTGRES_DSN is not set; `understudy migrate` needs it\n")


async def test_status_says_who_is_away_and_ends_with_3(servers: Servers):
    await understudy("provision", env=servers.environment())
    away = "http://127.0.0.1:9"
    words = ("status", "--json", "--read-api", away, "--webhook-ingest", away, "--syncer", away)
    said = await understudy(*words, "--nats", servers.nats_url)
    assert said.code == 3
    answer = said.answer
    assert answer["ok"] is False
    assert answer["services"]["read-api"] == {"address": away, "ready": False, "problems": {"": "no answer"}}
    assert {stream["name"] for stream in answer["nats"]["streams"]} == {"CHANGES", "PROJECTIONS", "DEAD_LETTERS"}
    assert answer["nats"]["consumers"][0]["name"] == "syncer"


async def test_the_version_is_one_line():
    said = await understudy("--version")
    assert (said.code, said.out.split()[0]) == (0, "understudy")
