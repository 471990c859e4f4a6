"""Start the simulated Shopify: `python -m sandbox.shopify --port 8100 --events 200 --token T --secret S`."""

import argparse
import asyncio
import gc
import logging
import signal
from typing import Any

from sandbox.shopify.app import create_app
from sandbox.shopify.serving import server_for, stop
from sandbox.shopify.settings import ShopifySettings

# command line -> ShopifySettings
PLAIN = ("host", "port", "events", "tickets", "seed", "shop", "timezone", "currency", "client_id")


def read_arguments(arguments: list[str] | None = None) -> ShopifySettings:
    """Settings from the environment (`SIM_*`), overridden by the command line."""
    parser = argparse.ArgumentParser(prog="sandbox.shopify", description=__doc__)
    for name in PLAIN:
        kind = int if name in {"port", "events", "tickets", "seed"} else str
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=argparse.SUPPRESS)
    parser.add_argument("--token", default=argparse.SUPPRESS, help="Admin API access token")
    parser.add_argument("--secret", default=argparse.SUPPRESS, help="client secret; signs webhooks")
    parser.add_argument("--allow-http", action="store_true", default=argparse.SUPPRESS)
    parser.add_argument("--state", default=argparse.SUPPRESS, help="file that keeps the shop over restarts")
    parser.add_argument("--latency", default=argparse.SUPPRESS, help="seconds, 2 or 2-3")
    parser.add_argument("--bucket", type=float, default=argparse.SUPPRESS, help="cost points")
    parser.add_argument("--restore-rate", type=float, default=argparse.SUPPRESS, help="cost points a second")
    parser.add_argument("--retry-scale", type=float, default=argparse.SUPPRESS, help="1 spreads retries over 4 hours")
    return settings_of(vars(parser.parse_args(arguments)))


def settings_of(given: dict[str, Any]) -> ShopifySettings:
    from_environment = {name: given[name] for name in (*PLAIN, "allow_http", "state") if name in given}
    for name, setting in (("token", "access_token"), ("secret", "client_secret")):
        if name in given:
            from_environment[setting] = given[name]
    settings = ShopifySettings(**from_environment)
    knobs = settings.knobs.model_dump()
    if "latency" in given:
        low, _, high = given["latency"].partition("-")
        knobs |= {"latency_min": float(low), "latency_max": float(high or low)}
    for name, knob in (
        ("bucket", "bucket_size"),
        ("restore_rate", "restore_rate"),
        ("retry_scale", "webhook_retry_scale"),
    ):
        if name in given:
            knobs[knob] = given[name]
    return settings.model_copy(update={"knobs": type(settings.knobs).model_validate(knobs)})


async def serve(settings: ShopifySettings) -> None:
    """Until SIGTERM or SIGINT; one process, for the shop lives in its memory."""
    app = create_app(settings)
    gc.freeze()  # a big shop is millions of objects: to look through them all would stop the world for 70 ms
    server = server_for(app, settings.host, settings.port)
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, stop, server, app)
    await server.serve()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(serve(read_arguments()))
