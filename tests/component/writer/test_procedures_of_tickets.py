"""Commands on tickets against the simulated Shopify: capacity while it sells, lost answers, names that are taken."""

from dataclasses import replace
from datetime import timedelta

import pytest
from procedure_driver import driving
from shop_control import metafield

from writer.procedures.steps import Done, Failed, InDoubt, Refused, Succeeded, Unknown, Whole

VIP = {"name": "VIP", "price": "49.00", "capacity": 50, "max_per_order": 4, "type": "seat", "sku": "V-1"}


@pytest.fixture(scope="module")
async def one_shop():
    async with driving() as made:
        yield made


@pytest.fixture
async def driver(one_shop):
    return await one_shop.anew()


def capacity(value):
    return metafield("ticket.capacity", value and str(value), "number_integer")


def fields(variant):
    return {f"{one['namespace']}.{one['key']}": one["value"] for one in variant["metafields"]}


async def some_event(driver, *names, quantity=100, **more):
    """With tickets of 100 pieces, and nothing sold."""
    tickets = [
        {"title": name, "price": "25.00", "quantity": quantity, "metafields": [capacity(100)], **more} for name in names
    ]
    event = await driver.control.create("Jazz", tickets)
    return event["id"], event["variants"][0]["id"] if names else None


async def ticket_of(driver, event_id, ticket_id):
    event = await driver.control.product(event_id)
    return next(one for one in event["variants"] if one["id"] == ticket_id)


def before_each(driver, document, action):
    """`action` happens right before each step of that document."""

    async def before(step):
        if getattr(step, "document", None) == document:
            await action()

    driver.before = before


# ticket.create


async def test_a_ticket_is_added_with_its_stock(driver):
    event_id, _ = await some_event(driver, "Standing")
    run = await driver.run("ticket.create", VIP, event_id, job_id="0199-a")
    ticket = await ticket_of(driver, event_id, run.end.ticket_id)
    assert run.asked == ["ticket_place", "ticket_create"]
    assert run.end == Succeeded(event_id, ticket["id"], Whole(event_id))
    assert (ticket["title"], ticket["price"], ticket["sku"], ticket["tracked"]) == ("VIP", "49.00", "V-1", True)
    assert ticket["inventory_quantity"] == 50
    assert fields(ticket) == {
        "ticket.capacity": "50",
        "ticket.max_per_order": "4",
        "ticket.type": "seat",
        "understudy.job": "0199-a",
    }
    free = await driver.run("ticket.create", {"name": "Stream", "price": "0.00"}, event_id)
    assert (await ticket_of(driver, event_id, free.end.ticket_id))["tracked"] is False


async def test_the_first_ticket_takes_the_place_of_shopifys_own_variant(driver):
    event_id = (await driver.run("event.create", {"title": "Jazz"})).end.event_id
    await driver.run("ticket.create", VIP, event_id)
    await driver.run("ticket.create", {**VIP, "name": "Gold"}, event_id)
    assert [one["title"] for one in (await driver.control.product(event_id))["variants"]] == ["VIP", "Gold"]


@pytest.mark.parametrize(
    "touched",
    [
        {"title": "Default Title", "price": "9.00"},
        {"title": "Default Title", "quantity": 5},
        {"title": "Default Title", "tracked": False, "sku": "X"},
        {"title": "Default Title", "tracked": False, "metafields": [metafield("ticket.type", "seat")]},
        {"title": "Standing", "tracked": False},
    ],
)
async def test_an_only_variant_that_somebody_has_touched_is_never_deleted(driver, touched):
    event = await driver.control.create("Jazz", [touched])
    run = await driver.run("ticket.create", VIP, event["id"])
    assert isinstance(run.end, Succeeded)
    titles = [one["title"] for one in (await driver.control.product(event["id"]))["variants"]]
    assert titles == [touched["title"], "VIP"]


async def test_an_only_variant_that_becomes_a_ticket_meanwhile_stays(driver):
    event = await driver.control.create("Jazz", [{"title": "Default Title", "tracked": False}])
    (variant,) = event["variants"]
    before_each(
        driver,
        "ticket_create",
        lambda: driver.control.edit(
            event["id"], variants=[{"id": variant["id"], "title": "Standing", "price": "9.00"}]
        ),
    )
    await driver.run("ticket.create", VIP, event["id"])
    assert [one["title"] for one in (await driver.control.product(event["id"]))["variants"]] == ["Standing", "VIP"]


