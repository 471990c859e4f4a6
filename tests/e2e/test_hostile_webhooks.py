"""What must not come, or can't be read: a clear answer or a dead letter with its reason; nothing else stops."""

import gzip
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from postbox import Letter
from waiting import eventually
from whole_system import Running

from sandbox.shopify.courier import sign
from sandbox.shopify.webhooks import triggered_at

BURIED_WITHIN = 10.0  # seconds
BEYOND_JAVASCRIPT = 2**53 + 1
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Post:
    """A real webhook of an event of its own, to be tampered with."""

    running: Running
    event_id: int
    letter: Letter

    def tampered(self, body: bytes | None = None, path: str | None = None, **headers: str | None) -> Letter:
        """Signed by Shopify's secret, whatever the body is; a header of None is taken away."""
        body = self.letter.body if body is None else body
        secret = self.running.system.plan.webhook_secret.encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        merged: dict[str, str | None] = {**self.letter.headers, "x-shopify-hmac-sha256": sign(secret, body)}
        merged |= {"x-shopify-webhook-id": f"tampered-{datetime.now(UTC).timestamp()}", **named}
        kept = {name: value for name, value in merged.items() if value is not None}
        return Letter(path or self.letter.path, kept, body)

    def payload(self, **changed: Any) -> bytes:
        return json.dumps(json.loads(self.letter.body) | changed, ensure_ascii=False).encode()


@pytest.fixture(scope="module")
async def event_id(one_system: Running) -> int:
    return int((await one_system.new_event("Hostile"))["id"])


@pytest.fixture
async def post(running: Running, event_id: int) -> Post:
    with running.postbox.holding() as letters:
        await running.shop.edit(event_id, title="Hostile, edited")
        await running.shop.flush()
    letter = next(letter for letter in letters if letter.topic == "products/update")
    assert await running.postbox.deliver(letter) == 200
    await running.settled()
    return Post(running, event_id, letter)


async def still_works(post: Post) -> None:
    """An ordinary edit becomes visible, and everything equals Shopify."""
    await post.running.shop.edit(post.event_id, title="Still works")
    await post.running.reads(post.event_id, title="Still works")
    await post.running.equal([post.event_id])


Tamper = Callable[[Post], Letter]

REFUSALS: dict[str, tuple[int, Tamper]] = {
    "signed with another secret": (
        401,
        lambda post: post.tampered(x_shopify_hmac_sha256=sign(b"another secret", post.letter.body)),
    ),
    "not signed": (401, lambda post: post.tampered(x_shopify_hmac_sha256=None)),
    "changed on the way": (
        401,
        lambda post: Letter(post.letter.path, post.letter.headers, post.letter.body.replace(b"edited", b"evil")),
    ),
    "a delete made of an update": (
        400,
        lambda post: post.tampered(path="/webhooks/products/delete", x_shopify_topic="products/delete"),
    ),
    "another topic than its path": (400, lambda post: post.tampered(x_shopify_topic="products/create")),
    "an unknown topic": (
        404,
        lambda post: post.tampered(path="/webhooks/orders/create", x_shopify_topic="orders/create"),
    ),
    "another shop's": (400, lambda post: post.tampered(x_shopify_shop_domain="other.myshopify.com")),
    "6 MB": (413, lambda post: post.tampered(post.payload(body_html="x" * 6 * MEGABYTE))),
    "compressed": (415, lambda post: post.tampered(gzip.compress(post.letter.body), content_encoding="gzip")),
    "no JSON": (400, lambda post: post.tampered(post.letter.body[:-2])),
    "an array": (400, lambda post: post.tampered(b"[]")),
    "empty": (400, lambda post: post.tampered(b"")),
    "nested too deeply": (400, lambda post: post.tampered(b'{"id":' + b"[" * 5000 + b"]" * 5000 + b"}")),
    "about an id that no bigint holds": (400, lambda post: post.tampered(post.payload(id=2**63))),
    "form data": (415, lambda post: post.tampered(content_type="application/x-www-form-urlencoded")),
}


@pytest.mark.parametrize("what", REFUSALS)
async def test_a_webhook_is_refused_clearly_that_is(post: Post, what: str) -> None:
    status, tamper = REFUSALS[what]
    buried = len(await post.running.dead_letters())
    flow = await post.running.flow()

    assert await post.running.postbox.deliver(tamper(post)) == status

    assert await post.running.flow() == flow, "it reached the bus"
    await still_works(post)
    assert len(await post.running.dead_letters()) == buried


