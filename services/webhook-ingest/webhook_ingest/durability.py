"""Ask NATS whether an acknowledged message is on disk.

Without `sync_interval: always` NATS acknowledges first and syncs every two minutes: a webhook that was answered 200
could go with the power (promise P1). Only the monitoring port tells (`/varz`, nats-server 2.15), so without
`NATS_MONITOR_URL` it can't be verified: that is logged and measured, and refuses nothing, since a hosted NATS may
rightly keep its monitor to itself.
"""

from typing import Any

import httpx2
import structlog

from webhook_ingest.metrics import DURABILITY_VERIFIED

log = structlog.get_logger()

TIMEOUT = 2.0  # seconds
UNVERIFIED = "NATS_MONITOR_URL is not set: nobody checks that NATS syncs before it acknowledges"


class Durability:
    """`monitor_url` as http://host:8222, or None where there is none."""

    def __init__(self, monitor_url: str | None) -> None:
        self._url = monitor_url and f"{monitor_url.rstrip('/')}/varz"
        if self._url is None:
            log.warning("durability.unverified", why=UNVERIFIED)

    async def problem(self) -> str | None:
        """Why a 200 would promise too much, or None."""
        if self._url is None:
            DURABILITY_VERIFIED.set(0)
            return None
        problem = await self._ask(self._url)
        DURABILITY_VERIFIED.set(problem is None)
        return problem

    async def _ask(self, url: str) -> str | None:
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
                state = (await client.get(url)).raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            return f"the monitor of NATS does not answer: {error!r}"
        return judge(state)


def judge(state: Any) -> str | None:
    """What `/varz` gives away. Pure."""
    jetstream = state.get("jetstream") if isinstance(state, dict) else None
    config = jetstream.get("config") if isinstance(jetstream, dict) else None
    if not config:
        return "NATS runs without JetStream"
    if config.get("sync_always") is not True:
        return "NATS acknowledges before it syncs; set sync_interval: always"
    return None