async def test_a_name_is_given_once(driver):
    event_id, _ = await some_event(driver, "VIP")
    run = await driver.run("ticket.create", VIP, event_id)
    assert (run.end.error.code, run.end.error.errors[0].pointer) == ("name_taken", "#/name")
    run = await driver.run("ticket.create", {**VIP, "name": "Gold", "price": "-1.00"}, event_id)
    assert [(error.pointer, error.code) for error in run.end.error.errors] == [("#/price", "GREATER_THAN_OR_EQUAL_TO")]
    gone = await driver.run("ticket.create", VIP, 4711)
    assert gone.end.error.code == "gone"


async def test_an_event_with_several_options_is_left_to_shopify(driver):
    text = "mutation ($input: ProductSetInput!) { productSet(input: $input) { userErrors { message } } }"
    options = [{"name": name, "values": [{"name": "x"}]} for name in ("Day", "Seat")]
    values = [{"optionName": "Day", "name": "x"}, {"optionName": "Seat", "name": "x"}]
    product = {"title": "Jazz", "productOptions": options, "variants": [{"optionValues": values, "price": "1.00"}]}
    answer = await driver.control._http.post(
        "http://127.0.0.1/admin/api/2026-10/graphql.json",
        json={"query": text, "variables": {"input": product}},
        headers={"X-Shopify-Access-Token": "shpat_of_the_test"},
    )
    assert answer.json()["data"]["productSet"]["userErrors"] == []
    (event,) = await driver.control.truth()
    ticket_id = event["variants"][0]["id"]
    for kind, command, ticket in [
        ("ticket.create", VIP, None),
        ("ticket.edit", {"name": "y"}, ticket_id),
        ("ticket.edit", {"name": "y", "capacity": 5}, ticket_id),
    ]:
        run = await driver.run(kind, command, event["id"], ticket)
        assert (type(run.end), run.end.error.code, run.writes) == (Failed, "several_options", [])
    assert isinstance((await driver.run("ticket.edit", {"price": "2.00"}, event["id"], ticket_id)).end, Succeeded)


async def test_a_ticket_whose_answer_was_lost_is_recognised(driver):
    event_id, _ = await some_event(driver, "Standing")
    await driver.control.loses_answer("productVariantsBulkCreate")
    run = await driver.run("ticket.create", VIP, event_id)
    assert run.asked == ["ticket_place", "ticket_create", "ticket_names"]
    assert (await ticket_of(driver, event_id, run.end.ticket_id))["title"] == "VIP"


async def test_a_ticket_that_shopify_makes_twice_is_recognised(driver):
    """The second time is refused, because the first one has the name."""
    event_id, _ = await some_event(driver, "Standing")
    await driver.control.fault("productVariantsBulkCreate", effect="twice")
    run = await driver.run("ticket.create", VIP, event_id)
    assert run.asked == ["ticket_place", "ticket_create", "ticket_names"]
    assert (await ticket_of(driver, event_id, run.end.ticket_id))["title"] == "VIP"
    assert len((await driver.control.product(event_id))["variants"]) == 2


async def test_a_ticket_that_never_arrived_is_sent_again_as_it_was(driver):
    event_id, _ = await some_event(driver, "Standing")
    await driver.control.fails_before("productVariantsBulkCreate", times=2)
    run = await driver.run("ticket.create", VIP, event_id)
    assert len(run.writes) == 3
    assert all(write.variables == run.writes[0].variables for write in run.writes)
    assert len((await driver.control.product(event_id))["variants"]) == 2


async def test_a_lost_ticket_under_somebody_elses_name_was_not_made(driver):
    event_id, _ = await some_event(driver, "Standing")
    await driver.control.fails_before("productVariantsBulkCreate")
    before_each(driver, "ticket_names", lambda: driver.control.add_variant(event_id, "VIP", price="1.00"))
    run = await driver.run("ticket.create", VIP, event_id)
    assert run.end.error.code == "name_taken"


# ticket.edit


