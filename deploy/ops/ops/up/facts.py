"""What is shown of a running system: its parts, and what they say about themselves."""

from dataclasses import dataclass
from typing import Any, Self

from ops import bus
from ops.data_in_words import run
from ops.database import postgres
from ops.jobs import Jobs
from ops.up.system import System
from shared.errors import UnderstudyError

Part = tuple[str, str, str, int | None, int]  # name, state, address, pid, restarts


@dataclass(frozen=True)
class Facts:
    parts: list[Part]
    figures: str

    @classmethod
    def of(cls, system: System) -> Self:
        status = system.http.get(f"{system.plan.layout.url('read_api')}/v1/status") or {}
        shop = None
        if not system.plan.other:
            shop = system.http.get(f"{system.plan.shopify_url}/control/state")
        said = [*_freshness(status), *_jobs(system.addresses.postgres_dsn), *_budget(status, shop or {})]
        return cls(_parts(system), "; ".join(said) or "no figures yet")


def _parts(system: System) -> list[Part]:
    addresses = {
        "nats": system.addresses.nats_url,
        "postgres": system.plan.layout.url("postgres", "postgresql"),
        "valkey": system.addresses.redis_url,
    }
    return [
        (
            process.name.replace("_", "-"),
            process.state,
            addresses.get(process.name) or system.plan.layout.url(process.name),
            process.pid if process.alive else None,
            system.supervisor.restarts[process.name],
        )
        for process in system.supervisor.processes
    ]


def _freshness(status: dict[str, Any]) -> list[str]:
    said = []
    visible = status.get("change_to_visible_ms") or {}
    if visible.get("samples"):
        said.append(
            f"webhook to visible: p50 {visible['p50']} ms, p99 {visible['p99']} ms, {visible['samples']} changes"
        )
    if status.get("events") is not None:
        said.append(f"{status['events']} events")
    said += [run(each) for each in status.get("runs") or []]
    if status.get("degraded"):
        said.append(f"degraded: {', '.join(status['degraded'])}")
    return said


def _jobs(dsn: str) -> list[str]:
    """Nothing while PostgreSQL is away: its own line says so."""

    async def work() -> dict[str, int]:
        async with postgres(dsn) as database:
            return await Jobs(database).counts(None)

    try:
        found = bus.run(work())
    except UnderstudyError:
        return []
    return [f"jobs: {found['queued'] + found['dispatching']} open, {found['in_doubt']} in doubt"]


def _budget(status: dict[str, Any], shop: dict[str, Any]) -> list[str]:
    """As our governor knows it; and as the simulated Shopify itself says."""
    said = []
    left = (status.get("shopify") or {}).get("budget_left")
    if left is not None:
        said.append(f"budget left: {left:.0f} points")
    if bucket := shop.get("bucket"):
        said.append(f"Shopify's bucket: {bucket['currentlyAvailable']:.0f} of {bucket['maximumAvailable']:.0f} points")
    return said
