"""The one page that says where everything goes holds together."""

import pytest
from nats.js.api import AckPolicy, DiscardPolicy, RetentionPolicy, StorageType
from products import Product as AProduct
from products import by_webhook, deletion, level

from shared import consuming
from shared.contracts import Contract, InventoryItemChangedV1, Origin, ShopNoticedV1
from shared.topology import (
    CHANGES,
    CONSUMERS,
    DEAD_LETTERS,
    MAX_PAYLOAD,
    PROJECTIONS,
    STREAMS,
    address,
    dead_letter_subject,
)

WEBHOOK_LIMIT = 5 << 20  # bytes


def matches(subject: str, pattern: str) -> bool:
    return pattern.endswith(">") and subject.startswith(pattern[:-1])


def test_no_two_streams_take_one_subject():
    taken = [subject for stream in STREAMS for subject in stream.subjects]
    assert len(set(taken)) == len(taken)
    assert not any(matches(one, other) for one in taken for other in taken if one != other)


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_streams_outlive_a_restart_and_are_bounded(stream):
    config = stream.config(3)
    assert (config.storage, config.retention, config.discard) == (
        StorageType.FILE,
        RetentionPolicy.LIMITS,
        DiscardPolicy.OLD,
    )
    assert config.max_age and config.max_bytes and config.num_replicas == 3  # noqa: PT018 (one sentence)
    assert config.max_msg_size == MAX_PAYLOAD > WEBHOOK_LIMIT
    assert config.allow_atomic, "many messages are stored for one sync of the disk"


def test_streams_keep_what_the_design_says():
    days = {stream.name: stream.max_age.total_seconds() / 86400 for stream in STREAMS}
    assert days == {"CHANGES": 7, "PROJECTIONS": pytest.approx(1 / 24), "JOBS": 1, "DEAD_LETTERS": 30}


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda consumer: consumer.durable)
def test_the_server_never_drops_what_nobody_has_buried(consumer):
    config = consumer.config()
    assert (config.ack_policy, config.max_deliver) == (AckPolicy.EXPLICIT, -1)
    assert config.durable_name == consumer.durable
    assert any(matches(consumer.filter, subject) or consumer.filter == subject for subject in consumer.stream.subjects)


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda consumer: consumer.durable)
def test_a_message_in_hand_is_not_delivered_to_another_though_one_notice_of_it_is_late(consumer):
    """The first notice comes within two rounds of its arrival, and then one each round."""
    assert consumer.ack_wait > 3 * consuming.KEEP


ITEM = InventoryItemChangedV1(**level(1, 0).model_dump(exclude={"location_id", "body"}))
SHOP = ShopNoticedV1(**deletion().model_dump(exclude={"product_id", "body", "topic"}), topic="app/uninstalled")


@pytest.mark.parametrize(
    ("message", "stream", "subject"),
    [
        (by_webhook(AProduct(id=42)), CHANGES, "changes.product.42"),
        (deletion(2**63 - 1), CHANGES, f"changes.product.{2**63 - 1}"),
        (level(1, 0, item=7), CHANGES, "changes.inventory.7"),
        (ITEM.model_copy(update={"inventory_item_id": 7}), CHANGES, "changes.inventory_item.7"),
        (SHOP, CHANGES, "changes.shop.app.uninstalled"),
        (SHOP.model_copy(update={"topic": None}), CHANGES, "changes.shop.unknown"),
    ],
)
def test_every_message_has_its_address(message, stream, subject):
    assert address(message) == (stream, subject)


def test_a_product_and_its_deletion_share_a_subject():
    assert address(by_webhook(AProduct(id=42))) == address(deletion(42, origin=Origin.REFETCH))


def test_a_message_without_a_place_is_not_sent_anywhere():
    class Stray(Contract):
        TYPE = "understudy.stray.v1"

    stray = Stray(**deletion().model_dump(include={"id", "source", "subject", "time"}))
    with pytest.raises(LookupError, match=r"stray\.v1"):
        address(stray)


def test_a_dead_letter_says_who_gave_up_and_on_what():
    subject = dead_letter_subject("syncer", "changes.product.42")
    assert subject == "dead.syncer.changes.product.42"
    assert matches(subject, DEAD_LETTERS.subjects[0])
    assert not matches(subject, PROJECTIONS.subjects[0])
