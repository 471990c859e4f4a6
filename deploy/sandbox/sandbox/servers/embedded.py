"""The three servers together: started at the same time, stopped together."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.servers.addresses import Servers
from sandbox.servers.nats import Nats
from sandbox.servers.postgres import Postgres
from sandbox.servers.server import Server
from sandbox.servers.valkey import Valkey


@dataclass(frozen=True)
class Embedded:
    nats: Nats
    postgres: Postgres
    valkey: Valkey

    @property
    def all(self) -> tuple[Server, ...]:
        return (self.nats, self.postgres, self.valkey)

    @property
    def addresses(self) -> Servers:
        return Servers(self.nats.url, self.nats.monitor_url, self.postgres.dsn, self.valkey.url)

    def start(self) -> None:
        with ThreadPoolExecutor(len(self.all)) as starters:
            for started in [starters.submit(server.start) for server in self.all]:
                started.result()

    def close(self) -> None:
        with ThreadPoolExecutor(len(self.all)) as closers:
            for closed in [closers.submit(server.close) for server in self.all]:
                closed.result()


@contextmanager
def embedded(directory: Path | None = None, *, durable: bool = True) -> Iterator[Embedded]:
    """Start all three, each in its own directory below `directory`; temporary ones when none is given."""
    nats, postgres, valkey = ((directory / name if directory else None) for name in ("nats", "postgres", "valkey"))
    servers = Embedded(Nats(nats), Postgres(postgres, durable=durable), Valkey(valkey))
    try:
        servers.start()
        yield servers
    finally:
        servers.close()
