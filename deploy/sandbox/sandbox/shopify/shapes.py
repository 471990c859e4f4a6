"""What a shop is made of: plain records, no behaviour beyond sums over themselves.

Times are aware UTC in whole seconds, as Shopify keeps `updated_at`. Money is `Decimal`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

MetafieldKey = tuple[str, str]  # namespace, key

ON_HAND_PARTS = ("available", "committed", "reserved", "damaged", "safety_stock", "quality_control")
ADJUSTABLE = ("available", "damaged", "incoming", "quality_control", "reserved", "safety_stock")


@dataclass(slots=True)
class Metafield:
    id: int
    namespace: str
    key: str
    type: str
    value: str
    owner: "Product | Variant"
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True)
class OptionValue:
    id: int
    name: str


@dataclass(slots=True)
class Option:
    id: int
    name: str
    position: int
    values: list[OptionValue]


@dataclass(slots=True)
class Image:
    id: int
    url: str
    alt: str | None
    width: int
    height: int
    created_at: datetime


@dataclass(slots=True)
class Level:
    """Stock of one item at one location."""

    id: int
    item: "InventoryItem"
    location: "Location"
    quantities: dict[str, int]
    created_at: datetime
    updated_at: datetime
    active: bool = True

    def quantity(self, name: str) -> int:
        if name == "on_hand":
            return sum(self.quantities.get(part, 0) for part in ON_HAND_PARTS)
        return self.quantities.get(name, 0)


@dataclass(slots=True)
class InventoryItem:
    id: int
    variant: "Variant"
    sku: str | None
    tracked: bool
    requires_shipping: bool
    cost: Decimal | None
    created_at: datetime
    updated_at: datetime
    levels: dict[int, Level] = field(default_factory=dict)  # by location id

    @property
    def active_levels(self) -> list[Level]:
        return [level for level in self.levels.values() if level.active]


@dataclass(slots=True)
class Variant:
    id: int
    product: "Product"
    item: InventoryItem = field(init=False)
    option_values: list[str]
    price: Decimal
    compare_at_price: Decimal | None
    barcode: str | None
    inventory_policy: str  # DENY | CONTINUE
    taxable: bool
    position: int
    created_at: datetime
    updated_at: datetime
    metafields: dict[MetafieldKey, Metafield] = field(default_factory=dict)
    old_quantity: int = 0

    @property
    def title(self) -> str:
        return " / ".join(self.option_values)

    @property
    def quantity(self) -> int:
        return sum(level.quantity("available") for level in self.item.active_levels)

    @property
    def for_sale(self) -> bool:
        return not self.item.tracked or self.inventory_policy == "CONTINUE" or self.quantity > 0


@dataclass(slots=True)
class Product:
    id: int
    handle: str
    title: str
    body_html: str
    vendor: str
    product_type: str
    status: str  # ACTIVE | ARCHIVED | DRAFT | UNLISTED
    tags: list[str]
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None = None
    template_suffix: str | None = None
    seo_title: str | None = None
    seo_description: str | None = None
    options: list[Option] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    metafields: dict[MetafieldKey, Metafield] = field(default_factory=dict)
    publications: set[int] = field(default_factory=set)

    @property
    def total_inventory(self) -> int:
        return sum(variant.quantity for variant in self.variants if variant.item.tracked)


@dataclass(slots=True)
class Location:
    id: int
    name: str
    created_at: datetime
    updated_at: datetime
    city: str | None = None
    country_code: str | None = None
    active: bool = True


@dataclass(slots=True)
class Publication:
    id: int
    name: str
    auto_publish: bool = False


@dataclass(slots=True)
class Definition:
    """What a metafield should be, for one kind of owner."""

    id: int
    owner_type: str  # PRODUCT | PRODUCTVARIANT
    namespace: str
    key: str
    type: str
    name: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What `events(query: "action:destroy")` remembers of a product."""

    id: int
    product_id: int
    title: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ShopIdentity:
    """Who the shop is. `offset_minutes` is its UTC offset: webhooks print their times in it."""

    name: str
    domain: str
    currency: str
    timezone: str
    offset_minutes: int
