"""Commands on events against the simulated Shopify: what they cost, what they leave behind, and lost answers."""

import pytest
from procedure_driver import Driver, driving
from shop_control import metafield

from shared.shopify.errors import ShopifyRefused
from writer.procedures.steps import Answered, Failed, Gone, InDoubt, Refused, Succeeded, Unknown, Whole

JAZZ = {
    "title": "Jazz Night: Café Zürich 🎷",
    "subtitle": "Live",
    "description_html": "<p>Jazz</p>",
    "category": "music",
    "tags": ["jazz", "late"],
    "starts_at": "2026-12-01T19:00:00Z",
    "timezone": "Europe/Zurich",
    "venue_name": "Blue Hall",
    "tickets": [
        {"name": "Standing", "price": "25.00", "capacity": 100, "max_per_order": 4, "visible": True},
        {"name": "Stream", "price": "5.00", "compare_at_price": "9.00", "type": "online", "sku": "S-1"},
    ],
}


@pytest.fixture(scope="module")
async def one_shop():
    async with driving() as made:
        yield made


@pytest.fixture
async def driver(one_shop):
    return await one_shop.anew()


def fields(product):
    return {f"{one['namespace']}.{one['key']}": one["value"] for one in product["metafields"]}


async def some_event(driver: Driver, title="Jazz", **more):
    return await driver.control.create(title, [{"title": "VIP", "price": "49.00", "quantity": 100}], **more)


# event.create


async def test_an_event_is_created_with_all_its_tickets_by_one_mutation(driver):
    run = await driver.run("event.create", JAZZ, job_id="0199-a")
    event = await driver.control.product(run.end.event_id)
    assert run.asked == ["event_create"]
    assert run.end == Succeeded(event["id"], None, Whole(event["id"]))
    assert (event["handle"], event["status"], event["published_at"]) == ("jazz-night-cafe-zurich", "draft", None)
    assert (event["title"], event["body_html"], event["tags"]) == (JAZZ["title"], "<p>Jazz</p>", ["jazz", "late"])
    assert fields(event) == {
        "event.subtitle": "Live",
        "event.category": "music",
        "event.starts_at": "2026-12-01T19:00:00+00:00",
        "event.timezone": "Europe/Zurich",
        "event.venue_name": "Blue Hall",
        "understudy.job": "0199-a",
    }
    standing, stream = event["variants"]
    assert event["options"] == [{"name": "Ticket", "values": ["Standing", "Stream"]}]
    assert (standing["title"], standing["price"], standing["tracked"]) == ("Standing", "25.00", True)
    assert [(one["location_id"], one["available"]) for one in standing["levels"]] == [(driver.shop.location_id, 100)]
    assert fields(standing) == {"ticket.capacity": "100", "ticket.max_per_order": "4", "ticket.visible": "true"}
    assert (stream["tracked"], stream["compare_at_price"], stream["sku"]) == (False, "9.00", "S-1")
    assert fields(stream) == {"ticket.type": "online"}


async def test_an_active_event_is_published_too(driver):
    run = await driver.run("event.create", {"title": "Jazz", "status": "active"})
    event = await driver.control.product(run.end.event_id)
    assert run.asked == ["event_create", "publication_create"]
    assert event["status"] == "active"
    assert event["published_at"] is not None
    assert [one["title"] for one in event["variants"]] == ["Default Title"]


async def test_a_taken_handle_that_nobody_asked_for_gives_way_to_another(driver):
    await some_event(driver, handle="jazz")
    run = await driver.run("event.create", {"title": "Jazz"}, job_id="0199-abcdef123456")
    assert (await driver.control.product(run.end.event_id))["handle"] == "jazz-abcdef123456"
    assert run.asked == ["event_create", "event_by_handle", "event_create"]


async def test_a_title_without_letters_gets_a_handle_from_its_job(driver):
    run = await driver.run("event.create", {"title": "🎷🎷"}, job_id="0199-abcdef123456")
    assert (await driver.control.product(run.end.event_id))["handle"] == "event-abcdef123456"


async def test_a_taken_handle_that_was_asked_for_fails(driver):
    await some_event(driver, handle="jazz")
    run = await driver.run("event.create", {"title": "Jazz", "handle": "jazz"})
    assert isinstance(run.end, Failed)
    assert (run.end.error.code, run.end.error.errors[0].pointer) == ("handle_taken", "#/handle")
    assert len(await driver.control.truth()) == 1


