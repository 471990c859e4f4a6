"""What the queue's workers do: at most two requests a second, all of them together, whatever a request costs."""

import os
import time

import httpx2
from redis import Redis

from ops.bench.peers.shop import REDIS
from ops.bench.shopify_request import ADDRESS, EDIT, HEADERS_TOKEN, THROTTLED, TOKEN, variables

QUEUE = "writes"
TURN = 500  # milliseconds between two requests
POLL = 0.01  # seconds
ANSWER_WITHIN = 30.0  # seconds


class Refused(Exception):
    """Shopify did not do it."""


def edit(event_id: str, fields: dict[str, str]) -> None:
    """Raises Refused; RQ keeps what failed, and does not try again by itself."""
    _wait_for_turn()
    answer = httpx2.post(
        os.environ[ADDRESS],
        json={"query": EDIT, "variables": variables(event_id, fields)},
        headers={HEADERS_TOKEN: os.environ[TOKEN]},
        timeout=ANSWER_WITHIN,
        trust_env=False,
    )
    body = answer.raise_for_status().json()
    if body.get("errors") or body["data"]["productUpdate"]["userErrors"]:
        raise Refused(THROTTLED if THROTTLED in answer.text else answer.text)


def _wait_for_turn() -> None:
    with Redis.from_url(os.environ[REDIS]) as redis:
        while not redis.set("shopify:turn", 1, nx=True, px=TURN):
            time.sleep(POLL)
