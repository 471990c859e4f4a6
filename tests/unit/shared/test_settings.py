"""An address that no client could read is refused at the door, and no message holds a password."""

import os
import subprocess
import sys
import traceback

import pytest
from pydantic import ValidationError

from shared.settings import NatsSettings, PostgresSettings, RedisSettings, load

CANARY = "canary7f3a"

NATS_READ = (
    "nats://127.0.0.1:4222",
    "nats://nats",
    "nats://user:p%40ss@a:4222,nats://[::1]:4222",
    "tls://token@a, tls://b",
    "wss://host:443/path",
)
POSTGRES_READ = (
    "postgresql://user:pass%23word@host:5432/db",
    "postgres://host/db?sslmode=require&user=a@b",
    "postgresql://user@h1:5432,h2:5433,[::1]:5434/db?target_session_attrs=read-write",
    "postgresql:///db?host=/tmp",
    "postgresql://user@/db?host=/tmp,/var/run&port=5432",
    "postgresql://%2Fvar%2Frun/db",
    "postgresql:///?service=understudy",
)
REDIS_READ = (
    "redis://127.0.0.1:6379/0",
    "rediss://user:p@ss@host",
    "redis://:%2Fsecret@[::1]:6379?db=1",
    "unix:///tmp/valkey.sock?db=0",
    "unix://user@/tmp/valkey.sock",
)

# What a password that was not percent-encoded does to any address, and what is no address at all.
BROKEN = (
    "{scheme}://u:CANARY#x@127.0.0.1/0",
    "{scheme}://u:CANARY/x@127.0.0.1/0",
    "{scheme}://u:CANARY?x@127.0.0.1/0",
    "{scheme}://u:CANARY[x@127.0.0.1/0",
    "{scheme}://u:123/CANARY@127.0.0.1/0",
    "{scheme}://u:123#CANARY@127.0.0.1/0",
    "{scheme}://u:123?CANARY@127.0.0.1/0",
    "{scheme}://u:CANARY@127.0.0.1:port/0",
    "{scheme}://u:CANARY@127.0.0.1:65536/0",
    "{scheme}://u:CANARY@127.0.0.1:0/0",
    "{scheme}://u:CANARY\u2100@127.0.0.1/0",
    "{scheme}://u:CANARY@/0",
    "{scheme}:CANARY@127.0.0.1",
    "http://u:CANARY@127.0.0.1/0",
    "CANARY",
    "CANARY:4222",
    "",
)
SEAMS = (
    (NatsSettings, "NATS_URL", "nats", ("nats://u:CANARY@a,", "nats://a,nats://u:CANARY#x@b", "nats://u:1,CANARY@a")),
    (PostgresSettings, "POSTGRES_DSN", "postgresql", ("postgresql://u:x@CANARY@h/db", "postgresql://u:CANARY@a,/db")),
    (RedisSettings, "REDIS_URL", "redis", ("valkey://:CANARY@h/0", "unix://CANARY", "redis:///0")),
)
WRONG = [
    (settings, name, scheme, form.format(scheme=scheme).replace("CANARY", CANARY))
    for settings, name, scheme, own in SEAMS
    for form in (*BROKEN, *own)
]


@pytest.mark.parametrize("url", NATS_READ)
def test_what_the_nats_client_reads_is_taken_as_it_is(url):
    assert NatsSettings(nats_url=url).nats_url.get_secret_value() == url


@pytest.mark.parametrize("dsn", POSTGRES_READ)
def test_what_the_postgres_driver_reads_is_taken_as_it_is(dsn):
    assert PostgresSettings(postgres_dsn=dsn).postgres_dsn.get_secret_value() == dsn


@pytest.mark.parametrize("url", REDIS_READ)
def test_what_the_redis_client_reads_is_taken_as_it_is(url):
    assert RedisSettings(redis_url=url).redis_url.get_secret_value() == url


@pytest.mark.parametrize(("settings", "name", "scheme", "address"), WRONG)
def test_a_wrong_address_is_one_line_with_its_name_and_nothing_of_its_value(
    monkeypatch, capsys, settings, name, scheme, address
):
    monkeypatch.setenv(name, address)
    with pytest.raises(SystemExit) as left:
        load(settings)
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said == f"{name}: is no {scheme}:// address (is the password percent-encoded?)\n"


@pytest.mark.parametrize(("settings", "name", "address"), [(s, n, a) for s, n, _, a in WRONG if CANARY in a])
def test_a_traceback_of_a_worker_that_reads_a_wrong_address_holds_nothing_of_it(monkeypatch, settings, name, address):
    monkeypatch.setenv(name, address)
    with pytest.raises(ValidationError) as refused:
        settings()
    said = "".join(traceback.format_exception(refused.value)) + repr(refused.value)
    assert name.lower() in said
    assert CANARY not in said


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("syncer",), "POSTGRES_DSN"),
        (("syncer", "migrate"), "POSTGRES_DSN"),
        (("read_api",), "REDIS_URL"),
        (("webhook_ingest",), "NATS_URL"),
        (("shared.provision",), "NATS_URL"),
    ],
)
def test_a_process_that_was_given_a_wrong_address_does_not_start_and_shows_none_of_it(words, name):
    done = subprocess.run(  # noqa: S603 (our own module, no shell)
        [sys.executable, "-m", *words],
        env={**os.environ, name: f"postgresql://u:{CANARY}#x@127.0.0.1/db"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = done.stdout + done.stderr
    assert done.returncode in {1, 2}, said
    assert name.lower() in said.lower()
    assert CANARY not in said
