"""Those who keep copies of our answers, each with its own way to be told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

from syncer.purger.providers.call import DEADLINE, EdgeSilent, EdgeUnavailable, PurgeRefused, TokenRefused
from syncer.purger.providers.cloudflare import Cloudflare
from syncer.purger.providers.fastly import Fastly
from syncer.purger.providers.fleet import Edge, Fleet
from syncer.purger.providers.varnish import Varnish
from syncer.purger.settings import CdnSettings

__all__ = ["EdgeSilent", "EdgeUnavailable", "Fleet", "PurgeRefused", "Quota", "TokenRefused", "opened", "quota"]


@dataclass(frozen=True)
class Quota:
    """What the provider takes: calls a second, calls at once, tags in a call."""

    rate: float
    burst: int
    batch: int
    longest_pause: float = 60.0  # seconds after calls that failed


NO_PROVIDER = "no CDN_PROVIDER is set"
NEAR = 2.0  # seconds: it is no harm to ask a Varnish again

# Cloudflare: what its least plan allows (5 calls a minute, 25 at once, 100 tags in each; all of the account's zones
# together): developers.cloudflare.com/cache/how-to/purge-cache. Fastly: 100,000 purges an hour for a customer (as
# apis.io/rate-limits/fastly has it), 256 keys in a batch (its purge API). Varnish: ours; each call is one ban.
QUOTAS = {"cloudflare": Quota(5 / 60, 25, 100), "fastly": Quota(25.0, 100, 256), "varnish": Quota(50.0, 100, 50, NEAR)}


@asynccontextmanager
async def opened(settings: CdnSettings) -> AsyncIterator[Fleet]:
    """Those that the settings name; they have been checked."""
    async with httpx2.AsyncClient(timeout=DEADLINE, follow_redirects=False, trust_env=False) as http:
        yield Fleet(_edges(settings, http), settings.cdn_repeat_after)


def _edges(settings: CdnSettings, http: httpx2.AsyncClient) -> list[Edge]:
    token = "" if settings.cdn_api_token is None else settings.cdn_api_token.get_secret_value()
    match settings.cdn_provider:
        case "cloudflare":
            return [Cloudflare(http, token, settings.cdn_zone_id or "", settings.cdn_api_url)]
        case "fastly":
            soft = settings.cdn_soft_purge
            return [Fastly(http, token, settings.cdn_service_id or "", settings.cdn_api_url, soft=soft)]
        case "varnish":
            return [Varnish(http, url) for url in settings.cdn_varnish_urls]
        case None:
            raise ValueError(NO_PROVIDER)


def quota(settings: CdnSettings) -> Quota:
    """What the settings say; what they leave out is the provider's least."""
    if settings.cdn_provider is None:
        raise ValueError(NO_PROVIDER)
    least = QUOTAS[settings.cdn_provider]
    return Quota(settings.cdn_rate or least.rate, settings.cdn_burst or least.burst, least.batch, least.longest_pause)
