"""Which port is whose. Pure but for asking the kernel."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from sandbox.servers import free_port
from sandbox.servers.ports import LOOPBACK, is_free

DEFAULT_PORT = 8080

# In the order of their ports. `web` has its own already, so that no address moves when it comes.
ROOMS = (
    "read_api",
    "writer",
    "webhook_ingest",
    "web",
    "shopify",
    "nats",
    "nats_monitor",
    "postgres",
    "redis",
    "syncer",
)


@dataclass(frozen=True)
class Layout:
    """Ports by room; further read-apis are `read_api_2`, `read_api_3` and so on, writers alike, behind all others."""

    ports: Mapping[str, int]

    @classmethod
    def of(cls, first: int, read_replicas: int = 1, write_replicas: int = 1) -> Self:
        """Successive ports from `first`; free ones anywhere when it is 0."""
        rooms = (*ROOMS, *_further("read_api", read_replicas), *_further("writer", write_replicas))
        if first:
            return cls({room: first + offset for offset, room in enumerate(rooms)})
        ports: set[int] = set()
        while len(ports) < len(rooms):
            ports.add(free_port())
        return cls(dict(zip(rooms, ports, strict=True)))

    def url(self, room: str, scheme: str = "http") -> str:
        return f"{scheme}://{LOOPBACK}:{self.ports[room]}"

    @property
    def read_apis(self) -> list[str]:
        """The rooms, the first one first."""
        return [room for room in self.ports if room.startswith("read_api")]

    @property
    def writers(self) -> list[str]:
        """The rooms, the first one first; whichever has the lease dispatches."""
        return [room for room in self.ports if room.startswith("writer")]

    def taken(self, rooms: Iterable[str]) -> dict[str, int]:
        """Those of `rooms` whose port another program listens on."""
        return {room: self.ports[room] for room in rooms if not is_free(self.ports[room])}


def _further(room: str, replicas: int) -> list[str]:
    return [f"{room}_{number}" for number in range(2, replicas + 1)]
