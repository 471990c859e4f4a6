"""The state of one shop, in memory: what there is, what was done to it, and who must be told. No I/O.

Every change happens inside an `Action`, which collects what it touched. When the action ends, the products it touched
get one new `updated_at`, one journal entry is written, and each happening is told once to the listener, all with one
event id: one merchant action, as Shopify's `X-Shopify-Event-Id` has it.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sandbox.shopify.gids import Numbers
from sandbox.shopify.shapes import (
    Definition,
    Destroyed,
    InventoryItem,
    Level,
    Location,
    Product,
    Publication,
    ShopIdentity,
    Variant,
)

Clock = Callable[[], datetime]

JOURNAL_LENGTH = 50_000  # entries, some 1 KB each; the oldest go first
DESTROYED_LENGTH = 100_000


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing to tell subscribers: a topic, what it is about, and when, with the clock's full precision."""

    topic: str  # PRODUCTS_UPDATE
    subject: Any
    event_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Admission:
    """When a request of the app was let in. `number` counts them in that order, whenever they took effect."""

    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One call: `at` is when it took effect. A request that was carried out twice has two, with one `admission`."""

    sequence: int
    at: datetime
    origin: str  # admin | control | traffic | seed
    action: str
    input: Any
    effects: list[str]
    user_errors: list[dict[str, Any]]
    admission: Admission | None = None  # of the app's own calls


@dataclass(slots=True)
class Rules:
    """What Shopify leaves undecided about effects; see docs/shopify.md 7. Changed at run time by the knobs."""

    inventory_bumps_product: bool = True
    metafields_bump_product: bool = True
    no_op_update_fires: bool = False
    stale_total_seconds: float = 0


@dataclass(slots=True)
class Action:
    """What one call did. Effects are added by `catalogue` and `stock`."""

    shop: "Shop"
    name: str
    origin: str
    input: Any
    now: datetime  # whole seconds
    admission: Admission | None = None
    created: dict[int, Product] = field(default_factory=dict)
    touched: dict[int, Product] = field(default_factory=dict)
    told: dict[tuple[str, Any], Any] = field(default_factory=dict)
    effects: list[str] = field(default_factory=list)
    user_errors: list[dict[str, Any]] = field(default_factory=list)

    def touch(self, product: Product) -> None:
        self.touched[product.id] = product

    def tell(self, topic: str, key: Any, subject: Any) -> None:
        """Say it once at the end, however often it happened in this action."""
        self.told[topic, key] = subject

    def did(self, effect: str) -> None:
        self.effects.append(effect)


class Shop:
    def __init__(self, identity: ShopIdentity, clock: Clock, listener: Callable[[Happening], None]) -> None:
        self.identity = identity
        self.rules = Rules()
        self.numbers = Numbers()
        self.products: dict[int, Product] = {}
        self.handles: dict[str, int] = {}
        self.variants: dict[int, Variant] = {}
        self.items: dict[int, InventoryItem] = {}
        self.levels: dict[int, Level] = {}
        self.locations: dict[int, Location] = {}
        self.publications: dict[int, Publication] = {}
        self.definitions: dict[int, Definition] = {}
        self.destroyed: deque[Destroyed] = deque(maxlen=DESTROYED_LENGTH)
        self.journal: deque[JournalEntry] = deque(maxlen=JOURNAL_LENGTH)
        self.created_at = clock().replace(microsecond=0)
        self._clock = clock
        self._listener = listener
        self.entries = 0  # ever journalled
        self.forgotten = 0  # the last entry that the journal had no more room for
        self.followers: list[Callable[[Action], None]] = []
        self._old_totals: dict[int, tuple[int, datetime]] = {}  # by product: what totalInventory still says, until when

    def now(self) -> datetime:
        """The clock in whole seconds: two edits in one second share it."""
        return self._clock().replace(microsecond=0)

    def moment(self) -> datetime:
        """The clock with all it has."""
        return self._clock()

    @contextmanager
    def action(
        self,
        name: str,
        origin: str,
        input: Any = None,  # noqa: A002 - GraphQL's word
        admission: Admission | None = None,
    ) -> Iterator[Action]:
        """Collect one call's effects; an exception inside means that nothing is said, so refuse before changing."""
        action = Action(shop=self, name=name, origin=origin, input=input, now=self.now(), admission=admission)
        yield action
        for product in action.touched.values():
            product.updated_at = max(product.updated_at, action.now)
        self._record(action)
        self._tell(action)
        for follow in self.followers:
            follow(action)

    def _record(self, action: Action) -> None:
        self.entries += 1
        if len(self.journal) == self.journal.maxlen:
            self.forgotten = self.journal[0].sequence
        self.journal.append(
            JournalEntry(
                sequence=self.entries,
                at=self._clock(),
                origin=action.origin,
                action=action.name,
                input=action.input,
                effects=action.effects,
                user_errors=action.user_errors,
                admission=action.admission,
            )
        )

    def _tell(self, action: Action) -> None:
        event_id, at = str(uuid4()), self._clock()
        for product in action.created.values():
            self._listener(Happening("PRODUCTS_CREATE", product, event_id, at))
        for (topic, _), subject in action.told.items():
            self._listener(Happening(topic, subject, event_id, at))
        for number, product in action.touched.items():
            if number in self.products and number not in action.created:
                self._listener(Happening("PRODUCTS_UPDATE", product, event_id, at))

    def announce(self, topic: str, subject: Any) -> None:
        """Tell of something that nobody did to the shop: the end of a bulk operation."""
        self._listener(Happening(topic, subject, str(uuid4()), self._clock()))

    # The stale total (docs/shopify.md 2.6)

    def before_stock_changes(self, product: Product) -> None:
        """Remember what totalInventory goes on saying for a while."""
        if not self.rules.stale_total_seconds:
            return
        now = self._clock()
        if product.id not in self._old_totals or self._old_totals[product.id][1] <= now:
            until = now + timedelta(seconds=self.rules.stale_total_seconds)
            self._old_totals[product.id] = product.total_inventory, until

    def total_inventory(self, product: Product) -> int:
        old, until = self._old_totals.get(product.id, (0, self.created_at))
        if until > self._clock():
            return old
        self._old_totals.pop(product.id, None)
        return product.total_inventory

    # Places

    def add_location(self, name: str, city: str | None = None, country_code: str | None = None) -> Location:
        now = self.now()
        location = Location(self.numbers.next("Location"), name, now, now, city, country_code)
        self.locations[location.id] = location
        return location

    def add_publication(self, name: str) -> Publication:
        publication = Publication(self.numbers.next("Publication"), name)
        self.publications[publication.id] = publication
        return publication

    @property
    def default_location(self) -> Location:
        """Where new variants are stocked.

        Raises:
            StopIteration: the shop has no active location; seeding makes one.

        """
        return next(location for location in self.locations.values() if location.active)
