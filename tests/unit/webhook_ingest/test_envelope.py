"""A webhook in the words of the bus: its body untouched, its id stable."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from webhooks import BODIES, SHOP, headers, spelled

from shared import contracts
from shared.contracts import InventoryLevelChangedV1, Origin, ProductChangedV1, Shape, ShopNoticedV1
from shared.topology import address
from webhook_ingest import agreement, label
from webhook_ingest.envelope import message_id, wrap
from webhook_ingest.topics import TOPICS

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def wrapped(topic, body, **more):
    claims = label.read(headers(body, topic, **more), SHOP, NOW)
    ids = agreement.agree(agreement.parse(body), TOPICS[topic].body, topic, SHOP)
    return wrap(topic, TOPICS[topic], claims, ids, body, NOW)


@pytest.mark.parametrize("topic", TOPICS)
def test_what_is_sent_is_what_is_read_on_the_bus(topic):
    body = spelled(BODIES[topic])
    change = wrapped(topic, body)
    assert contracts.parse(change.headers(), body) == change
    assert change.body == body
    assert change.origin is Origin.WEBHOOK
    assert change.topic == topic
    assert address(change)[0].name == "CHANGES"


def test_each_change_has_its_subject():
    assert wrapped("products/update", spelled(BODIES["products/update"])).subject == "product/8012345678901"
    assert wrapped("inventory_levels/update", spelled(BODIES["inventory_levels/update"])).subject == (
        "inventory_level/49148385/24826418"
    )
    assert wrapped("app/uninstalled", spelled(BODIES["app/uninstalled"])).subject == f"shop/{SHOP}"


def test_the_contract_is_the_topics():
    change = wrapped("products/create", spelled(BODIES["products/create"]))
    assert isinstance(change, ProductChangedV1)
    assert change.shape is Shape.WEBHOOK
    assert isinstance(
        wrapped("inventory_levels/connect", spelled(BODIES["inventory_levels/connect"])), InventoryLevelChangedV1
    )
    assert isinstance(wrapped("shop/redact", spelled(BODIES["shop/redact"])), ShopNoticedV1)


def test_the_trigger_is_the_time_of_receipt_when_shopify_does_not_say():
    body = spelled(BODIES["products/update"])
    assert wrapped("products/update", body, X_Shopify_Triggered_At="?").triggered_at == NOW
    assert wrapped("products/update", body).triggered_at == datetime(2026, 11, 5, 9, 11, 12, 123456, tzinfo=UTC)


def test_a_delivery_that_is_repeated_has_the_same_id():
    claims = label.read(headers(b"a"), SHOP, NOW)
    assert message_id("products/update", claims, b"a") == message_id("products/update", claims, b"a")


def test_a_webhook_id_alone_suppresses_no_other_body():
    claims = label.read(headers(b"a"), SHOP, NOW)
    assert message_id("products/update", claims, b"a") != message_id("products/update", claims, b"b")


def test_without_a_webhook_id_topic_and_trigger_stand_in():
    claims = replace(label.read(headers(b"a"), SHOP, NOW), webhook_id=None)
    other = replace(claims, triggered_at=NOW)
    ids = {
        message_id("products/update", claims, b"a"),
        message_id("products/create", claims, b"a"),
        message_id("products/update", other, b"a"),
        message_id("products/update", replace(claims, triggered_at=None), b"a"),
    }
    assert len(ids) == 4
