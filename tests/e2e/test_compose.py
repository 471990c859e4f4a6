"""The whole system in containers: `compose up --profile demo`, an edit in the simulated Shopify, a read."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.processes import Process, answers
from sandbox.servers import free_port
from sandbox.servers.nats import nats_server
from shared.auth import mint

ROOT = Path(__file__).parents[2]
UP_WITHIN = 900  # seconds: images are built from nothing, the registry's downloads included
VISIBLE_WITHIN = 10.0  # seconds for an edit; a busy machine, not the promise, sets it
SERVICES = {"webhook-ingest": "webhook_ingest", "syncer": "syncer", "read-api": "read_api", "writer": "writer"}
ONE_SHOTS = {"migrate", "migrate-writer", "provision"}
TOKEN, KEY = mint("organizer", ["events:write"])
ALL = {*SERVICES, "shopify", "nats", "postgres", "valkey"}

needs_engine = [pytest.mark.docker, pytest.mark.timeout(UP_WITHIN + 300)]


def compose_command() -> list[str] | None:
    """Compose v2, else docker-compose 1.29, else None."""
    if shutil.which("docker") and run(["docker", "compose", "version"]).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def run(command: list[str], within: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (commands of this file)
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )


def fetch(url: str, method: str = "GET", body: Any = None, token: str | None = None) -> Any:
    """JSON over HTTP, no proxy asked. Raises OSError (HTTPError is one)."""
    request = urllib.request.Request(  # noqa: S310 (addresses of this file)
        url,
        json.dumps(body).encode() if body is not None else None,
        {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {}),
        method=method,
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as answer:
        return json.load(answer)


def until(condition: Any, within: float, saying: str) -> Any:
    """The first true answer of `condition`; an OSError means: not yet."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if answer := condition():
                return answer
        except OSError:
            pass
        time.sleep(0.05)  # between two looks
    raise AssertionError(f"not within {within:g} s: {saying}")


