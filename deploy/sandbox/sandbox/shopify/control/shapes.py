"""What the control API takes: shapes only."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Json = dict[str, Any]
Status = Annotated[str, BeforeValidator(str.upper), Field(pattern="^(ACTIVE|ARCHIVED|DRAFT|UNLISTED)$")]
Policy = Annotated[str, BeforeValidator(str.upper), Field(pattern="^(DENY|CONTINUE)$")]
Amount = Annotated[Decimal, Field(ge=0, lt=10**18)]


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MetafieldIn(Input):
    """`value: null` deletes it."""

    namespace: str
    key: str
    value: str | None
    type: str = "single_line_text_field"


class ImageIn(Input):
    url: str
    alt: str | None = None


class VariantIn(Input):
    """`quantity` is stock at the default location, `quantities` by location id."""

    title: str
    price: Amount = Decimal(0)
    compare_at_price: Amount | None = None
    sku: str | None = None
    barcode: str | None = None
    inventory_policy: Policy = "DENY"
    tracked: bool = True
    quantity: int | None = None
    quantities: dict[int, int] | None = None
    metafields: list[MetafieldIn] = []


class ProductIn(Input):
    title: str
    handle: str | None = None
    body_html: str = ""
    vendor: str | None = None
    product_type: str = ""
    status: Status = "ACTIVE"
    tags: list[str] = []
    published: bool = True
    images: list[ImageIn] = []
    metafields: list[MetafieldIn] = []
    variants: list[VariantIn] = []


class VariantEdit(Input):
    id: int
    title: str | None = None
    price: Amount | None = None
    compare_at_price: Amount | None = None
    sku: str | None = None
    barcode: str | None = None
    inventory_policy: Policy | None = None
    tracked: bool | None = None
    metafields: list[MetafieldIn] = []


class ProductEdit(Input):
    title: str | None = None
    handle: str | None = None
    body_html: str | None = None
    vendor: str | None = None
    product_type: str | None = None
    status: Status | None = None
    tags: list[str] | None = None
    published: bool | None = None
    images: list[ImageIn] | None = None
    metafields: list[MetafieldIn] = []
    variants: list[VariantEdit] = []


class Sale(Input):
    variant_id: int
    quantity: Annotated[int, Field(gt=0)] = 1
    location_id: int | None = None


class Stocking(Input):
    """One of `variant_id` and `inventory_item_id`; `available: null` unstocks the item at the location."""

    variant_id: int | None = None
    inventory_item_id: int | None = None
    location_id: int | None = None
    available: int | None


class LocationIn(Input):
    name: str
    city: str | None = None
    country_code: str | None = None


class LocationEdit(Input):
    """Closing a location unstocks everything there."""

    active: bool


class ScopesIn(Input):
    """`write_products` includes `read_products`."""

    scopes: list[str]


class DefinitionIn(Input):
    owner_type: Annotated[str, Field(pattern="^(PRODUCT|PRODUCTVARIANT)$")]
    namespace: str
    key: str
    type: str = "single_line_text_field"
    name: str | None = None


class TrafficIn(Input):
    edits_per_second: Annotated[float, Field(ge=0, le=1000)] = 0
    sales_per_second: Annotated[float, Field(ge=0, le=1000)] = 0


class WebhookIn(Input):
    """A webhook made by hand.

    `body` is written as Shopify writes, `raw` is sent as it is. Without `url` it goes to every subscription of the
    topic. `headers` replace or add; a null removes one. `secret` signs with another secret.
    """

    topic: str
    body: Any = None
    raw: str | None = None
    url: str | None = None
    headers: dict[str, str | None] = {}
    secret: str | None = None