@pytest.mark.parametrize("asked", [{}, {"handle": "jazz"}])
async def test_a_creation_whose_answer_was_lost_is_recognised(driver, asked):
    await driver.control.loses_answer("productSet")
    run = await driver.run("event.create", {"title": "Jazz", **asked})
    assert isinstance(run.end, Succeeded)
    assert run.asked == ["event_create", "event_by_handle"]
    assert [event["id"] for event in await driver.control.truth()] == [run.end.event_id]


@pytest.mark.parametrize("asked", [{}, {"handle": "jazz"}])
async def test_a_creation_that_shopify_answers_twice_is_recognised(driver, asked):
    """The second time is refused, because the first one has the handle."""
    await driver.control.fault("productSet", effect="twice")
    run = await driver.run("event.create", {"title": "Jazz", **asked})
    assert isinstance(run.end, Succeeded)
    assert run.asked == ["event_create", "event_by_handle"]
    assert [event["id"] for event in await driver.control.truth()] == [run.end.event_id]


@pytest.mark.parametrize("asked", [{}, {"handle": "jazz"}])
async def test_a_creation_that_never_happened_is_repeated(driver, asked):
    await driver.control.fails_before("productSet", times=3)
    run = await driver.run("event.create", {"title": "Jazz", **asked})
    assert run.asked == ["event_create", "event_by_handle"] * 3 + ["event_create"]
    assert [event["handle"] for event in await driver.control.truth()] == ["jazz"]


async def test_a_repetition_that_finds_its_handle_taken_by_itself_looks_whose_it_is(driver):
    """The read found nothing, and the first one took effect after all: the handle keeps a second one out."""

    asked = []

    async def in_between(step):
        asked.append(getattr(step, "document", ""))
        if asked == ["event_create", "event_by_handle", "event_create"]:
            await driver.control.create("Jazz", handle="jazz", metafields=[metafield("understudy.job", "0199-a")])

    driver.before = in_between
    await driver.control.fails_before("productSet")
    run = await driver.run("event.create", {"title": "Jazz"}, job_id="0199-a")
    assert run.asked == ["event_create", "event_by_handle"] * 2
    assert isinstance(run.end, Succeeded)
    assert len(await driver.control.truth()) == 1


async def test_a_lost_creation_under_somebody_elses_handle_takes_the_next(driver):
    await some_event(driver, handle="jazz")
    await driver.control.fails_before("productSet")
    run = await driver.run("event.create", {"title": "Jazz"}, job_id="0199-abcdef123456")
    assert run.asked == ["event_create", "event_by_handle", "event_create"]
    assert (await driver.control.product(run.end.event_id))["handle"] == "jazz-abcdef123456"


async def test_what_shopify_says_about_a_ticket_points_into_the_command(driver):
    tickets = [{"name": "A", "price": "1.00"}, {"name": "B", "price": "-1.00", "type": "a\nb"}]
    run = await driver.run("event.create", {"title": "Jazz", "subtitle": "ok", "tickets": tickets})
    assert isinstance(run.end, Failed)
    assert {error.pointer for error in run.end.error.errors} == {"#/tickets/1/price", "#/tickets/1/type"}
    assert "Price must be greater than or equal to 0" in {error.message for error in run.end.error.errors}
    twins = [{"name": "A", "price": "1.00"}, {"name": "A", "price": "2.00"}]
    run = await driver.run("event.create", {"title": "Jazz", "tickets": twins})
    assert [error.pointer for error in run.end.error.errors] == ["#/tickets/1"]
    run = await driver.run("event.create", {"title": "Jazz", "venue_city": "a\nb"})
    assert [error.pointer for error in run.end.error.errors] == ["#/venue/city"]
    assert await driver.control.truth() == []


async def test_an_event_that_could_not_be_published_exists_and_says_so(driver):
    driver.shop = type(driver.shop)(driver.shop.location_id, (4711,), "EUR", driver.shop.metafields)
    run = await driver.run("event.create", {"title": "Jazz", "status": "active"})
    (event,) = await driver.control.truth()
    assert isinstance(run.end, Failed)
    assert (run.end.error.code, run.end.event_id, run.end.observation) == (
        "not_published",
        event["id"],
        Whole(event["id"]),
    )


# event.edit


