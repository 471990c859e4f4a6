"""The parts of `understudy up`: ports, credentials, least rights, order of the start, the picture on the terminal."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from ops.failures import Refused, ServerDown
from ops.up import services, startup, whereabouts
from ops.up.arrival import Arrival
from ops.up.credentials import Credentials
from ops.up.introduction import introduce
from ops.up.layout import Layout
from ops.up.live import lines, step
from ops.up.plan import OtherShopify, Plan
from ops.up.startup import Interrupted, Step, Stopping
from sandbox.processes import Died, NotReady, Process, Supervisor
from sandbox.servers import Servers, Valkey
from shared.auth import Scope, StaticKeys

SERVERS = Servers("nats://n:1", "http://n:2", "postgresql://p:3/u", "redis://r:4")
ARRIVING = Arrival(complete=False, read=1, unprojected=1, refetches=0, events=0)


def plan(directory: Path, **changes) -> Plan:
    settings = {
        "directory": directory,
        "layout": Layout.of(8080, 3),
        "credentials": Credentials.fresh(),
        "events": 5,
        "traffic": True,
        "latency": (2.0, 3.0),
        "webhook_url": "http://127.0.0.1:8082",
    }
    return Plan(**{**settings, **changes})


def script(tmp_path: Path, name: str, code: str, **settings) -> Process:
    return Process(name, [sys.executable, "-c", code], log=tmp_path / f"{name}.log", **settings)


def test_ports_follow_each_other_and_further_read_apis_come_last():
    layout = Layout.of(8080, 3)
    assert layout.url("read_api") == "http://127.0.0.1:8080"
    assert list(layout.ports.values()) == list(range(8080, 8080 + len(layout.ports)))
    assert layout.read_apis == ["read_api", "read_api_2", "read_api_3"]
    assert layout.url("nats", "nats") == Layout.of(8080).url("nats", "nats")


def test_further_writers_come_behind_the_read_apis_and_all_of_them_are_started(tmp_path: Path):
    layout = Layout.of(8080, 2, 3)
    assert layout.writers == ["writer", "writer_2", "writer_3"]
    assert list(layout.ports)[-3:] == ["read_api_2", "writer_2", "writer_3"]
    assert set(layout.writers) <= set(plan(tmp_path, layout=layout).rooms)


def test_port_0_means_free_ports_all_different():
    ports = list(Layout.of(0, 4, 2).ports.values())
    assert len(set(ports)) == len(ports) == 14


def test_credentials_are_made_once_and_readable_by_nobody_else(tmp_path: Path):
    first = Credentials.kept_in(tmp_path)
    assert Credentials.kept_in(tmp_path) == first
    assert (tmp_path / "credentials.json").stat().st_mode & 0o777 == 0o600
    principal = StaticKeys.parse(first.key_entry).principal(first.token)
    assert all(principal.may(scope) for scope in Scope)


def test_a_service_gets_what_it_needs_and_nothing_of_the_users_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SHOPIFY_LOCATION_ID", "77")
    monkeypatch.setenv("METRICS_PORT", "9090")
    wanted = plan(tmp_path)
    read_api, ingest, syncer, writer = (
        services.read_api(wanted, SERVERS, "read_api_2"),
        services.webhook_ingest(wanted, SERVERS),
        services.syncer(wanted, SERVERS),
        services.writer(wanted, SERVERS, "writer"),
    )
    for process in (read_api, ingest, syncer, writer):
        assert process.env["SHOPIFY_LOCATION_ID"] is None
        assert process.env["METRICS_PORT"] is None
        assert wanted.credentials.token not in str(process.env)
        assert not any(secret in str(process.command) for secret in (wanted.shopify_token, wanted.webhook_secret))
    assert read_api.env["PORT"] == str(wanted.layout.ports["read_api_2"])
    assert wanted.shopify_token not in str(read_api.env)
    assert wanted.webhook_secret not in str(read_api.env)
    assert "POSTGRES_DSN" not in ingest.env or ingest.env["POSTGRES_DSN"] is None
    assert wanted.shopify_token not in str(ingest.env)
    assert {name for name, value in read_api.env.items() if name.startswith("SHOPIFY_") and value} == {"SHOPIFY_SHOP"}
    assert wanted.webhook_secret not in str(syncer.env) + str(writer.env)
    assert writer.env["SHOPIFY_ACCESS_TOKEN"] == wanted.shopify_token


def test_what_the_users_environment_says_in_vain_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if name.startswith(services.OURS) or name in services.EXACTLY]:
        monkeypatch.delenv(name)
    said = {
        "WORKERS": "4",
        "CDN_PROVIDER": "varnish",
        "RECONCILE_GRACE": "9",
        "SHOPIFY_ACCESS_TOKEN": "mine",
        "SIM_X": "",
    }
    heard = {"CACHE_CONTROL_PUBLIC": "no-store", "MAX_LOADS": "5", "LOG_FORMAT": "json"}
    for name, value in (said | heard).items():
        monkeypatch.setenv(name, value)

    def ignored(wanted: Plan) -> list[str]:
        return services.ignored([services.read_api(wanted, SERVERS, "read_api_2"), services.syncer(wanted, SERVERS)])

    assert ignored(plan(tmp_path)) == ["CDN_PROVIDER", "RECONCILE_GRACE", "SHOPIFY_ACCESS_TOKEN", "WORKERS"]
    of_shopify = OtherShopify("https://blue-hall.myshopify.com", "mine", "s")
    assert ignored(plan(tmp_path, other=of_shopify)) == ["CDN_PROVIDER", "WORKERS"]


def test_a_shop_of_shopifys_own_is_known_by_its_domain():
    assert OtherShopify("https://blue-hall.myshopify.com", "t", "s").domain == "blue-hall.myshopify.com"
    assert OtherShopify("http://127.0.0.1:9000", "t", "s").domain == "understudy.myshopify.com"


async def test_a_step_waits_for_what_it_needs(tmp_path: Path):
    file = tmp_path / "made"
    first = script(tmp_path, "first", f"import time; time.sleep(0.3); open({str(file)!r}, 'w').close()")
    second = script(tmp_path, "second", f"open({str(file)!r}).close()")
    said: list[str] = []
    startup.run([Step(second, ("first",), one_shot=True), Step(first, one_shot=True)], Stopping(), said.append)
    assert [line.split(":")[0] for line in said] == ["first", "second"]


async def test_the_first_failure_ends_the_start_with_its_own_words(tmp_path: Path):
    failing = script(tmp_path, "migrate", "raise SystemExit('no such table: shows')")
    never = script(tmp_path, "syncer", "pass")
    with pytest.raises(Died, match="migrate failed with exit code 1\nno such table: shows"):
        startup.run([Step(failing, one_shot=True), Step(never, ("migrate",))], Stopping(), print)
    assert not never.alive


async def test_what_never_gets_ready_is_given_up_at_its_deadline(tmp_path: Path):
    process = script(tmp_path, "slow", "import time; time.sleep(60)", ready=lambda: False)
    with pytest.raises(NotReady, match=r"slow was not ready within 0\.2 s"):
        startup.run([Step(process, within=0.2)], Stopping(), print)
    process.kill()


async def test_a_start_that_is_asked_to_stop_stops(tmp_path: Path):
    stopping = Stopping()
    process = script(tmp_path, "slow", "import time; time.sleep(60)", ready=lambda: stopping.set() is not None)
    with pytest.raises(Interrupted):
        startup.run([Step(process)], stopping, print)
    process.kill()


async def test_events_that_stop_arriving_are_an_error_and_slow_ones_are_not():
    looks = [Arrival(complete=False, read=n, unprojected=0, refetches=0, events=n) for n in range(4)]
    done = Arrival(complete=True, read=4, unprojected=0, refetches=0, events=4)
    coming = iter([*looks, done])
    assert startup.wait_for_arrival(lambda: next(coming), Stopping(), 0.5, print) == done
    with pytest.raises(NotReady, match=r"no progress for 0\.3 s"):
        startup.wait_for_arrival(lambda: ARRIVING, Stopping(), 0.3, print)


async def test_what_died_and_was_started_again_is_said_once(tmp_path: Path):
    process = script(tmp_path, "read_api", "import time; time.sleep(60)")
    process.launch()
    times = iter([0.0, 0.0, 100.0])
    supervisor = Supervisor([process], clock=lambda: next(times, 100.0))
    assert step(supervisor) == []
    process.kill()
    assert step(supervisor) == []  # planned, not done yet
    assert step(supervisor) == [f"read-api died (exit code -9), started again, pid {process.pid}"]
    assert step(supervisor) == []
    process.kill()


def test_people_are_told_of_every_replica_by_the_name_that_it_has_everywhere():
    told = {"read_api": "u1", "read_apis": ["u1"], "writer": "u2", "writers": ["u2", "u3", "u4"], "web": None}
    assert lines(told) == [("read-api", "u1"), ("writer", "u2"), ("writer-2", "u3"), ("writer-3", "u4")]


def test_postgresql_of_a_running_up_is_found_by_its_port_and_readable_by_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert whereabouts.postgres_of(8080) is None
    with whereabouts.told(8080, "postgresql://u:secret@h/d"):
        assert whereabouts.postgres_of(8080) == "postgresql://u:secret@h/d"
        assert whereabouts.postgres_of(8081) is None
        (home,) = tmp_path.iterdir()
        (file,) = home.glob("8080/*")
        assert [path.stat().st_mode & 0o777 for path in (home, file.parent, file)] == [0o700, 0o700, 0o600]
        home.chmod(0o755)
        assert whereabouts.postgres_of(8080) is None, "somebody else may have written it"
    assert not list(home.iterdir())
    with whereabouts.told(8080, "postgresql://u:secret@h/d"):
        assert not list(home.iterdir()), "somebody else could read it"
    assert "have to be told --postgres" in capsys.readouterr().err


async def test_a_shopify_that_is_away_or_is_none_is_named():
    with pytest.raises(ServerDown, match=r"http://127\.0\.0\.1:9 does not answer"):
        introduce(OtherShopify("http://127.0.0.1:9", "t", "s"))
    with Valkey() as server, pytest.raises((ServerDown, Refused), match=str(server.port)):
        introduce(OtherShopify(f"http://127.0.0.1:{server.port}", "t", "s"))


def test_nothing_of_ours_leaks_into_a_service_under_another_name(tmp_path: Path):
    process = services.simulated_shopify(plan(tmp_path))
    kept = {name for name, value in process.env.items() if value is not None}
    assert kept == {"LOG_FORMAT", "SIM_ACCESS_TOKEN", "SIM_CLIENT_SECRET"}
    assert "PATH" in os.environ