async def burial(running: Running, deed: Callable[[], Awaitable[int]]) -> dict[str, str]:
    """The headers of the dead letter that `deed`, which is answered 200, leads to."""
    before = len(await running.dead_letters())
    assert await deed() == 200

    async def new() -> list[dict[str, str]]:
        return (await running.dead_letters())[before:]

    found: list[dict[str, str]] = await eventually(new, BURIED_WITHIN, saying="it was buried")
    assert len(found) == 1
    return found[0]


UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "a price of null": (
        {"variants": [{"id": 1, "title": "Standing", "price": None, "inventory_item_id": 2}]},
        "variants.0.price",
    ),
    "a title that is a number": ({"title": 7}, "title"),
    "a time that is none": ({"updated_at": "yesterday"}, "updated_at"),
    "a status that nobody knows": ({"status": "sold"}, "status"),
    "variants that are a word": ({"variants": "many"}, "variants"),
    "an id of a ticket that is negative": ({"variants": [{"id": -1, "title": "", "price": "1.00"}]}, "variants.0.id"),
}


@pytest.mark.parametrize("what", UNREADABLE)
async def test_a_signed_product_is_buried_with_its_reason_that_has(post: Post, what: str) -> None:
    changed, reason = UNREADABLE[what]
    letter = post.tampered(post.payload(**changed))

    dead = await burial(post.running, lambda: post.running.postbox.deliver(letter))

    assert reason in dead["Dead-Reason"]
    assert dead["Dead-Subject"] == f"changes.product.{post.event_id}"
    await still_works(post)


async def test_what_a_buried_webhook_was_about_is_read_from_shopify_instead(running: Running, post: Post) -> None:
    with running.postbox.holding():
        await running.shop.edit(post.event_id, title="Only Shopify knows")
        await running.shop.flush()

    await burial(running, lambda: running.postbox.deliver(post.tampered(post.payload(title=None))))

    await running.reads(post.event_id, within=BURIED_WITHIN, title="Only Shopify knows")


async def test_ids_beyond_what_javascript_counts_stay_exact(running: Running, post: Post) -> None:
    now = datetime.now(UTC)
    gid = f"gid://shopify/Product/{BEYOND_JAVASCRIPT}"
    made = {"id": BEYOND_JAVASCRIPT, "admin_graphql_api_id": gid, "handle": "large", "title": "Large", "variants": []}
    body = post.payload(**made, variant_gids=[], metafields=[], updated_at=now.isoformat(timespec="seconds"))

    assert await running.postbox.deliver(post.tampered(body, x_shopify_triggered_at=triggered_at(now))) == 200
    await running.settled()
    assert (await running.event(BEYOND_JAVASCRIPT)).json()["id"] == str(BEYOND_JAVASCRIPT) == "9007199254740993"

    gone = json.dumps({"id": BEYOND_JAVASCRIPT}).encode()
    letter = post.tampered(
        gone,
        path="/webhooks/products/delete",
        x_shopify_topic="products/delete",
        x_shopify_triggered_at=triggered_at(datetime.now(UTC)),
    )
    assert await running.postbox.deliver(letter) == 200
    await running.settled()
    assert (await running.event(BEYOND_JAVASCRIPT)).status_code == 404
    await still_works(post)


TITLES = [
    "Jazz 🎷👩\u200d👩\u200d👧 Night",
    "ליל ג'אז בתל אביב",
    "ليلة موسيقية مع أصدقاء",
    "\u202ereversed\u202c",
    "<i>&amp; / \\",
]


@pytest.mark.parametrize("title", TITLES)
async def test_titles_of_any_script_arrive_as_they_are(post: Post, title: str) -> None:
    await post.running.shop.edit(post.event_id, title=title)

    await post.running.reads(post.event_id, title=title)
    await still_works(post)


async def test_a_payload_of_another_api_version_is_projected(post: Post) -> None:
    with post.running.postbox.holding() as letters:
        await post.running.shop.edit(post.event_id, title="Of Another Version")
        await post.running.shop.flush()
    other = Post(post.running, post.event_id, letters[-1]).tampered(x_shopify_api_version="2024-01")

    assert await post.running.postbox.deliver(other) == 200

    await post.running.reads(post.event_id, title="Of Another Version")
    await still_works(post)


async def test_what_an_older_version_leaves_out_is_read_from_shopify(post: Post) -> None:
    with post.running.postbox.holding() as letters:
        await post.running.shop.edit(post.event_id, title="Of The Old Days")
        await post.running.shop.flush()
    latest = Post(post.running, post.event_id, letters[-1])
    old = json.loads(latest.letter.body)
    for name in ("metafields", "variant_gids", "media", "category"):
        old.pop(name)

    assert await post.running.postbox.deliver(latest.tampered(json.dumps(old).encode())) == 200

    await post.running.reads(post.event_id, title="Of The Old Days")
    await still_works(post)