@dataclass
class Containers:
    command: list[str]
    environment: dict[str, str]

    @property
    def read_api(self) -> str:
        return f"http://127.0.0.1:{self.environment['READ_API_PORT']}"

    @property
    def writer(self) -> str:
        return f"http://127.0.0.1:{self.environment['WRITER_PORT']}"

    @property
    def shopify(self) -> str:
        return f"http://127.0.0.1:{self.environment['SHOPIFY_PORT']}"

    def compose(self, *arguments: str, within: float = 120) -> subprocess.CompletedProcess[str]:
        return run([*self.command, *arguments], within, **self.environment)

    def inside(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        return self.compose("exec", "-T", service, *command)

    def id(self, service: str) -> str:
        return self.compose("ps", "-q", service).stdout.strip()

    def inspect(self, service: str) -> Any:
        return json.loads(run(["docker", "inspect", self.id(service)]).stdout)[0]

    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = fetch(f"{self.read_api}/v1/events?limit=250")["events"]
        return found


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    command = compose_command()
    if command is None:
        pytest.skip("neither `docker compose` nor `docker-compose` is installed")
    if run(["docker", "info"]).returncode != 0:
        pytest.skip("no Docker engine runs")
    names = ("READ_API_PORT", "WRITER_PORT", "WEBHOOK_INGEST_PORT", "SHOPIFY_PORT")
    ports = {name: str(free_port()) for name in names}
    project = [*command, "-p", f"understudy-test-{os.getpid()}", "--profile", "demo"]
    system = Containers(project, ports | {"DEMO_EVENTS": "20", "AUTH_STATIC_KEYS": KEY})
    try:
        up = system.compose("up", "-d", "--build", within=UP_WITHIN)
        assert up.returncode == 0, up.stderr[-4000:]
        yield system
    finally:
        system.compose("down", "-v", "--remove-orphans", "-t", "10")


class TestContainers:
    pytestmark = needs_engine

    def test_an_edit_in_shopify_is_readable_through_the_containers(self, containers):
        event = until(containers.events, 120, "the shop's events are readable")[0]
        title = f"Edited at {time.time_ns()}"
        fetch(f"{containers.shopify}/control/products/{event['id']}", "PATCH", {"title": title})

        def edited() -> Any:
            seen = fetch(f"{containers.read_api}/v1/events/{event['id']}")
            return seen if seen["title"] == title else None

        seen = until(edited, VISIBLE_WITHIN, "the new title is served")
        assert seen["revision"] > event["revision"]

    def test_a_command_is_carried_out_and_readable_through_the_containers(self, containers):
        event = until(containers.events, 120, "the shop's events are readable")[1]
        title = f"Commanded at {time.time_ns()}"
        until(lambda: fetch(f"{containers.writer}/readyz")["ready"], 60, "the writer is ready")
        fetch(f"{containers.writer}/v1/events/{event['id']}", "PATCH", {"title": title}, TOKEN)

        def edited() -> bool:
            return bool(fetch(f"{containers.read_api}/v1/events/{event['id']}")["title"] == title)

        until(edited, VISIBLE_WITHIN, "the new title is served")

    def test_every_service_becomes_healthy(self, containers):
        for service in ALL - {"nats"}:  # its image has no shell to ask with
            until(
                lambda service=service: containers.inspect(service)["State"]["Health"]["Status"] == "healthy",
                120,
                f"{service} is healthy",
            )

    def test_nothing_listens_beyond_this_machine(self, containers):
        for service in ALL:
            published = containers.inspect(service)["NetworkSettings"]["Ports"] or {}
            for bindings in published.values():
                assert {binding["HostIp"] for binding in bindings or []} <= {"127.0.0.1"}, service

    @pytest.mark.parametrize("service", [*SERVICES, "shopify"])
    def test_a_service_is_nobody_and_writes_nowhere(self, containers, service):
        until(lambda: containers.inspect(service)["State"]["Running"], 60, f"{service} runs")
        assert containers.inside(service, "id", "-u").stdout.strip() == "10001"
        assert containers.inside(service, "touch", "/app/x").returncode != 0
        assert containers.inspect(service)["HostConfig"]["CapDrop"] == ["ALL"]

    @pytest.mark.parametrize(("service", "package"), SERVICES.items())
    def test_an_image_holds_its_service_and_shared_alone(self, containers, service, package):
        others = {*SERVICES.values(), "sandbox", "ops"} - {package}
        source = "import importlib.util as i, sys; print([n for n in sys.argv[1:] if i.find_spec(n)])"
        found = containers.inside(service, "python", "-c", source, package, "shared", *sorted(others))
        assert found.stdout.strip() == str([package, "shared"])

    def test_the_readers_role_can_only_read(self, containers):
        until(containers.events, 120, "the tables are there")

        def as_reader(statement: str) -> subprocess.CompletedProcess[str]:
            address = "postgresql://read_api:demo-read-api@127.0.0.1/understudy"
            writable = "SET default_transaction_read_only = off"  # the role's own setting is no wall
            return containers.inside("postgres", "psql", address, "-c", writable, "-c", statement)

        assert as_reader("SELECT count(*) FROM events").returncode == 0
        for statement in ("DELETE FROM events", "CREATE TABLE mine ()", "SET ROLE understudy"):
            refused = as_reader(statement)
            assert refused.returncode != 0
            assert "permission denied" in refused.stderr


def test_compose_takes_the_file():
    command = compose_command()
    if command is None:
        pytest.skip("neither `docker compose` nor `docker-compose` is installed")
    checked = run([*command, "--profile", "demo", "config"])
    assert checked.returncode == 0, checked.stderr
    assert {line.strip().rstrip(":") for line in checked.stdout.splitlines()} >= ALL | ONE_SHOTS


def test_the_shipped_nats_syncs_before_it_acknowledges(tmp_path: Path):
    port, monitor = free_port(), free_port()
    flags = ["-a", "127.0.0.1", "-p", str(port), "-m", str(monitor)]
    configuration = tmp_path / "nats.conf"
    shipped = (ROOT / "deploy/nats/nats.conf").read_text()
    configuration.write_text(shipped.replace("store_dir: /data", f"store_dir: {json.dumps(str(tmp_path / 'store'))}"))
    process = Process(
        "nats",
        [str(nats_server()), "-c", str(configuration), *flags],
        log=tmp_path / "nats.log",
        ready=answers(f"http://127.0.0.1:{monitor}/healthz"),
    )
    process.start()
    try:
        state = fetch(f"http://127.0.0.1:{monitor}/varz")
    finally:
        process.stop()
    assert state["jetstream"]["config"]["sync_always"] is True
    assert state["max_payload"] == 8 * 1024 * 1024