async def test_an_edit_of_plain_fields_costs_ten_and_answers_with_the_event(driver):
    event = await some_event(driver)
    run = await driver.run("event.edit", {"title": "Blues", "tags": None, "description_html": None}, event["id"])
    now = await driver.control.product(event["id"])
    assert (run.asked, run.cost) == (["event_edit"], 10)
    assert isinstance(run.end.observation, Answered)
    assert run.end.observation.seen_at == run.writes[0].sent_at
    assert (run.end.observation.node["title"], run.end.observation.node["tags"]) == ("Blues", [])
    assert (now["title"], now["tags"], now["body_html"]) == ("Blues", [], "")


async def test_an_edit_of_metafields_answers_with_all_of_them(driver):
    event = await some_event(driver, metafields=[metafield("event.organizer", "Blue Hall")])
    run = await driver.run("event.edit", {"title": "Blues", "subtitle": "Late"}, event["id"])
    assert run.asked == ["event_metafields_edit"]
    assert run.cost < 17
    told = {one["key"]: one["value"] for one in run.end.observation.node["metafields"]["nodes"]}
    assert told == {"organizer": "Blue Hall", "subtitle": "Late"}


async def test_an_event_with_more_metafields_than_an_answer_holds_is_to_be_read(driver):
    more = [metafield(f"event.more_{n}", "x") for n in range(20)]
    event = await some_event(driver, metafields=more)
    run = await driver.run("event.edit", {"subtitle": "Late"}, event["id"])
    assert run.end.observation == Whole(event["id"])


@pytest.mark.parametrize("more", [{}, {"title": "Blues", "organizer": "City"}])
async def test_null_clears_a_field(driver, more):
    event = await some_event(driver, metafields=[metafield("event.subtitle", "Old"), metafield("event.category", "x")])
    run = await driver.run("event.edit", {"subtitle": None, **more}, event["id"])
    now = await driver.control.product(event["id"])
    assert run.asked == [*(["event_edit"] if more else []), "metafields_delete", "event_state"]
    assert fields(now) == {"event.category": "x"} | ({"event.organizer": "City"} if more else {})
    told = {one["key"] for one in run.end.observation.node["metafields"]["nodes"]}
    assert told == {"category"} | ({"organizer"} if more else set())


async def test_an_edit_that_is_refused_changes_nothing(driver):
    await some_event(driver, "Other", handle="taken")
    event = await some_event(driver, metafields=[metafield("event.subtitle", "Old")])
    run = await driver.run("event.edit", {"handle": "taken", "title": "Blues", "subtitle": None}, event["id"])
    assert [(error.pointer, error.message) for error in run.end.error.errors] == [
        ("#/handle", "Handle 'taken' already in use. Please provide a new handle.")
    ]
    assert await driver.control.product(event["id"]) == event


@pytest.mark.parametrize("command", [{"title": "Blues"}, {"subtitle": "x"}, {"subtitle": None}])
async def test_an_event_that_is_gone_cannot_be_edited(driver, command):
    event = await some_event(driver)
    await driver.control.delete(event["id"])
    run = await driver.run("event.edit", command, event["id"])
    assert (type(run.end), run.end.error.code) == (Failed, "gone")


EDITS = [
    {"title": "Blues", "tags": ["b", "a"], "handle": "blues"},
    {"title": "Blues", "starts_at": "2026-12-01T19:00:00Z", "venue_city": "Bern"},
    {"subtitle": None},
    {"title": "Blues", "organizer": "City", "subtitle": None},
]


@pytest.mark.parametrize("command", EDITS)
async def test_an_edit_whose_answer_was_lost_is_not_sent_twice(driver, command):
    event = await some_event(driver, metafields=[metafield("event.subtitle", "Old")])
    calm = await driver.run("event.edit", command, event["id"])
    await driver.control.edit(event["id"], title="Jazz", metafields=[metafield("event.subtitle", "Old")])
    await driver.control.loses_answer(times=1)
    await driver.control.loses_answer("metafieldsDelete", times=1)
    run = await driver.run("event.edit", command, event["id"])
    assert isinstance(run.end, Succeeded)
    assert isinstance(run.end.observation, Answered)
    assert len(run.writes) == len(calm.writes)
    assert any(isinstance(write.outcome, Unknown) for write in run.writes)


