"""The main job: a change in Shopify is readable, through every real part."""

from itertools import pairwise
from typing import Any

import pytest
from shop_control import metafield
from whole_system import Running

VISIBLE_WITHIN = 2.0  # seconds, on a busy machine; tests/bench measures


async def new_event(running: Running, title: str = "Jazz Night", **fields: Any) -> int:
    """Its id."""
    return int((await running.new_event(title, **fields))["id"])


async def test_every_event_of_the_shop_equals_shopify_when_the_system_has_started(running: Running) -> None:
    await running.equal()


async def test_an_edit_in_shopify_becomes_the_next_thing_that_readers_see(running: Running) -> None:
    event_id = await new_event(running)
    before = await running.event(event_id)

    await running.shop.edit(event_id, title="Jazz Night, late")

    after = await running.reads(event_id, within=VISIBLE_WITHIN, title="Jazz Night, late")
    assert int(after.headers["X-Revision"]) > int(before.headers["X-Revision"])
    assert after.headers["ETag"] != before.headers["ETag"]
    await running.equal([event_id])


async def test_the_old_entity_tag_gets_the_event_and_the_new_one_304(running: Running) -> None:
    event_id = await new_event(running)
    old = (await running.event(event_id)).headers["ETag"]

    await running.shop.edit(event_id, title="Jazz Night, later")
    await running.reads(event_id, title="Jazz Night, later")
    await running.settled()  # what the edit left open is read from Shopify, and may make a revision of its own
    new = (await running.event(event_id)).headers["ETag"]
    assert new != old

    stale, current = await running.event(event_id, etag=old), await running.event(event_id, etag=new)
    assert (stale.status_code, stale.json()["title"]) == (200, "Jazz Night, later")
    assert (current.status_code, current.content) == (304, b"")


async def test_a_product_with_150_variants_ends_with_150_tickets_and_an_edit_of_the_last_is_seen(
    running: Running,
) -> None:
    seats = [{"title": f"Seat {number}", "price": "25.00", "quantity": 1} for number in range(1, 151)]
    product = await running.shop.create("A Full House", seats)

    await running.equal([product["id"]])
    tickets = (await running.event(product["id"])).json()["tickets"]
    assert [ticket["name"] for ticket in tickets] == [seat["title"] for seat in seats]

    await running.shop.edit(product["id"], variants=[{"id": product["variants"][149]["id"], "price": "99.00"}])

    await running.equal([product["id"]])
    assert (await running.event(product["id"])).json()["price_max"] == "99.00"


async def test_inventory_over_two_locations_adds_up(running: Running) -> None:
    box_office, outlet = (await running.shop.locations())[:2]
    tickets = [{"title": "Standing", "price": "25.00", "quantities": {box_office: 70, outlet: 30}}]
    product = await running.shop.create("Two Doors", tickets)
    variant = product["variants"][0]["id"]
    await running.equal([product["id"]])

    await running.shop.sell(variant, 5, box_office)
    await running.shop.stock(variant, 12, outlet)

    await running.equal([product["id"]])
    assert (await running.event(product["id"])).json()["available"] == 65 + 12


async def test_stock_that_leaves_a_location_leaves_the_sum(running: Running) -> None:
    box_office, outlet = (await running.shop.locations())[:2]
    tickets = [{"title": "Standing", "price": "25.00", "quantities": {box_office: 70, outlet: 30}}]
    product = await running.shop.create("One Door Closes", tickets)

    await running.shop.stock(product["variants"][0]["id"], None, outlet)

    await running.equal([product["id"]])
    assert (await running.event(product["id"])).json()["available"] == 70


async def test_a_deleted_product_is_404(running: Running) -> None:
    event_id = await new_event(running)

    await running.shop.delete(event_id)
    await running.settled()

    assert (await running.event(event_id)).status_code == 404
    assert (await running.managed(event_id)).status_code == 404
    await running.equal([event_id])


async def test_a_deleted_product_stays_deleted_when_an_older_update_arrives(running: Running) -> None:
    event_id = await new_event(running)
    with running.postbox.holding() as letters:
        await running.shop.edit(event_id, title="Late news")
        await running.shop.delete(event_id)
        await running.shop.flush()
    late, deleted = (
        next(letter for letter in letters if letter.topic == f"products/{it}") for it in ("update", "delete")
    )

    assert [await running.postbox.deliver(letter) for letter in (deleted, late)] == [200, 200]

    await running.equal([event_id])
    assert (await running.event(event_id)).status_code == 404


async def test_tickets_of_removed_variants_disappear(running: Running) -> None:
    event_id = await new_event(running)
    added = await running.shop.add_variant(event_id, "Seated", price="40.00", quantity=20)
    await running.settled()
    assert len((await running.event(event_id)).json()["tickets"]) == 2

    await running.shop.delete_variant(added["id"])

    await running.equal([event_id])
    assert [ticket["name"] for ticket in (await running.event(event_id)).json()["tickets"]] == ["Standing"]


async def test_a_renamed_handle_is_served_by_the_new_name_only(running: Running) -> None:
    event_id = await new_event(running, "Wrong Name", handle="wrong-name")
    assert (await running.http.get("/v1/events/by-handle/wrong-name")).json()["id"] == str(event_id)

    await running.shop.edit(event_id, handle="right-name")
    await running.settled()

    assert (await running.http.get("/v1/events/by-handle/right-name")).json()["id"] == str(event_id)
    assert (await running.http.get("/v1/events/by-handle/wrong-name")).status_code == 404


async def test_metafields_of_events_and_tickets_become_their_fields(running: Running) -> None:
    event_id = await new_event(running)
    variant = (await running.shop.product(event_id))["variants"][0]["id"]

    await running.shop.edit(
        event_id,
        metafields=[metafield("event.venue_city", "Köln"), metafield("event.category", "jazz")],
        variants=[{"id": variant, "metafields": [metafield("ticket.capacity", "250", "number_integer")]}],
    )

    await running.equal([event_id])
    event = (await running.event(event_id)).json()
    assert (event["venue"]["city"], event["category"]) == ("Köln", "jazz")
    assert (await running.managed(event_id)).json()["capacity"] == 250


@pytest.mark.parametrize("status", ["draft", "archived", "unlisted"])
async def test_what_is_not_active_is_for_organizers_only(running: Running, status: str) -> None:
    event_id = await new_event(running)

    await running.shop.edit(event_id, status=status)
    await running.settled()

    assert (await running.event(event_id)).status_code == 404
    assert (await running.managed(event_id)).json()["status"] == status
    await running.equal([event_id])


async def test_revisions_count_up_and_no_reader_misses_one(running: Running) -> None:
    event_id = await new_event(running)
    seen = [int((await running.event(event_id)).headers["X-Revision"])]

    for number in range(5):
        await running.shop.edit(event_id, title=f"Take {number}")
        seen.append(int((await running.reads(event_id, title=f"Take {number}")).headers["X-Revision"]))

    assert all(later > earlier for earlier, later in pairwise(seen))


async def test_a_sale_is_visible_and_leaves_the_lists_as_they_are(running: Running) -> None:
    event_id = await new_event(running)
    lists = (await running.http.get("/v1/events?limit=250")).headers["X-Revision"]
    variant = (await running.shop.product(event_id))["variants"][0]["id"]

    await running.shop.sell(variant, 3)

    await running.reads(event_id, available=97)
    await running.settled()
    assert (await running.http.get("/v1/events?limit=250")).headers["X-Revision"] == lists
