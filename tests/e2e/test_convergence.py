"""Whatever order webhooks arrive in, and however often: the projection ends equal to Shopify, and never goes back."""

import asyncio
import random
import time
from dataclasses import replace
from typing import Any

from postbox import Letter
from waiting import eventually
from whole_system import Running
from witness import listener, readers

EDITED = 10  # events
EDITS = 200
IN_ONE_SECOND = 50  # edits; the rest come in other seconds
SEED = 1
LATE_SHARE = 0.05  # of the letters come once more after all others, with their original payload
AT_ONCE = 12  # deliveries


async def edit(running: Running, chance: random.Random, product: dict[str, Any], number: int) -> None:
    """One of the things that merchants and buyers do."""
    shop, event_id = running.shop, product["id"]
    variant = chance.choice(product["variants"])["id"]
    match chance.randrange(5):
        case 0 | 1:
            await shop.edit(event_id, title=f"Edit {number}")
        case 2:
            await shop.edit(event_id, tags=[f"edit-{number}"], body_html=f"<p>{number}</p>")
        case 3:
            await shop.edit(event_id, variants=[{"id": variant, "price": f"{number}.00"}])
        case _:
            await shop.stock(variant, number, chance.choice(await shop.locations()))


async def next_second() -> None:
    """Shopify's `updated_at` has whole seconds: what comes now ties with nothing that came before."""
    second = int(time.time())
    _: bool = await eventually(lambda: int(time.time()) > second, within=2.0)


async def deliver_all(running: Running, letters: list[Letter]) -> None:
    """Every one of them is answered 200; several at a time, begun in this order."""
    room = asyncio.Semaphore(AT_ONCE)

    async def deliver(letter: Letter) -> None:
        async with room:
            assert await running.postbox.deliver(letter) == 200

    await asyncio.gather(*(deliver(letter) for letter in letters))


async def revisions(running: Running, event_ids: list[int]) -> dict[int, int]:
    rows = await running.sql("SELECT id, revision FROM events WHERE id = ANY($1)", event_ids)
    return {row["id"]: row["revision"] for row in rows}


def again(letter: Letter, number: int) -> Letter:
    """The same payload under a new webhook id: the stream, which knows the ids of two minutes, lets it through."""
    return replace(letter, headers=letter.headers | {"x-shopify-webhook-id": f"again-{number}"})


async def test_200_edits_shuffled_doubled_and_late_end_equal_to_shopify(running: Running) -> None:
    chance = random.Random(SEED)  # noqa: S311 (an order, not a secret)
    locations = await running.shop.locations()
    places = dict.fromkeys(locations, 50)
    tickets = [{"title": title, "price": "25.00", "quantities": places} for title in ("Standing", "Seated")]
    products = [await running.shop.create(f"Edited {number}", tickets) for number in range(EDITED)]
    event_ids = [product["id"] for product in products]
    await running.settled()
    with running.postbox.holding() as letters:
        for number in range(EDITS):
            if number % IN_ONE_SECOND == 0:
                await next_second()
            await edit(running, chance, chance.choice(products), number)
        await running.shop.flush()
    doubled = [chance.choice((letter, again(letter, number))) for number, letter in enumerate(letters)]
    shuffled = [*letters, *doubled]
    chance.shuffle(shuffled)
    late = [again(letter, len(letters)) for letter in chance.sample(letters, int(len(letters) * LATE_SHARE))]

    async with readers(running, event_ids) as witness, listener(running, witness):
        await deliver_all(running, shuffled)
        await deliver_all(running, late)
        await running.equal(event_ids)
        reached = await revisions(running, event_ids)

    witness.never_went_back(event_ids)
    for event_id in event_ids:
        seen, announced = witness.read[event_id], witness.announced[event_id]
        # Two announcements may overtake each other: each says what to drop, not what to show.
        assert sorted(set(announced)) == sorted(announced), f"{event_id} was announced twice in one revision"
        assert max(announced) == reached[event_id] == seen[-1]


async def test_a_duplicate_of_everything_raises_no_revision(running: Running) -> None:
    product = await running.shop.create("Told Twice", [{"title": "Standing", "price": "25.00", "quantity": 50}])
    with running.postbox.holding() as letters:
        for number in range(10):
            await running.shop.edit(product["id"], title=f"Told {number}")
            await running.shop.sell(product["variants"][0]["id"])
        await running.shop.delete((await running.shop.create("Gone"))["id"])
        await running.shop.flush()
    await deliver_all(running, letters)
    await running.equal()
    before = await running.sql("SELECT id, revision, listed_revision, deleted_at, document FROM events ORDER BY id")

    await deliver_all(running, letters)
    await deliver_all(running, [again(letter, number) for number, letter in enumerate(letters)])

    await running.equal()
    after = await running.sql("SELECT id, revision, listed_revision, deleted_at, document FROM events ORDER BY id")
    assert after == before
