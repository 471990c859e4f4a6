"""Changes come in, events go out: decide, do, say."""

from datetime import UTC, datetime
from typing import Annotated

import structlog
from faststream import Context
from faststream.nats import NatsMessage, NatsRouter

from shared.contracts import (
    Change,
    InventoryItemChangedV1,
    InventoryLevelChangedV1,
    Origin,
    ProductChangedV1,
    ProductDeletedV1,
    Shape,
    ShopNoticedV1,
    UnknownContract,
    parse,
)
from shared.topology import SYNCER_CHANGES
from syncer import changes, metrics
from syncer.announcer import Announcer
from syncer.loops import Loop
from syncer.store import Projected, Store
from syncer.webhook_payloads import MalformedPayload

log = structlog.get_logger()

router = NatsRouter()


@router.subscriber(**SYNCER_CHANGES.subscription(), no_reply=True)  # type: ignore[untyped-decorator]
async def on_change(
    message: NatsMessage,
    store: Annotated[Store, Context()],
    announcer: Annotated[Announcer, Context()],
    refetches: Annotated[Loop, Context()],
) -> None:
    change = parse(message.headers, message.body)
    if not isinstance(change, Change):
        raise UnknownContract(f"{change.TYPE} is no change")
    kind = change.TYPE.split(".")[1]
    with metrics.PROJECT_SECONDS.labels(kind).time():
        projected = await project(change, store)
    redelivered = message.raw_message.metadata.num_delivered > 1
    if redelivered and not projected.changed:
        # It may have died between the commit and the announcement: say what stands once more.
        projected = await store.standing(projected.event_id) or projected
    if projected.changed:
        await announcer.announce(projected, change)
        metrics.VISIBLE_SECONDS.observe(max(0.0, (datetime.now(UTC) - change.time).total_seconds()))
    if projected.refetch is not None:
        refetches.wake()
    metrics.CHANGES.labels(kind, change.origin, projected.outcome).inc()
    log.info(
        "change.projected",
        kind=kind,
        origin=change.origin,
        event_id=projected.event_id,
        outcome=projected.outcome,
        revision=projected.revision,
        refetch=projected.refetch,
        topic=change.topic,
        change=change.id,
    )


async def project(change: Change, store: Store) -> Projected:
    """Carry one change into the tables.

    Raises:
        MalformedPayload: the body does not fit; what it is about is read from Shopify instead.
        PostgresUnavailable, PostgresBusy: nothing was written.
    """
    match change:
        case ProductChangedV1():
            try:
                return await store.project_product(changes.sighting(change, store.rules))
            except MalformedPayload:
                if change.shape is Shape.WEBHOOK:
                    await store.want_product(change.product_id, "malformed", change.triggered_at)
                raise
        case ProductDeletedV1(origin=Origin.WEBHOOK):
            return await store.delete_product(change.product_id, changes.burial(change))
        case ProductDeletedV1():
            return await store.lose_product(change.product_id, change.triggered_at)
        case InventoryLevelChangedV1():
            try:
                level = changes.level(change)
            except MalformedPayload:
                await store.want_item(change.inventory_item_id, "malformed", change.triggered_at)
                raise
            return await store.project_level(change.inventory_item_id, level, change.triggered_at)
        case InventoryItemChangedV1():
            return await store.want_item(change.inventory_item_id, "item edited", change.triggered_at)
        case ShopNoticedV1():
            log.warning("shop.noticed", topic=change.topic, shop=change.shop)
            return Projected(0, "noticed")
    raise UnknownContract(f"{change.TYPE} has no handler")
