"""What makes the simulated shop like a real one once everything is up: a slow Shopify, and light traffic."""

from ops.failures import ServerDown
from ops.web import Http

LIGHT = {"edits_per_second": 0.5, "sales_per_second": 1.5}


def slow_down(http: Http, shopify: str, latency: tuple[float, float]) -> None:
    """From now on it takes between so many seconds for an answer. Raises ServerDown."""
    knobs = {"latency_min": latency[0], "latency_max": latency[1]}
    if http.patch(f"{shopify}/control/knobs", knobs) is None:
        raise ServerDown(f"the simulated Shopify at {shopify} does not slow down")


def begin(http: Http, shopify: str) -> None:
    """Raises ServerDown."""
    if http.post(f"{shopify}/control/traffic", LIGHT) is None:
        raise ServerDown(f"the simulated Shopify at {shopify} does not take up traffic")
