"""What Shopify said of a product, in one shape for webhooks and reads. Pure.

A field that is None was not said: a webhook leaves out the metafields of variants, whether stock is tracked, and
perhaps variants. `merge` carries those over from what was known; `missing` says what has to be read.

An answer of one of our mutations says still less: it is kept beside what was known, laid over it for readers (`shown`),
until the rest has caught up with it. So nothing that only the rest says is ever taken for newer than it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

MAX_ID = 2**63 - 1  # of a bigint; JavaScript's 2**53 is no limit here

Id = Annotated[int, Field(gt=0, le=MAX_ID)]
Integer = Annotated[int, Field(ge=-(2**31), lt=2**31)]  # what the columns hold, and GraphQL's Int
Text = Annotated[str, AfterValidator(lambda text: text.replace("\x00", ""))]  # PostgreSQL stores no NUL
Money = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=3)]
Metafields = Mapping[str, str]  # "event.subtitle" -> value
Status = Literal["active", "draft", "archived", "unlisted"]


class SourceVersion(NamedTuple):
    """How new a change is by Shopify's clock. Compares like the array it is stored as.

    `updated_at` has whole seconds. `seen_at` is the moment the webhook was triggered, or our read began.
    """

    updated_at: datetime
    seen_at: datetime


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Image(Frozen):
    url: Text
    alt: Text | None


class Level(NamedTuple):
    """The stock of one item at one location. Made of what was validated at the door, ten of them for each product."""

    location_id: int
    available: int | None
    updated_at: datetime
    committed: int | None = None
    on_hand: int | None = None


class Variant(Frozen):
    id: Id
    title: Text
    sku: Text | None
    price: Money
    compare_at_price: Money | None
    position: Integer
    oversells: bool  # Shopify goes on selling at zero
    inventory_item_id: Id | None
    inventory_quantity: Integer | None
    updated_at: AwareDatetime | None
    tracked: bool | None
    metafields: Metafields | None
    whole_at: AwareDatetime | None  # the `updated_at` at which nothing of it was missing
    early: bool = False  # read before the second of its `updated_at` was over: what came later in it is unseen


class Answer(Frozen):
    """What a mutation of ours answered of a product. `seen_at`: when it left; `metafields` None: not said."""

    handle: Text
    title: Text
    description_html: Text
    status: Status
    product_type: Text
    tags: tuple[Text, ...]
    created_at: AwareDatetime | None
    updated_at: AwareDatetime
    metafields: Metafields | None
    seen_at: AwareDatetime

    @property
    def version(self) -> SourceVersion:
        return SourceVersion(self.updated_at, self.seen_at)


class Product(Frozen):
    """`answer`: newer than the rest, as far as it goes; its time is not that of the row's source version."""

    id: Id
    handle: Text
    title: Text
    description_html: Text
    status: Status
    product_type: Text
    tags: tuple[Text, ...]
    images: tuple[Image, ...]
    created_at: AwareDatetime | None
    updated_at: AwareDatetime
    metafields: Metafields | None
    variants: tuple[Variant, ...]
    all_variants: Mapping[int, AwareDatetime | None] | None  # every id with its `updated_at`; None: not said
    answer: Answer | None = None


Levels = Mapping[int, tuple[Level, ...]]  # by inventory item


@dataclass(frozen=True)
class Answered:
    """A mutation of ours answered this of a product."""

    product_id: int
    answer: Answer


@dataclass(frozen=True)
class Sighting:
    """A product that was seen; by a read of ours together with the stock of all its items."""

    product: Product
    levels: Levels
    version: SourceVersion
    is_read: bool


def merge(known: Product | None, seen: Product) -> Product:
    """What is known after `seen`: what it says, and of the rest what was known before."""
    if known is None:
        return seen
    before = {variant.id: variant for variant in known.variants}
    variants = [_merge_variant(before.pop(variant.id, None), variant) for variant in seen.variants]
    variants += [_unsaid(variant, seen) for variant in before.values() if _still_holds(variant, seen)]
    metafields = known.metafields if seen.metafields is None else seen.metafields
    return seen.model_copy(
        update={
            "variants": tuple(sorted(variants, key=lambda variant: (variant.position, variant.id))),
            "metafields": metafields,
        }
    )


def _still_holds(variant: Variant, seen: Product) -> bool:
    """Whether a variant that `seen` leaves out is as it was: a body carries the first 100, and the ids of all."""
    if seen.all_variants is None:
        return True
    return variant.id in seen.all_variants and seen.all_variants[variant.id] in (None, variant.updated_at)


def _unsaid(variant: Variant, seen: Product) -> Variant:
    """A variant of which only the id was said may have changed: it is kept, and has to be read."""
    said = seen.all_variants is None or seen.all_variants[variant.id] is not None
    if said and not variant.early:
        return variant
    return variant.model_copy(update={"whole_at": None})


def _merge_variant(known: Variant | None, seen: Variant) -> Variant:
    if known is None or seen.whole_at is not None:
        return seen
    return seen.model_copy(
        update={
            "tracked": known.tracked if seen.tracked is None else seen.tracked,
            "metafields": known.metafields if seen.metafields is None else seen.metafields,
            # Whether stock is tracked is told by inventory_items/update: with its metafields, a variant is whole.
            "whole_at": _whole_at(known, seen),
        }
    )


def _whole_at(known: Variant, seen: Variant) -> datetime | None:
    if seen.metafields is None or known.tracked is None:
        return None if known.early else known.whole_at
    return seen.updated_at


def lay(answer: Answer, product: Product) -> Product:
    """The product with an answer beside it, which takes the place of an earlier one."""
    before = product.answer
    if answer.metafields is None and before is not None:  # what that one said is not unsaid
        answer = answer.model_copy(update={"metafields": before.metafields})
    return product.model_copy(update={"answer": answer})


def shown(product: Product) -> Product:
    """The product as it is with what was answered last."""
    answer = product.answer
    if answer is None:
        return product
    said = {name: getattr(answer, name) for name in Answer.model_fields if name not in ("metafields", "seen_at")}
    metafields = product.metafields if answer.metafields is None else answer.metafields
    return product.model_copy(update={**said, "metafields": metafields, "answer": None})


def only(answered: Answered) -> Product:
    """A product of which nothing was seen yet but an answer: all the rest has to be read."""
    said = answered.answer
    return Product(
        id=answered.product_id,
        **said.model_dump(exclude={"metafields", "seen_at"}),
        metafields=None,
        images=(),
        variants=(),
        all_variants=None,
        answer=said,
    )


def missing(product: Product) -> str | None:
    """What of this product has to be read from Shopify, in a word for the log; None: nothing."""
    if product.metafields is None:
        return "metafields"
    if product.all_variants is None or len(product.variants) < len(product.all_variants):
        return "variants"
    if any(variant.whole_at is None or variant.whole_at != variant.updated_at for variant in product.variants):
        return "tickets"
    return None


def same(known: Product, seen: Product) -> bool:
    """Whether a merged product says what was known already.

    When it was whole is no part of what it says, and stock comes from the levels, which have versions of their own.
    """
    return _content(known) == _content(seen)


def _content(product: Product) -> Product:
    unsaid = {"whole_at": None, "early": False, "inventory_quantity": None}
    variants = tuple(variant.model_copy(update=unsaid) for variant in product.variants)
    return product.model_copy(update={"variants": variants, "all_variants": None, "answer": None})
