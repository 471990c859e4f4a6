"""How each service is started: its command, its environment, its health address."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.up.plan import API_VERSION, SIMULATED_SHOP, Plan
from sandbox.processes import Process, Ready, answers
from sandbox.servers import Servers
from sandbox.servers.ports import LOOPBACK

# Settings of ours that happen to stand in the user's environment mean another installation than this one.
OURS = ("NATS_", "POSTGRES_", "REDIS_", "SHOPIFY_", "WEBHOOK_", "WRITER_", "AUTH_", "CDN_", "SIM_")
EXACTLY = ("HOST", "PORT", "METRICS_PORT", "WORKERS", "LOG_LEVEL", "LOG_FORMAT")


def simulated_shopify(plan: Plan) -> Process:
    words = ["--host", LOOPBACK, "--port", str(plan.layout.ports["shopify"]), "--shop", SIMULATED_SHOP]
    # No latency while everything starts: nine subscriptions and four pages at 2-3 s each would be half a minute.
    words += ["--events", str(plan.events), "--latency", "0", "--allow-http"]
    # With the projections its shop is kept, too: a shop seeded anew would be older than what was projected from it.
    words += ["--state", str(plan.directory / "shopify.state")]
    # Secrets go by the environment: everybody on the machine can read a command line.
    secrets = {"SIM_ACCESS_TOKEN": plan.shopify_token, "SIM_CLIENT_SECRET": plan.webhook_secret}
    return _process(plan, "shopify", ("sandbox.shopify", *words), secrets, answers(f"{plan.shopify_url}/livez"))


def migrate(plan: Plan, servers: Servers) -> Process:
    return _process(plan, "migrate", ("syncer", "migrate"), _servers(servers, "POSTGRES_DSN"))


def migrate_writer(plan: Plan, servers: Servers) -> Process:
    return _process(plan, "migrate_writer", ("writer", "migrate"), _servers(servers, "POSTGRES_DSN"))


def provision(plan: Plan, servers: Servers) -> Process:
    return _process(plan, "provision", ("shared.provision",), _servers(servers, "NATS_URL", "NATS_MONITOR_URL"))


def webhook_ingest(plan: Plan, servers: Servers) -> Process:
    settings = _servers(servers, "NATS_URL", "NATS_MONITOR_URL") | {
        "SHOPIFY_SHOP": plan.shop_domain,
        "SHOPIFY_API_VERSION": API_VERSION,
        "SHOPIFY_WEBHOOK_SECRETS": plan.webhook_secret,
    }
    return _service(plan, "webhook_ingest", "webhook_ingest", settings)


def syncer(plan: Plan, servers: Servers) -> Process:
    settings = servers.environment() | _shopify(plan) | {"WEBHOOK_PUBLIC_URL": plan.webhook_url}
    if plan.shopify_url.startswith("http:"):  # the simulated one, or its twin
        settings |= {
            "BULK_RESULT_ORIGINS": plan.shopify_url,  # it keeps results of bulk operations itself
            "RECONCILE_GRACE": "2",  # its webhooks come at once
        }
    return _service(plan, "syncer", "syncer", settings)


def writer(plan: Plan, servers: Servers, room: str) -> Process:
    settings = {"AUTH_STATIC_KEYS": plan.credentials.key_entry, **plan.writer}
    return _service(plan, room, "writer", servers.environment() | _shopify(plan) | settings)


def read_api(plan: Plan, servers: Servers, room: str) -> Process:
    """It gets nothing of Shopify's but the shop's name, for its status: a read makes no call there."""
    settings = {"AUTH_STATIC_KEYS": plan.credentials.key_entry, "SHOPIFY_SHOP": plan.shop_domain}
    return _service(plan, room, "read_api", servers.environment() | settings)


def ignored(processes: Sequence[Process]) -> list[str]:
    """What the user's environment says of our settings, and none of the processes that reads it is told; by name."""
    given = {name: value for name, value in os.environ.items() if value}
    told = {name: {process.env.get(name) for process in processes} for name in given}
    named = {name for process in processes for name in process.env}
    return sorted(name for name, value in given.items() if name in named and value not in told[name])


def _shopify(plan: Plan) -> dict[str, str]:
    """For those who speak to its Admin API."""
    return {
        "SHOPIFY_SHOP": plan.shop_domain,
        "SHOPIFY_ADMIN_URL": plan.shopify_url,
        "SHOPIFY_ACCESS_TOKEN": plan.shopify_token,
        "SHOPIFY_API_VERSION": API_VERSION,
        # Who names an http address of another machine wants it so.
        "SHOPIFY_ALLOW_HTTP": "true" if plan.shopify_url.startswith("http:") else "false",
    }


def _service(plan: Plan, room: str, module: str, settings: Mapping[str, str]) -> Process:
    listen = {"HOST": LOOPBACK, "PORT": str(plan.layout.ports[room])}
    return _process(
        plan, room, (module,), {**settings, **listen}, answers(f"{plan.layout.url(room)}/readyz", timeout=4.0)
    )


def _process(
    plan: Plan, name: str, module: tuple[str, ...], settings: Mapping[str, str], ready: Ready | None = None
) -> Process:
    return Process(
        name,
        [sys.executable, "-m", *module],
        log=_log(plan, name),
        env={**_without_ours(), "LOG_FORMAT": "json", **settings},
        ready=ready,
    )


def _log(plan: Plan, name: str) -> Path:
    return plan.logs / f"{name.replace('_', '-')}.log"


def _servers(servers: Servers, *names: str) -> dict[str, str]:
    return {name: value for name, value in servers.environment().items() if name in names}


def _without_ours() -> dict[str, str | None]:
    return {name: None for name in os.environ if name.startswith(OURS) or name in EXACTLY}