@pytest.mark.parametrize("command", EDITS)
async def test_an_edit_that_never_arrived_is_sent_again(driver, command):
    event = await some_event(driver, metafields=[metafield("event.subtitle", "Old")])
    calm = await driver.run("event.edit", command, event["id"])
    wanted = fields(await driver.control.product(event["id"]))
    await driver.control.edit(
        event["id"],
        title="Jazz",
        tags=[],
        metafields=[metafield("event.subtitle", "Old"), metafield("event.venue_city", None)],
    )
    await driver.control.fails_before(times=2)
    run = await driver.run("event.edit", command, event["id"])
    assert isinstance(run.end, Succeeded)
    assert len(run.writes) == len(calm.writes) + 2
    assert fields(await driver.control.product(event["id"])) == wanted


# status


async def test_publishing_is_one_request_that_makes_it_active_and_visible(driver):
    event = await some_event(driver, status="draft", published=False)
    run = await driver.run("event.publish", {}, event["id"])
    now = await driver.control.product(event["id"])
    assert (run.asked, run.cost) == (["event_and_publication_edit"], 20)
    assert now["status"] == "active"
    assert now["published_at"] is not None
    assert run.end.observation.node["status"] == "ACTIVE"
    assert run.end.observation.node["publishedAt"] is not None


async def test_a_status_that_was_set_without_its_publications_is_refused_and_looked_at(driver):
    """The second field is denied, and the first one is done."""
    event = await some_event(driver, status="draft", published=False)
    scopes = await driver.control.scopes()
    await driver.control.grant(*(scope for scope in scopes if scope != "write_publications"))
    try:
        run = await driver.run("event.publish", {}, event["id"])
        both = run.writes[0].variables
        only = {name: value for name, value in both.items() if name != "product"}
        with pytest.raises(ShopifyRefused) as caught:
            await driver.client.execute("event_and_publication_edit", both)
        with pytest.raises(ShopifyRefused) as all_of_it:
            await driver.client.execute("publication_create", only)
    finally:
        await driver.control.grant(*scopes)
    assert (caught.value.code, caught.value.partial, all_of_it.value.partial) == ("ACCESS_DENIED", True, False)
    assert (type(run.end), run.end.error.code, run.end.observation) == (Failed, "refused", Whole(event["id"]))
    assert (await driver.control.product(event["id"]))["status"] == "active"


@pytest.mark.parametrize(("kind", "status"), [("event.unpublish", "draft"), ("event.archive", "archived")])
async def test_taking_it_back_is_a_status_and_nothing_else(driver, kind, status):
    event = await some_event(driver)
    run = await driver.run(kind, {}, event["id"])
    assert (run.asked, run.cost) == (["event_edit"], 10)
    assert (await driver.control.product(event["id"]))["status"] == status
    assert run.end.observation.node["status"] == status.upper()


@pytest.mark.parametrize("kind", ["event.publish", "event.unpublish", "event.archive"])
async def test_a_status_is_set_whatever_becomes_of_the_answers(driver, kind):
    event = await some_event(driver, status="unlisted", published=False)
    await driver.control.fails_before()
    await driver.control.loses_answer()
    run = await driver.run(kind, {}, event["id"])
    assert isinstance(run.end, Succeeded)
    assert await driver.effects("productUpdate") == 1
    await driver.control.delete(event["id"])
    assert (await driver.run(kind, {}, event["id"])).end.error.code == "gone"


# event.delete


async def test_deleting_is_done_however_often_it_is_tried(driver):
    event = await some_event(driver)
    await driver.control.fails_before("productDelete")
    await driver.control.loses_answer("productDelete")
    run = await driver.run("event.delete", {}, event["id"])
    assert run.end == Succeeded(event["id"], None, Gone(event["id"]))
    assert [type(write.outcome) for write in run.writes] == [Unknown, Unknown, Refused]
    assert await driver.control.truth() == []
    again = await driver.run("event.delete", {}, event["id"])
    assert again.end == run.end


async def test_an_answer_that_is_none_is_in_doubt_only_after_something_was_written(driver):
    event = await some_event(driver)
    run = await driver.run("event.edit", {"title": "Blues"}, event["id"])
    odd = [
        type(write)(0, write.document, write.variables, type(write.outcome)({}), write.sent_at) for write in run.writes
    ]
    again = await driver.run("event.edit", {"title": "Blues"}, event["id"], writes=odd)
    assert isinstance(again.end, InDoubt)
    assert "event_edit" in again.end.reason