async def test_a_price_is_one_mutation_that_costs_ten(driver):
    event_id, ticket_id = await some_event(driver, "Standing")
    run = await driver.run("ticket.edit", {"price": "30.00", "compare_at_price": "35.00"}, event_id, ticket_id)
    ticket = await ticket_of(driver, event_id, ticket_id)
    assert (run.asked, run.cost) == (["ticket_edit"], 10)
    assert (ticket["price"], ticket["compare_at_price"]) == ("30.00", "35.00")
    assert run.end == Succeeded(event_id, ticket_id, Whole(event_id))
    run = await driver.run("ticket.edit", {"compare_at_price": None}, event_id, ticket_id)
    assert (await ticket_of(driver, event_id, ticket_id))["compare_at_price"] is None


async def test_a_price_is_set_once_whatever_becomes_of_the_answers(driver):
    event_id, ticket_id = await some_event(driver, "Standing")
    await driver.control.fails_before("productVariantsBulkUpdate")
    await driver.control.loses_answer("productVariantsBulkUpdate")
    run = await driver.run("ticket.edit", {"price": "30.00"}, event_id, ticket_id)
    assert [type(write.outcome) for write in run.writes] == [Unknown, Unknown, Done]
    assert await driver.effects("productVariantsBulkUpdate") == 1


async def test_a_ticket_is_renamed_where_the_name_is_free(driver):
    event_id, ticket_id = await some_event(driver, "Standing", "VIP")
    run = await driver.run("ticket.edit", {"name": "Floor", "visible": False}, event_id, ticket_id)
    ticket = await ticket_of(driver, event_id, ticket_id)
    assert run.asked == ["ticket_options", "ticket_edit"]
    assert (ticket["title"], fields(ticket)["ticket.visible"]) == ("Floor", "false")
    run = await driver.run("ticket.edit", {"name": "VIP"}, event_id, ticket_id)
    assert [error.pointer for error in run.end.error.errors] == ["#/name"]
    run = await driver.run("ticket.edit", {"name": "VIP", "capacity": 120}, event_id, ticket_id)
    assert (run.end.error.code, run.writes) == ("name_taken", [])


async def test_null_clears_what_a_ticket_may_lack(driver):
    event_id, _ = await some_event(driver, "Standing")
    ticket_id = (await driver.run("ticket.create", VIP, event_id)).end.ticket_id
    run = await driver.run("ticket.edit", {"type": None, "max_per_order": 6}, event_id, ticket_id)
    assert run.asked == ["ticket_edit", "metafields_delete"]
    run = await driver.run("ticket.edit", {"max_per_order": None}, event_id, ticket_id)
    assert run.asked == ["metafields_delete", "ticket_owner"]
    assert set(fields(await ticket_of(driver, event_id, ticket_id))) == {"ticket.capacity", "understudy.job"}


@pytest.mark.parametrize("command", [{"price": "1.00"}, {"type": None}, {"name": "x"}, {"capacity": 5}])
async def test_a_ticket_that_is_gone_cannot_be_edited(driver, command):
    event_id, ticket_id = await some_event(driver, "Standing", "VIP")
    await driver.control.delete_variant(ticket_id)
    run = await driver.run("ticket.edit", command, event_id, ticket_id)
    assert (type(run.end), run.end.error.code) == (Failed, "gone")
    other, _ = await some_event(driver, "Other")
    if "capacity" in command or "type" in command:
        run = await driver.run("ticket.edit", command, other, ticket_id)
        assert run.end.error.code == "gone"


# capacity


@pytest.mark.parametrize(("wanted", "left"), [(150, 120), (100, 70), (60, 30), (30, 0)])
async def test_a_new_capacity_keeps_what_is_sold(driver, wanted, left):
    event_id, ticket_id = await some_event(driver, "Standing")
    await driver.control.sell(ticket_id, 30)
    run = await driver.run("ticket.edit", {"capacity": wanted}, event_id, ticket_id)
    ticket = await ticket_of(driver, event_id, ticket_id)
    moves = [] if wanted == 100 else ["stock_edit"]
    assert run.asked == ["ticket_stock", *moves, "ticket_edit"]
    assert (ticket["inventory_quantity"], fields(ticket)["ticket.capacity"]) == (left, str(wanted))


