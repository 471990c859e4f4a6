"""Options that several commands take. Addresses that are not given are those of `understudy up`."""

from typing import Annotated

import typer

from ops.failures import SettingMissing
from ops.up import whereabouts
from ops.up.layout import DEFAULT_PORT, Layout

Json = Annotated[bool, typer.Option("--json", help="One line of JSON instead of text.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
NatsUrl = Annotated[
    str | None,
    typer.Option("--nats", envvar="NATS_URL", help="NATS, nats://user:password@host:port."),
]
Port = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=65_000,
        help=f"The --port of the `understudy up` that is meant ({DEFAULT_PORT}). An address that is given goes before.",
    ),
]
PostgresDsn = Annotated[
    str | None,
    typer.Option("--postgres", envvar="POSTGRES_DSN", help="PostgreSQL, as the tables' owner; `up` prints its own."),
]
Detach = Annotated[bool, typer.Option("--detach", help="Ask, and don't wait for it.")]
Within = Annotated[
    float | None, typer.Option(min=0, help="Seconds to wait at most (exit code 3); the run goes on. Default: no limit.")
]


def room_at(room: str, port: int | None, scheme: str = "http") -> str:
    """Where `understudy up --port` has it."""
    return Layout.of(port or DEFAULT_PORT).url(room, scheme)


def postgres_at(dsn: str | None, port: int | None) -> str:
    """Raises SettingMissing: none is given, and no `up` of this user runs on this machine with this port."""
    found = dsn or whereabouts.postgres_of(port or DEFAULT_PORT)
    if not found:
        raise SettingMissing(
            f"POSTGRES_DSN is not set, and no `understudy up` of yours is ready on port {port or DEFAULT_PORT}:"
            " say its --port, or --postgres with what it prints as `postgres`"
        )
    return found


def nats_at(address: str | None, port: int | None) -> str:
    return address or room_at("nats", port, "nats")
