"""`understudy up`: everything on this machine."""

import fcntl
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ops import output
from ops.commands.options import Json
from ops.failures import Exit, Refused
from ops.up import whereabouts
from ops.up.credentials import Credentials
from ops.up.layout import DEFAULT_PORT, Layout
from ops.up.live import watch
from ops.up.plan import OtherShopify, Plan
from ops.up.startup import Interrupted, Stopping
from ops.up.system import System
from sandbox import reaper


def up(
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65_000, help="First of the successive ports; 0: any free ones.")
    ] = DEFAULT_PORT,
    data: Annotated[
        Path | None, typer.Option(help="Keep all state in this directory, and go on from it. Default: keep nothing.")
    ] = None,
    events: Annotated[int, typer.Option(min=0, help="Size of the simulated shop.")] = 200,
    no_traffic: Annotated[bool, typer.Option("--no-traffic", help="Nothing changes unless you change it.")] = False,
    latency: Annotated[
        str, typer.Option(help="Of the simulated Shopify once all is ready, in seconds: 2-3, or 0.")
    ] = "2-3",
    shopify: Annotated[str | None, typer.Option(help="Use this server instead of the simulated Shopify.")] = None,
    shopify_token: Annotated[
        str | None, typer.Option(envvar="SHOPIFY_ACCESS_TOKEN", help="Its Admin API token (with --shopify).")
    ] = None,
    webhook_secret: Annotated[
        str | None, typer.Option(envvar="SHOPIFY_WEBHOOK_SECRETS", help="What it signs webhooks with (with --shopify).")
    ] = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="Where Shopify reaches webhook-ingest, if a tunnel or proxy stands between.")
    ] = None,
    read_replicas: Annotated[int, typer.Option(min=1, max=32, help="read-api processes.")] = 1,
    write_replicas: Annotated[
        int, typer.Option(min=1, max=8, help="writer processes: all take commands, one of them dispatches.")
    ] = 1,
    json: Json = False,
) -> None:
    """Start everything on this machine: real NATS, PostgreSQL and Valkey, the services, and a simulated Shopify.

    Prints the addresses when all is ready and every event can be read, and stays. Ctrl-C or SIGTERM stops all of it.
    """
    other = _other(shopify, shopify_token, webhook_secret)
    stopping = _stop_on_signals()
    with _directory(data) as directory:
        layout = Layout.of(port, read_replicas, write_replicas)
        plan = Plan(
            directory=directory,
            layout=layout,
            credentials=Credentials.kept_in(directory),
            events=events,
            traffic=not no_traffic,
            latency=_range(latency),
            webhook_url=webhook_url or layout.url("webhook_ingest"),
            other=other,
        )
        _run(System(plan), stopping, json=json)


def _run(system: System, stopping: Stopping, *, json: bool) -> None:
    say = (lambda _: None) if json else output.note
    try:
        system.start(stopping, say)
        with whereabouts.told(system.plan.layout.ports["read_api"], system.addresses.postgres_dsn):
            if json:
                output.document(_summary(system))
            watch(system, _summary(system), stopping, live=sys.stdout.isatty() and not json, quiet=json)
    except Interrupted:
        raise typer.Exit(Exit.INTERRUPTED) from None
    finally:
        say("stopping")
        system.stop()
    say("stopped")


def _summary(system: System) -> dict[str, Any]:
    """The one line of --json. `web` is null: that room is not built yet."""
    plan, servers = system.plan, system.addresses
    url = plan.layout.url
    return {
        "read_api": url("read_api"),
        "read_apis": [url(room) for room in plan.layout.read_apis],
        "writer": url("writer"),
        "writers": [url(room) for room in plan.layout.writers],
        "webhook_ingest": url("webhook_ingest"),
        "web": None,
        "shopify": plan.shopify_url,
        "shopify_token": plan.shopify_token,
        "webhook_secret": plan.webhook_secret,
        "syncer": url("syncer"),
        "nats": servers.nats_url,
        "nats_monitor": servers.nats_monitor_url,
        "postgres": servers.postgres_dsn,
        "redis": servers.redis_url,
        "token": plan.credentials.token,
        "data": str(plan.directory),
        "logs": str(plan.logs),
        "pids": {process.name: process.pid for process in system.supervisor.processes},
    }


def _other(url: str | None, token: str | None, secret: str | None) -> OtherShopify | None:
    if url is None:
        return None
    if not token or not secret:
        raise typer.BadParameter("--shopify needs --shopify-token and --webhook-secret, too")
    return OtherShopify(url, token, secret)


def _range(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    try:
        bounds = (float(low), float(high or low))
    except ValueError:
        bounds = (-1.0, -1.0)
    if not 0 <= bounds[0] <= bounds[1]:
        raise typer.BadParameter(f"--latency is seconds, as in 2-3 or 0.5, not {text!r}")
    return bounds


def _stop_on_signals() -> Stopping:
    """An event instead of an exception: nothing is cut off between starting a process and taking note of it."""
    stopping = Stopping()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


@contextmanager
def _directory(data: Path | None) -> Iterator[Path]:
    """A temporary directory goes in the end, logs included; a given one is used by one `up` at a time."""
    if data is None:
        with tempfile.TemporaryDirectory(prefix="understudy-", ignore_cleanup_errors=True) as name:
            reaper.remove_at_end(Path(name))
            # PostgreSQL, which as root runs as nobody, has to get to its directory in here.
            Path(name).chmod(0o711)
            yield Path(name)
        reaper.removed(Path(name))
        return
    data.mkdir(parents=True, exist_ok=True, mode=0o711)
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"another `understudy up` uses {data}") from None
        yield data.resolve()