async def test_less_than_what_is_sold_is_refused_before_anything_is_written(driver):
    event_id, ticket_id = await some_event(driver, "Standing")
    await driver.control.sell(ticket_id, 30)
    run = await driver.run("ticket.edit", {"capacity": 29, "price": "1.00"}, event_id, ticket_id)
    assert (run.end.error.code, run.end.error.errors[0].pointer, run.writes) == ("below_sold", "#/capacity", [])
    assert run.end.error.errors[0].message == "30 are sold already."


@pytest.mark.parametrize("wanted", [150, 60])
async def test_what_is_sold_while_the_capacity_changes_stays_sold(driver, wanted):
    event_id, ticket_id = await some_event(driver, "Standing")
    sold = 0

    async def sells():
        nonlocal sold
        if sold < 6:
            await driver.control.sell(ticket_id, 2)
            sold += 2

    before_each(driver, "stock_edit", sells)
    run = await driver.run("ticket.edit", {"capacity": wanted}, event_id, ticket_id)
    ticket = await ticket_of(driver, event_id, ticket_id)
    assert isinstance(run.end, Succeeded)
    assert (ticket["inventory_quantity"], fields(ticket)["ticket.capacity"]) == (wanted - sold, str(wanted))
    keys = [write.variables["idempotencyKey"] for write in run.writes if write.document == "stock_edit"]
    assert len(set(keys)) == len(keys) == (1 if wanted > 100 else 4)


async def test_sold_below_the_new_capacity_meanwhile_it_fails(driver):
    event_id, ticket_id = await some_event(driver, "Standing", quantity=12)
    before_each(driver, "stock_edit", lambda: driver.control.sell(ticket_id, 1))
    run = await driver.run("ticket.edit", {"capacity": 88}, event_id, ticket_id)
    ticket = await ticket_of(driver, event_id, ticket_id)
    assert run.end.error.code == "below_sold"
    assert (ticket["inventory_quantity"], fields(ticket)["ticket.capacity"]) == (11, "100")


async def test_stock_that_never_rests_ends_the_attempt(driver):
    event_id, ticket_id = await some_event(driver, "Standing")
    before_each(driver, "stock_edit", lambda: driver.control.sell(ticket_id, 1))
    run = await driver.run("ticket.edit", {"capacity": 60}, event_id, ticket_id)
    assert run.end.error.code == "busy"
    assert (await ticket_of(driver, event_id, ticket_id))["inventory_quantity"] == 90


@pytest.mark.parametrize("wanted", [150, 60])
async def test_a_capacity_moves_stock_once_whatever_becomes_of_the_answers(driver, wanted):
    event_id, ticket_id = await some_event(driver, "Standing")
    await driver.control.fails_before("inventoryAdjustQuantities")
    await driver.control.loses_answer("inventoryAdjustQuantities", times=2)
    await driver.control.loses_answer("productVariantsBulkUpdate")
    run = await driver.run("ticket.edit", {"capacity": wanted}, event_id, ticket_id)
    ticket = await ticket_of(driver, event_id, ticket_id)
    moves = [write for write in run.writes if write.document == "stock_edit"]
    assert [type(move.outcome) for move in moves] == [Unknown, Unknown, Unknown, Done]
    assert all(move.variables == moves[0].variables for move in moves)
    assert (ticket["inventory_quantity"], fields(ticket)["ticket.capacity"]) == (wanted, str(wanted))


async def test_a_key_that_shopify_has_forgotten_is_not_sent_again(driver):
    event_id, ticket_id = await some_event(driver, "Standing")
    run = await driver.run("ticket.edit", {"capacity": 150}, event_id, ticket_id)
    lost = replace(run.writes[0], outcome=Unknown(), sent_at=run.writes[0].sent_at - timedelta(hours=23))
    again = await driver.run("ticket.edit", {"capacity": 150}, event_id, ticket_id, writes=[lost])
    assert isinstance(again.end, InDoubt)
    assert again.writes == [lost]


