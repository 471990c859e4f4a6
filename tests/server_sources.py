"""The same three servers from wheels, from Docker or from given addresses, as UNDERSTUDY_TEST_SERVERS says."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from sandbox.servers import Servers, embedded

READY_WITHIN = 60  # seconds for a container to answer

# The images of compose.yaml.
POSTGRES_IMAGE = "postgres:18"
VALKEY_IMAGE = "valkey/valkey:9"
NATS_IMAGE = "nats:2.15"

NATS_CONFIGURATION = Path(__file__).parents[1] / "deploy/nats"


def open_servers() -> AbstractContextManager[Servers]:
    source = os.environ.get("UNDERSTUDY_TEST_SERVERS", "wheels")
    if source not in SOURCES:
        raise ValueError(f"UNDERSTUDY_TEST_SERVERS is {source!r}; it can be {', '.join(SOURCES)}")
    return SOURCES[source]()


@contextmanager
def from_wheels() -> Iterator[Servers]:
    with embedded(durable=False) as servers:
        yield servers.addresses


@contextmanager
def from_docker() -> Iterator[Servers]:
    # The reaper's image is not needed: the containers are removed below.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    # Loaded here: a machine without Docker needs none of it.
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415
    from testcontainers.core.wait_strategies import ExecWaitStrategy, HttpWaitStrategy, LogMessageWaitStrategy  # noqa: PLC0415

    with ExitStack() as running:
        nats = (
            DockerContainer(NATS_IMAGE)
            .with_command("-c /etc/understudy/nats.conf")
            .with_volume_mapping(str(NATS_CONFIGURATION), "/etc/understudy")
            .with_exposed_ports(4222, 8222)
            .waiting_for(HttpWaitStrategy(8222, "/healthz").with_startup_timeout(READY_WITHIN))
        )
        postgres = (
            DockerContainer(POSTGRES_IMAGE)
            .with_env("POSTGRES_USER", "understudy")
            .with_env("POSTGRES_PASSWORD", "understudy")
            .with_env("POSTGRES_DB", "understudy")
            .with_command("-c fsync=off -c max_connections=200")
            .with_exposed_ports(5432)
            # Over TCP: while the image initialises, its first server listens on the socket only.
            .waiting_for(
                ExecWaitStrategy(["pg_isready", "-h", "127.0.0.1", "-U", "understudy"]).with_startup_timeout(
                    READY_WITHIN
                )
            )
        )
        valkey = (
            DockerContainer(VALKEY_IMAGE)
            .with_command("valkey-server --save '' --appendonly no --maxmemory 256mb --maxmemory-policy allkeys-lru")
            .with_exposed_ports(6379)
            .waiting_for(LogMessageWaitStrategy("Ready to accept connections").with_startup_timeout(READY_WITHIN))
        )
        for container in (nats, postgres, valkey):
            running.enter_context(container)
        yield Servers(
            nats_url=f"nats://{_address(nats, 4222)}",
            nats_monitor_url=f"http://{_address(nats, 8222)}",
            postgres_dsn=f"postgresql://understudy:understudy@{_address(postgres, 5432)}/understudy",
            redis_url=f"redis://{_address(valkey, 6379)}/0",
        )


@contextmanager
def from_environment() -> Iterator[Servers]:
    """The database of POSTGRES_DSN is left alone; its user must be allowed to create others."""
    yield Servers(
        nats_url=os.environ["NATS_URL"],
        nats_monitor_url=os.environ["NATS_MONITOR_URL"],
        postgres_dsn=os.environ["POSTGRES_DSN"],
        redis_url=os.environ["REDIS_URL"],
    )


def _address(container: object, port: int) -> str:
    return f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"  # type: ignore[attr-defined]


SOURCES: dict[str, Callable[[], AbstractContextManager[Servers]]] = {
    "wheels": from_wheels,
    "docker": from_docker,
    "given": from_environment,
}
