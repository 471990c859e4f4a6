"""What a change on the bus says of a product, read at the door. Pure."""

from datetime import datetime, timedelta

from shared.contracts import InventoryLevelChangedV1, ProductChangedV1, ProductDeletedV1, Shape
from syncer import graphql_nodes, webhook_payloads
from syncer.rules import Rules
from syncer.source import Level, Product, Sighting, SourceVersion
from syncer.webhook_payloads import MalformedPayload

SECOND = timedelta(seconds=1)  # the grain of every `updated_at`


def sighting(change: ProductChangedV1, rules: Rules) -> Sighting:
    """Only the metafields that the rules name are kept: a read and a webhook carry different others.

    Raises:
        MalformedPayload: the body is not what its shape says, or speaks of another product.
    """
    is_read = change.shape is Shape.GRAPHQL
    product, levels = graphql_nodes.product(change.body) if is_read else (webhook_payloads.product(change.body), {})
    if product.id != change.product_id:
        raise MalformedPayload(f"the change is about product {change.product_id}, its body about {product.id}")
    version = SourceVersion(product.updated_at, change.triggered_at)
    named = _keep_named(product, rules)
    return Sighting(_mark_early(named, change.triggered_at) if is_read else named, levels, version, is_read)


def burial(change: ProductDeletedV1) -> SourceVersion:
    """A delete has no `updated_at`: it is as new as its trigger."""
    return SourceVersion(change.triggered_at, change.triggered_at)


def level(change: InventoryLevelChangedV1) -> Level:
    """The stock that a webhook saw.

    Raises:
        MalformedPayload: as above, for an inventory item.
    """
    item_id, seen = webhook_payloads.level(change.body, change.triggered_at)
    if item_id != change.inventory_item_id:
        raise MalformedPayload(f"the change is about item {change.inventory_item_id}, its body about {item_id}")
    return seen


def _mark_early(product: Product, began: datetime) -> Product:
    """Another edit in the second in which we read leaves the `updated_at` as it is: so it can't be told by that."""
    variants = tuple(
        variant.model_copy(update={"early": variant.updated_at is not None and began < variant.updated_at + SECOND})
        for variant in product.variants
    )
    return product.model_copy(update={"variants": variants})


def _keep_named(product: Product, rules: Rules) -> Product:
    events, tickets = set(rules.event_metafields.values()), set(rules.ticket_metafields.values())
    variants = tuple(
        variant
        if variant.metafields is None
        else variant.model_copy(update={"metafields": {k: v for k, v in variant.metafields.items() if k in tickets}})
        for variant in product.variants
    )
    metafields = product.metafields
    if metafields is not None:
        metafields = {name: value for name, value in metafields.items() if name in events}
    return product.model_copy(update={"variants": variants, "metafields": metafields})
