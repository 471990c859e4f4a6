"""What a change on the bus says of a product, read at the door. Pure."""

from datetime import datetime, timedelta

from shared.contracts import InventoryLevelChangedV1, ProductChangedV1, ProductDeletedV1, Shape
from syncer import graphql_nodes, webhook_payloads
from syncer.rules import Rules
from syncer.source import Answered, Level, Metafields, Product, Sighting, SourceVersion, Variant
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


def answered(change: ProductChangedV1, rules: Rules) -> Answered:
    """What a mutation of ours answered.

    Raises:
        MalformedPayload: as above.
    """
    said = graphql_nodes.answered(change.body, change.triggered_at)
    if said.product_id != change.product_id:
        raise MalformedPayload(f"the change is about product {change.product_id}, its body about {said.product_id}")
    if said.answer.metafields is None:
        return said
    named = _named(said.answer.metafields, frozenset(rules.event_metafields.values()))
    return Answered(said.product_id, said.answer.model_copy(update={"metafields": named}))


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

    def marked(variant: Variant) -> Variant:
        early = variant.updated_at is not None and began < variant.updated_at + SECOND
        return variant if variant.early == early else variant.model_copy(update={"early": early})

    return _with_variants(product, tuple(map(marked, product.variants)))


def _keep_named(product: Product, rules: Rules) -> Product:
    events, tickets = frozenset(rules.event_metafields.values()), frozenset(rules.ticket_metafields.values())

    def kept(variant: Variant) -> Variant:
        if variant.metafields is None or tickets.issuperset(variant.metafields):
            return variant
        return variant.model_copy(update={"metafields": _named(variant.metafields, tickets)})

    with_named = _with_variants(product, tuple(map(kept, product.variants)))
    if product.metafields is None or events.issuperset(product.metafields):
        return with_named
    return with_named.model_copy(update={"metafields": _named(product.metafields, events)})


def _named(metafields: Metafields, names: frozenset[str]) -> Metafields:
    return {name: value for name, value in metafields.items() if name in names}


def _with_variants(product: Product, variants: tuple[Variant, ...]) -> Product:
    """Mostly they are those it has: a copy takes longer than a look."""
    if all(new is old for new, old in zip(variants, product.variants, strict=True)):
        return product
    return product.model_copy(update={"variants": variants})
