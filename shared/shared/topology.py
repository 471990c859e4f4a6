"""Every stream, subject and consumer, on one page. `provision` makes them so; services declare nothing.

CHANGES        changes.product.{id}          ->  syncer (durable, shared by its replicas)
               changes.inventory.{item}
               changes.inventory_item.{item}
               changes.shop.{topic}
PROJECTIONS    projections.event.{id}        ->  each read-api process (ephemeral, ordered)
                                                 purger (durable; one replica of the syncer at a time)
                                                 each writer process (core subscription: a wake-up, nothing more)
JOBS           jobs.{job_id}                 ->  each read-api process (ephemeral, ordered)
                                                 each writer process (core subscription)
DEAD_LETTERS   dead.{consumer}.{subject}     ->  `understudy dead`
"""

from dataclasses import dataclass
from datetime import timedelta

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from shared.contracts import (
    Contract,
    EventProjectedV1,
    InventoryItemChangedV1,
    InventoryLevelChangedV1,
    JobChangedV1,
    ProductChangedV1,
    ProductDeletedV1,
    ShopNoticedV1,
)

MEBIBYTE = 1 << 20
MAX_PAYLOAD = 8 * MEBIBYTE  # of the server; a webhook is 5 MB at most, plus headers


@dataclass(frozen=True)
class Stream:
    """What is kept, and how long. When `max_bytes` is reached the oldest goes first: size it for a syncer's outage."""

    name: str
    subjects: tuple[str, ...]
    max_age: timedelta
    max_bytes: int

    def config(self, replicas: int) -> StreamConfig:
        return StreamConfig(
            name=self.name,
            subjects=list(self.subjects),
            max_age=self.max_age.total_seconds(),
            max_bytes=self.max_bytes,
            max_msg_size=MAX_PAYLOAD,
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            duplicate_window=120,  # seconds; later duplicates are absorbed by the guard in SQL
            num_replicas=replicas,
            allow_direct=True,
            allow_atomic=True,  # many messages at once, for one sync of the disk
        )


@dataclass(frozen=True)
class Consumer:
    """A durable reader of a stream, shared by the replicas of one service."""

    stream: Stream
    durable: str
    filter: str
    batch: int  # messages that are handled together at most, by one process
    ack_wait: float  # seconds until the server redelivers what nobody answered
    max_ack_pending: int  # over all replicas: what waits for a redelivery counts, too

    def config(self) -> ConsumerConfig:
        return ConsumerConfig(
            durable_name=self.durable,
            filter_subject=self.filter,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self.ack_wait,
            max_deliver=-1,  # the delivery policy buries; the server must not drop in silence
            max_ack_pending=self.max_ack_pending,
        )


CHANGES = Stream("CHANGES", ("changes.>",), max_age=timedelta(days=7), max_bytes=4096 * MEBIBYTE)
PROJECTIONS = Stream("PROJECTIONS", ("projections.>",), max_age=timedelta(hours=1), max_bytes=256 * MEBIBYTE)
# What was said of a job in a day; who missed more asks the jobs table.
JOBS = Stream("JOBS", ("jobs.>",), max_age=timedelta(days=1), max_bytes=256 * MEBIBYTE)
DEAD_LETTERS = Stream("DEAD_LETTERS", ("dead.>",), max_age=timedelta(days=30), max_bytes=1024 * MEBIBYTE)
STREAMS = (CHANGES, PROJECTIONS, JOBS, DEAD_LETTERS)

# `ack_wait` is what a killed syncer's messages wait; what is held longer is said to be (`consuming.KEEP`).
SYNCER_CHANGES = Consumer(CHANGES, "syncer", "changes.>", batch=1024, ack_wait=6.0, max_ack_pending=20_000)
# What the purger has not acknowledged is what it owes the CDN: a few thousand tags, each borne by one message.
PURGER = Consumer(PROJECTIONS, "purger", "projections.>", batch=512, ack_wait=20.0, max_ack_pending=10_000)
CONSUMERS = (SYNCER_CHANGES, PURGER)


def address(message: Contract) -> tuple[Stream, str]:
    """Where a message is published: its stream and its subject.

    Raises:
        LookupError: the contract has no place on the bus.
    """
    match message:
        case ProductChangedV1() | ProductDeletedV1():
            return CHANGES, f"changes.product.{message.product_id}"
        case InventoryLevelChangedV1():
            return CHANGES, f"changes.inventory.{message.inventory_item_id}"
        case InventoryItemChangedV1():
            return CHANGES, f"changes.inventory_item.{message.inventory_item_id}"
        case ShopNoticedV1():
            return CHANGES, f"changes.shop.{(message.topic or 'unknown').replace('/', '.')}"
        case EventProjectedV1():
            return PROJECTIONS, f"projections.event.{message.event_id}"
        case JobChangedV1():
            return JOBS, f"jobs.{message.job_id}"
    raise LookupError(f"{message.TYPE} has no place on the bus")


def dead_letter_subject(consumer: str, subject: str) -> str:
    """dead.syncer.changes.product.42: who gave up, and on what."""
    return f"dead.{consumer}.{subject}"
