"""The system that is measured: one of our own for the length of a bench, or one that runs already."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from ops.failures import Refused, ServerDown
from ops.up.credentials import Credentials
from ops.up.layout import Layout
from ops.up.plan import SIMULATED_SHOP, Plan
from ops.up.startup import Stopping
from ops.up.system import System
from ops.web import Http
from sandbox import reaper

Say = Callable[[str], None]

PAGE = 250  # events
ASK_WITHIN = 10.0  # seconds


@dataclass(frozen=True)
class Subject:
    """Addresses, credentials and process ids of a running system. `postgres_log`: the file that PostgreSQL logs to."""

    read_apis: Sequence[str]
    webhook_ingest: str
    webhook_secret: str
    shopify: str
    postgres: str
    redis: str
    nats: str
    pids: Mapping[str, int]
    postgres_log: Path
    writer: str = ""
    token: str = ""
    shopify_token: str = ""
    shop_domain: str = f"{SIMULATED_SHOP}.myshopify.com"

    @classmethod
    def of_system(cls, system: System) -> Self:
        plan, servers = system.plan, system.addresses
        return cls(
            read_apis=[plan.layout.url(room) for room in plan.layout.read_apis],
            webhook_ingest=plan.layout.url("webhook_ingest"),
            webhook_secret=plan.webhook_secret,
            shopify=plan.shopify_url,
            postgres=servers.postgres_dsn,
            redis=servers.redis_url,
            nats=servers.nats_url,
            pids={process.name: process.pid for process in system.supervisor.processes},
            postgres_log=plan.directory / "postgres" / "postgres.log",
            writer=plan.layout.url("writer"),
            token=plan.credentials.token,
            shopify_token=plan.shopify_token,
        )

    @classmethod
    def of_summary(cls, said: Mapping[str, Any]) -> Self:
        """The line that `understudy up --json` printed. Raises Refused for another line."""
        names = ("read_apis", "webhook_ingest", "webhook_secret", "shopify", "postgres", "redis", "nats", "pids")
        if missing := [name for name in (*names, "data") if name not in said]:
            raise Refused(f"that is not what `understudy up --json` printed: {', '.join(missing)} missing")
        return cls(**{name: said[name] for name in names}, postgres_log=Path(said["data"], "postgres", "postgres.log"))

    @property
    def places(self) -> list[tuple[str, int]]:
        """Host and port of each read-api."""
        return [place(url) for url in self.read_apis]

    def events(self) -> list[dict[str, Any]]:
        """All that anyone may list, as read-api lists them. Raises ServerDown, Refused when there is none."""
        http, found, cursor = Http(ASK_WITHIN), [], ""
        try:
            while True:
                page = http.get(f"{self.read_apis[0]}/v1/events?limit={PAGE}{cursor}")
                if page is None:
                    raise ServerDown(f"{self.read_apis[0]} does not list its events")
                found += page["events"]
                if not page["next_cursor"]:
                    break
                cursor = f"&cursor={page['next_cursor']}"
        finally:
            http.close()
        if not found:
            raise Refused("the shop has no events; nothing can be measured")
        return found


def place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise Refused(f"{url!r} has no host and port")
    return parts.hostname, parts.port


@contextmanager
def running(
    read_replicas: int, events: int, say: Say, writer: Mapping[str, str] | None = None
) -> Iterator[tuple[Subject, System]]:
    """A whole system in a temporary directory, without traffic, its Shopify answering at once. Nothing of it stays.

    `writer`: settings of the writer's, beyond those that `up` gives it.
    """
    with tempfile.TemporaryDirectory(prefix="understudy-bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        reaper.remove_at_end(directory)
        directory.chmod(0o711)  # PostgreSQL, which as root runs as nobody, has to get in
        layout = Layout.of(0, read_replicas)
        system = System(
            Plan(
                directory=directory,
                layout=layout,
                credentials=Credentials.kept_in(directory),
                events=events,
                traffic=False,
                latency=(0.0, 0.0),
                webhook_url=layout.url("webhook_ingest"),
                writer=writer or {},
            )
        )
        try:
            system.start(Stopping(), say)
            yield Subject.of_system(system), system
        finally:
            say("stopping the system")
            system.stop()
    reaper.removed(Path(name))