async def test_a_ticket_that_was_not_tracked_becomes_one_that_sells_out(driver):
    event_id, ticket_id = await some_event(driver, "Standing", quantity=0, tracked=False, metafields=[])
    await driver.run("ticket.edit", {"capacity": 40}, event_id, ticket_id)
    ticket = await ticket_of(driver, event_id, ticket_id)
    assert (ticket["tracked"], ticket["inventory_quantity"]) == (True, 40)
    await driver.run("ticket.edit", {"capacity": None}, event_id, ticket_id)
    ticket = await ticket_of(driver, event_id, ticket_id)
    assert (ticket["tracked"], fields(ticket)) == (False, {})


async def test_a_ticket_that_is_stocked_nowhere_is_stocked_at_ours(driver):
    event_id, ticket_id = await some_event(driver, "Standing", quantity=0, metafields=[])
    await driver.control.stock(ticket_id, None, driver.shop.location_id)
    await driver.control.loses_answer("inventoryActivate")
    run = await driver.run("ticket.edit", {"capacity": 40}, event_id, ticket_id)
    ticket = await ticket_of(driver, event_id, ticket_id)
    assert run.asked == ["ticket_stock", "stock_level_create", "stock_level_create", "ticket_edit"]
    assert [(one["location_id"], one["available"]) for one in ticket["levels"]] == [(driver.shop.location_id, 40)]


async def test_stock_that_somebody_puts_there_meanwhile_counts(driver):
    event_id, ticket_id = await some_event(driver, "Standing", quantity=0, metafields=[])
    ours = driver.shop.location_id
    await driver.control.stock(ticket_id, None, ours)
    before_each(driver, "stock_level_create", lambda: driver.control.stock(ticket_id, 10, ours))
    run = await driver.run("ticket.edit", {"capacity": 40}, event_id, ticket_id)
    assert [type(write.outcome) for write in run.writes] == [Refused, Done, Done]
    assert (await ticket_of(driver, event_id, ticket_id))["inventory_quantity"] == 40


async def test_stock_at_several_locations_is_lowered_where_there_is_some(driver):
    ours, theirs, *_ = await driver.control.locations()
    event = await driver.control.create(
        "Jazz", [{"title": "A", "quantities": {ours: 10, theirs: 90}, "metafields": [capacity(120)]}]
    )
    ticket_id = event["variants"][0]["id"]
    await driver.run("ticket.edit", {"capacity": 70}, event["id"], ticket_id)
    levels = (await ticket_of(driver, event["id"], ticket_id))["levels"]
    assert {one["location_id"]: one["available"] for one in levels} == {ours: 0, theirs: 50}
    await driver.run("ticket.edit", {"capacity": 75}, event["id"], ticket_id)
    levels = (await ticket_of(driver, event["id"], ticket_id))["levels"]
    assert {one["location_id"]: one["available"] for one in levels} == {ours: 5, theirs: 50}


async def test_stock_at_more_locations_than_a_page_holds_is_all_counted(driver):
    locations = [*await driver.control.locations(), *[await driver.control.add_location(f"L{n}") for n in range(12)]]
    event = await driver.control.create("Jazz", [{"title": "A", "quantities": dict.fromkeys(locations, 1)}])
    ticket_id = event["variants"][0]["id"]
    run = await driver.run("ticket.edit", {"capacity": 20}, event["id"], ticket_id)
    assert run.asked[:2] == ["ticket_stock", "ticket_stock"]
    assert (await ticket_of(driver, event["id"], ticket_id))["inventory_quantity"] == 20


async def test_without_a_metafield_the_projection_knows_the_capacity(driver):
    event_id, ticket_id = await some_event(driver, "Standing", metafields=[])
    await driver.control.sell(ticket_id, 30)
    run = await driver.run("ticket.edit", {"capacity": 110, "known_capacity": 100}, event_id, ticket_id)
    ticket = await ticket_of(driver, event_id, ticket_id)
    assert isinstance(run.end, Succeeded)
    assert (ticket["inventory_quantity"], fields(ticket)) == (80, {"ticket.capacity": "110"})


