"""Put the simulated Shopify together: one shop, its API, its webhooks, its control room."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sandbox.shopify.admin import Admin, Tokens
from sandbox.shopify.bucket import Allowance, Bucket
from sandbox.shopify.bulk.operations import BulkOperations
from sandbox.shopify.bulk.storage import Storage
from sandbox.shopify.context import Backstage
from sandbox.shopify.control import control_router
from sandbox.shopify.courier import Courier
from sandbox.shopify.dates import Dated
from sandbox.shopify.executor import Executor
from sandbox.shopify.idempotency import Idempotency
from sandbox.shopify.keeping import Keeper
from sandbox.shopify.knobs import Knobs
from sandbox.shopify.reading.index import SearchIndex
from sandbox.shopify.scopes import parse_scopes
from sandbox.shopify.seeding import furnish, seed_events
from sandbox.shopify.settings import ShopifySettings
from sandbox.shopify.shapes import ShopIdentity
from sandbox.shopify.shop import Happening, Shop
from sandbox.shopify.subscriptions import Subscriptions
from sandbox.shopify.traffic import Traffic
from sandbox.shopify.webhooks import Webhooks


@dataclass(slots=True)
class KnobBoard:
    """The set of knobs in force."""

    now: Knobs

    def read(self) -> Knobs:
        return self.now


def create_app(settings: ShopifySettings) -> FastAPI:
    """An ASGI app whose shop lives in its memory: one worker only."""
    board = KnobBoard(settings.knobs)
    chance = random.Random(settings.seed)  # noqa: S311 - luck, not secrets
    webhooks, shop = _shop(settings, board, chance)
    bucket = Allowance(Bucket(settings.knobs.bucket_size, settings.knobs.restore_rate, time.monotonic))
    idempotency = Idempotency(utc_now)
    bulk = BulkOperations(shop, board.read, chance, faults_left=settings.knobs.bulk_faulty)
    storage = Storage(bulk, board.read, settings.client_secret.get_secret_value().encode())
    storage.cuts_left = settings.knobs.download_cuts
    index = SearchIndex(shop, time.monotonic)
    shop.followers.append(index.follow)
    backstage = Backstage(
        shop,
        webhooks.subscriptions,
        webhooks,
        idempotency,
        settings.api_version,
        bulk,
        storage,
        parse_scopes(settings.scopes),
        index,
    )
    tokens = Tokens(settings.access_token.get_secret_value(), time.monotonic)
    closing = asyncio.Event()
    admin = Admin(settings, Executor(backstage, bucket), tokens, board.read, chance, closing)
    traffic = Traffic(shop, chance)
    turn = _turner(board, shop, bucket, index)
    keeper = Keeper(settings.state, shop, webhooks.subscriptions) if settings.state else None
    if not (keeper and keeper.load()):
        furnish(shop)
        seed_events(shop, settings.events, settings.seed, settings.tickets)
    turn(settings.knobs)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await webhooks.courier.start()
        keeping = [asyncio.create_task(keeper.run())] if keeper else []
        yield
        await traffic.stop()
        await admin.carrier.stop()
        await bulk.stop()
        await webhooks.courier.stop()
        for task in keeping:
            task.cancel()
        if keeper:
            keeper.step()

    app = FastAPI(title="Simulated Shopify", version=settings.api_version, lifespan=lifespan)
    app.state.closing = closing
    app.add_middleware(Dated, clock=clock_of(board))
    app.router.routes.extend([*admin.routes(), *storage.routes(), Route("/livez", livez)])
    app.include_router(control_router(shop, admin, webhooks, traffic, turn))
    return app


def _shop(settings: ShopifySettings, board: KnobBoard, chance: random.Random) -> tuple[Webhooks, Shop]:
    """The shop and its webhooks, which need each other."""
    identity = ShopIdentity(
        name=settings.shop,
        domain=f"{settings.shop}.myshopify.com",
        currency=settings.currency,
        timezone=settings.timezone,
        offset_minutes=offset_minutes(settings.timezone, utc_now()),
    )
    clock = clock_of(board)
    listeners: list[Callable[[Happening], None]] = []

    def tell(happening: Happening) -> None:
        for listener in listeners:
            listener(happening)

    shop = Shop(identity, clock, tell)
    subscriptions = Subscriptions(shop.numbers, settings.api_version, allow_http=settings.allow_http)
    courier = Courier(
        secret=settings.client_secret.get_secret_value().encode(),
        knobs=board.read,
        chance=chance,
        gone=subscriptions.forget,
        count_failure=subscriptions.count_failure,
        concurrency=settings.webhook_concurrency,
        queue=settings.webhook_queue,
        log_length=settings.log_length,
    )
    webhooks = Webhooks(identity, subscriptions, courier, clock)
    listeners.append(webhooks.on_happening)
    return webhooks, shop


def _turner(board: KnobBoard, shop: Shop, bucket: Allowance, index: SearchIndex) -> Callable[[Knobs], None]:
    def turn(knobs: Knobs) -> None:
        board.now = knobs
        shop.rules.inventory_bumps_product = knobs.inventory_bumps_product
        shop.rules.metafields_bump_product = knobs.metafields_bump_product
        shop.rules.no_op_update_fires = knobs.no_op_update_fires
        shop.rules.stale_total_seconds = knobs.stale_total_inventory
        index.set_lag(knobs.search_lag)
        bucket.limit(knobs.bucket_size, knobs.restore_rate)
        bucket.hide(knobs.hidden_bucket_size, knobs.hidden_restore_rate)

    return turn


def clock_of(board: KnobBoard) -> Callable[[], datetime]:
    """The shop's own clock, ahead or behind as the knobs say."""
    return lambda: utc_now() + timedelta(seconds=board.now.clock_skew)


def offset_minutes(zone: str, at: datetime) -> int:
    """The shop's UTC offset when it opens; webhook times are printed in it."""
    offset = at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    return int(offset.total_seconds() // 60)


async def livez(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


def utc_now() -> datetime:
    return datetime.now(UTC)
