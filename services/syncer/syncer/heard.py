"""What a change says, read once at the door: one shape for each thing that can be decided about. Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

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
)
from syncer import changes
from syncer.rules import Rules
from syncer.source import Answered, Level, Sighting, SourceVersion
from syncer.webhook_payloads import MalformedPayload


@dataclass(frozen=True)
class LevelSeen:
    """A webhook saw the stock of one item at one location."""

    item_id: int
    level: Level
    seen_at: datetime


@dataclass(frozen=True)
class Deletion:
    """A webhook says that the product is gone."""

    product_id: int
    version: SourceVersion


@dataclass(frozen=True)
class Absence:
    """A read of ours did not find the product."""

    product_id: int
    seen_at: datetime


@dataclass(frozen=True)
class ItemEdit:
    """Something of an inventory item was edited that no webhook shows: its product must be read."""

    item_id: int
    seen_at: datetime
    reason: str


@dataclass(frozen=True)
class Unreadable:
    """A change that can't be read. `product_id`: of what must be read from Shopify instead, or None."""

    product_id: int | None
    seen_at: datetime


@dataclass(frozen=True)
class Notice:
    """Nothing that is projected."""

    topic: str | None


What = Sighting | Answered | LevelSeen | Deletion | Absence | ItemEdit | Unreadable | Notice


@dataclass(frozen=True)
class Heard:
    """`refused`: the change itself is to be buried, although something is done about it. `job`: whose effect it is."""

    what: What
    origin: Origin
    refused: Exception | None = None
    job: UUID | None = None


def hear(change: Change, rules: Rules) -> Heard:
    """Read a change. One that can't be read asks for a read of Shopify instead; it never raises."""
    try:
        return Heard(_read(change, rules), change.origin, job=_job(change))
    except (MalformedPayload, UnknownContract) as error:
        return Heard(_instead(change), change.origin, error)


def _read(change: Change, rules: Rules) -> What:
    match change:
        case ProductChangedV1(shape=shape):
            return changes.answered(change, rules) if shape is Shape.ANSWER else changes.sighting(change, rules)
        case ProductDeletedV1(origin=Origin.WEBHOOK):
            return Deletion(change.product_id, changes.burial(change))
        case ProductDeletedV1():
            return Absence(change.product_id, change.triggered_at)
        case InventoryLevelChangedV1():
            return LevelSeen(change.inventory_item_id, changes.level(change), change.triggered_at)
        case InventoryItemChangedV1():
            return ItemEdit(change.inventory_item_id, change.triggered_at, "item edited")
        case ShopNoticedV1():
            return Notice(change.topic)
    raise UnknownContract(f"{change.TYPE} has no handler")


def _job(change: Change) -> UUID | None:
    """A cause that is no job of the writer's is nobody's business here."""
    try:
        return UUID(change.caused_by) if change.caused_by else None
    except ValueError:
        return None


def _instead(change: Change) -> What:
    match change:
        case InventoryLevelChangedV1():
            return ItemEdit(change.inventory_item_id, change.triggered_at, "malformed")
        case ProductChangedV1(shape=Shape.WEBHOOK | Shape.ANSWER):
            return Unreadable(change.product_id, change.triggered_at)
    return Unreadable(None, change.triggered_at)