async def test_an_edit_refused_after_the_stock_was_moved_still_writes_the_capacity_down(driver):
    event_id, ticket_id = await some_event(driver, "Standing")
    before_each(driver, "ticket_options", lambda: driver.control.add_variant(event_id, "VIP", price="1.00"))
    command = {"capacity": 120, "name": "VIP", "price": "1.00"}
    run = await driver.run("ticket.edit", command, event_id, ticket_id)
    ticket = await ticket_of(driver, event_id, ticket_id)
    assert run.asked == ["ticket_stock", "stock_edit", "ticket_options", "ticket_edit", "ticket_edit"]
    assert (run.end.error.code, run.end.error.errors[0].pointer) == ("partly", "#/name")
    assert run.end.observation == Whole(event_id)
    assert (ticket["inventory_quantity"], fields(ticket)["ticket.capacity"]) == (120, "120")
    assert (ticket["title"], ticket["price"]) == ("Standing", "25.00")


async def test_stock_that_was_moved_for_a_ticket_that_shopify_refuses_is_in_doubt(driver):
    event_id, ticket_id = await some_event(driver, "Standing")
    no = [{"field": ["variants", "0", "metafields", "0"], "message": "Value must be less than 100"}]
    await driver.control.fault("productVariantsBulkUpdate", effect="none", answer="refused", user_errors=no, times=2)
    run = await driver.run("ticket.edit", {"capacity": 120}, event_id, ticket_id)
    assert isinstance(run.end, InDoubt)
    assert "Value must be less than 100" in run.end.reason


async def test_a_job_that_was_partly_refused_tries_the_rest_when_it_is_retried(driver):
    event_id, ticket_id = await some_event(driver, "Standing")
    before_each(driver, "ticket_options", lambda: driver.control.add_variant(event_id, "VIP", price="1.00"))
    command = {"capacity": 120, "name": "VIP"}
    run = await driver.run("ticket.edit", command, event_id, ticket_id)
    vip = next(one for one in (await driver.control.product(event_id))["variants"] if one["title"] == "VIP")
    await driver.control.delete_variant(vip["id"])
    kept = [write for write in run.writes if not isinstance(write.outcome, Refused)]

    async def nothing(_step):
        """The name stays free."""

    driver.before = nothing
    again = await driver.run("ticket.edit", command, event_id, ticket_id, writes=kept)
    ticket = await ticket_of(driver, event_id, ticket_id)
    assert isinstance(again.end, Succeeded)
    assert (ticket["title"], ticket["inventory_quantity"]) == ("VIP", 120)


async def test_a_key_that_is_still_in_use_is_waited_for(driver):
    event_id, ticket_id = await some_event(driver, "Standing")
    busy = [{"message": "Another request…", "code": "IDEMPOTENCY_CONCURRENT_REQUEST"}]
    await driver.control.fault("inventoryAdjustQuantities", effect="none", answer="refused", user_errors=busy)
    run = await driver.run("ticket.edit", {"capacity": 120}, event_id, ticket_id)
    assert run.writes[0].variables == run.writes[1].variables
    assert (await ticket_of(driver, event_id, ticket_id))["inventory_quantity"] == 120
    mixed = [{"message": "The same key…", "code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"}]
    await driver.control.fault("inventoryAdjustQuantities", effect="none", answer="refused", user_errors=mixed)
    assert isinstance((await driver.run("ticket.edit", {"capacity": 130}, event_id, ticket_id)).end, InDoubt)


# ticket.delete


async def test_a_ticket_is_deleted_however_often_it_is_tried(driver):
    event_id, ticket_id = await some_event(driver, "Standing", "VIP")
    await driver.control.fails_before("productVariantsBulkDelete")
    await driver.control.loses_answer("productVariantsBulkDelete")
    run = await driver.run("ticket.delete", {}, event_id, ticket_id)
    assert run.asked == ["ticket_delete", "ticket_delete", "ticket_delete", "ticket_owner"]
    assert run.end == Succeeded(event_id, ticket_id, Whole(event_id))
    assert [one["title"] for one in (await driver.control.product(event_id))["variants"]] == ["VIP"]


async def test_the_last_ticket_stays(driver):
    event_id, ticket_id = await some_event(driver, "Standing")
    run = await driver.run("ticket.delete", {}, event_id, ticket_id)
    assert run.end.error.code == "last_ticket"


async def test_a_ticket_of_another_event_is_not_deleted(driver):
    event_id, _ = await some_event(driver, "Standing", "VIP")
    _, foreign = await some_event(driver, "Other", "Another")
    run = await driver.run("ticket.delete", {}, event_id, foreign)
    assert run.end.error.code == "other_event"
