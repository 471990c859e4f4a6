"""What readers ask for, in a mixture: requests of many paths, some by those who hold the answer already. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ops.bench.request import request

HUNDREDTHS = {"event": 50, "held": 10, "tickets": 10, "list": 20, "by-handle": 5, "categories": 5}
SAMPLE = 200  # events that readers ask for
LIMITS = (10, 20, 50)


def mixture(events: Sequence[Mapping[str, Any]], host: str, etag: Callable[[str], str | None]) -> list[str]:
    """Requests to draw from, each as often as it is asked; `events` as a list has them.

    `etag(path)` is the entity tag of a path, None where the server knows of none: then it is asked without.
    """
    few = events[:SAMPLE]
    kinds: dict[str, list[bytes]] = {
        "event": [request(host, path(event)) for event in few],
        "held": [request(host, path(event), _holding(etag(path(event)))) for event in few],
        "tickets": [request(host, f"{path(event)}/tickets") for event in few],
        "list": [request(host, asked) for asked in lists(events)],
        "by-handle": [request(host, f"/v1/events/by-handle/{quote(event['handle'])}") for event in few],
        "categories": [request(host, "/v1/categories")],
    }
    # Each kind repeated until its share of the whole is right, whatever number of different ones it has.
    size = max(len(asked) * 100 // HUNDREDTHS[kind] for kind, asked in kinds.items())
    drawn = []
    for kind, asked in kinds.items():
        share = size * HUNDREDTHS[kind] // 100
        drawn += [asked[number % len(asked)].decode("latin-1") for number in range(share)]
    return drawn


def path(event: Mapping[str, Any]) -> str:
    return f"/v1/events/{event['id']}"


def lists(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first page of all, of each category, city and tag that there is, in three sizes."""
    categories = sorted({event["category"] for event in events if event["category"]})
    cities = sorted({event["venue"]["city"] for event in events if event["venue"] and event["venue"]["city"]})
    tags = sorted({tag for event in events for tag in event["tags"]})
    asked = [*(f"category={quote(name)}" for name in categories), *(f"city={quote(name)}" for name in cities)]
    asked += [f"tag={quote(tag)}" for tag in tags]
    return [
        f"/v1/events?limit={limit}" + (f"&{filtered}" if filtered else "")
        for filtered in ("", *asked)
        for limit in LIMITS
    ]


def _holding(etag: str | None) -> dict[str, str]:
    return {"If-None-Match": etag} if etag else {}
