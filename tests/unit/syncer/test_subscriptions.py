"""Which webhook subscriptions are made and mended."""

from pydantic import HttpUrl

from syncer.rules import Rules
from syncer.subscriptions import TOPICS, Subscription, plan, wanted

URL = HttpUrl("https://hooks.example/understudy/")
NEEDED = wanted(URL, Rules().namespaces())


def there(subscription, **changed):
    as_listed = {
        "topic": subscription.enum,
        "uri": subscription.uri,
        "namespaces": subscription.namespaces,
        "id": "gid://1",
    }
    return Subscription(**(as_listed | changed))


def test_every_topic_goes_to_its_own_address_below_the_public_one():
    assert {each.topic for each in NEEDED} == set(TOPICS)
    assert NEEDED[0].uri == "https://hooks.example/understudy/webhooks/products/create"
    assert NEEDED[0].enum == "PRODUCTS_CREATE"


def test_only_products_carry_metafields():
    assert {each.topic for each in NEEDED if each.namespaces} == {"products/create", "products/update"}
    assert NEEDED[0].namespaces == {"event", "ticket"}


def test_without_an_address_none_is_registered():
    assert wanted(None, ["event"]) == []


def test_what_is_missing_is_created_and_what_is_there_is_left_alone():
    existing = [there(each) for each in NEEDED[1:]]
    todo = plan(NEEDED, existing)
    assert (todo.create, todo.update) == ((NEEDED[0],), ())
    assert plan(NEEDED, [there(each) for each in NEEDED]) == plan([], [])


def test_one_that_lacks_metafields_is_updated_and_keeps_those_of_others():
    lacking = there(NEEDED[0], namespaces=frozenset({"event", "theirs"}))
    todo = plan(NEEDED[:1], [lacking])
    assert todo.create == ()
    [update] = todo.update
    assert (update.id, update.namespaces) == ("gid://1", {"event", "ticket", "theirs"})


def test_one_that_carries_more_than_we_need_is_left_alone():
    more = there(NEEDED[0], namespaces=NEEDED[0].namespaces | {"theirs"})
    assert plan(NEEDED[:1], [more]).update == ()


def test_one_that_leads_elsewhere_is_somebody_elses():
    elsewhere = there(NEEDED[0], uri="https://other.example/webhooks/products/create")
    assert plan(NEEDED[:1], [elsewhere]).create == (NEEDED[0],)
