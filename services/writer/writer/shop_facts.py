"""What has to be known of the shop before anything is changed there: where stock is put, where events are published."""

import asyncio
from collections.abc import Mapping

import structlog

from shared.errors import Unavailable, UnderstudyError
from shared.shopify import ShopifyClient
from shared.shopify.errors import ShopifyRefused
from writer.procedures.steps import Shop
from writer.settings import WriterSettings

log = structlog.get_logger()


class NoLocation(Unavailable):
    """The shop has no active location, or not the one that SHOPIFY_LOCATION_ID names."""


class Facts:
    """`shop` is None until Shopify has told; later it stays as it was told before, when it can't be read again."""

    def __init__(self, client: ShopifyClient, settings: WriterSettings) -> None:
        self._client = client
        self._settings = settings
        self.shop: Shop | None = None
        self.problem = "the shop's locations and publications have not been read yet"

    async def step(self) -> bool:
        """Read them. Raises what `read_shop` does; it is tried again, with a growing pause."""
        try:
            self.shop = await read_shop(self._client, self._settings)
        except UnderstudyError as error:
            self.problem = f"the shop can't be read: {error}"
            log.warning("shop.not_read", reason=str(error), known=self.shop is not None)
            raise
        return False


async def read_shop(client: ShopifyClient, settings: WriterSettings) -> Shop:
    """What the settings name, and Shopify has.

    Raises:
        NoLocation: stock has no place to be.
        the errors of `shared.shopify.errors`
    """
    shop, location_id, publication_ids = await asyncio.gather(  # three answers of 2-3 s, at once
        client.execute("shop"),
        _location(client, settings.shopify_location_id),
        _publications(client, settings.shopify_publication_ids),
    )
    return Shop(
        location_id,
        publication_ids,
        shop.data["shop"]["currencyCode"],
        settings.metafields(),
        event_type=min(settings.event_product_types, default=None),
        event_tags=tuple(sorted(settings.event_tags)),
    )


async def _location(client: ShopifyClient, wanted: int | None) -> int:
    nodes = (await client.execute("locations")).data["locations"]["nodes"]
    active = [int(node["legacyResourceId"]) for node in nodes if node["isActive"]]
    if not active or (wanted is not None and wanted not in active):
        raise NoLocation(f"SHOPIFY_LOCATION_ID is {wanted}, active are {active}")
    return active[0] if wanted is None else wanted


async def _publications(client: ShopifyClient, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """All of the shop's, unless some are named; none where the app may not look: then the status alone is set."""
    if wanted:
        return wanted
    try:
        answer = await client.execute("publications")
    except ShopifyRefused as error:
        log.warning("publications.not_read", reason=str(error), consequence="events are published by status alone")
        return ()
    nodes: list[Mapping[str, str]] = answer.data["publications"]["nodes"]
    return tuple(int(node["id"].rpartition("/")[2]) for node in nodes)
