"""Real NATS, PostgreSQL and Valkey on the loopback, from wheels, without Docker."""

from sandbox.servers.addresses import Servers
from sandbox.servers.embedded import Embedded, embedded
from sandbox.servers.nats import Nats
from sandbox.servers.ports import free_port
from sandbox.servers.postgres import Postgres
from sandbox.servers.server import PortTaken, Server, ServerMissing
from sandbox.servers.valkey import Valkey

__all__ = [
    "Embedded",
    "Nats",
    "PortTaken",
    "Postgres",
    "Server",
    "ServerMissing",
    "Servers",
    "Valkey",
    "embedded",
    "free_port",
]
