"""The control API under /control: what a test or the demo does to the shop as a merchant, a buyer or a saboteur.

No authentication: it is for loopback. Ids are numbers, money strings, times UTC. See /docs for the shapes.

    GET    /control/state                  counts, cost bucket, requests, webhooks
    GET    /control/products[/{id}]        the plain full truth
    POST   /control/products               create; PATCH and DELETE /control/products/{id}
    POST   /control/products/{id}/variants add; DELETE /control/variants/{id}
    POST   /control/sell                   available -> committed
    POST   /control/inventory              set available (stocking the item there), or null to unstock it
    POST   /control/locations              PATCH /control/locations/{id} opens and closes one
    GET    /control/knobs                  PATCH to change some
    POST   /control/faults                 arm one that is aimed at single requests; GET those left, DELETE clears
    GET    /control/webhooks               recent deliveries; /flush waits for all, /send sends anything signed
    GET    /control/journal                every mutation in order, with its effects; ?origin=admin&action=productUpdate
    POST   /control/traffic                light traffic, started and stopped
    PUT    /control/scopes                 what the app may do, from now on
    DELETE /control/subscriptions          all webhook subscriptions at once, silently
    POST   /control/definitions            of metafields; DELETE /control/definitions/{id}
    GET    /control/bulk_operations        all, with their states; POST .../expire kills their URLs
    POST   /control/uninstall              app/uninstalled, dead tokens, no subscriptions
"""

from collections.abc import Callable

from fastapi import APIRouter

from sandbox.shopify.admin import Admin
from sandbox.shopify.control.app import AppDesk
from sandbox.shopify.control.catalogue import CatalogueDesk
from sandbox.shopify.control.faults import FaultDesk
from sandbox.shopify.control.finding import Finding
from sandbox.shopify.control.house import HouseDesk
from sandbox.shopify.control.stock import StockDesk
from sandbox.shopify.control.webhooks import WebhookDesk
from sandbox.shopify.knobs import Knobs
from sandbox.shopify.shop import Shop
from sandbox.shopify.traffic import Traffic
from sandbox.shopify.webhooks import Webhooks


def control_router(
    shop: Shop, admin: Admin, webhooks: Webhooks, traffic: Traffic, turn: Callable[[Knobs], None]
) -> APIRouter:
    router = APIRouter(prefix="/control", tags=["control"])
    find = Finding(shop)
    HouseDesk(shop, admin, webhooks, traffic, turn).add_to(router)
    CatalogueDesk(shop, find).add_to(router)
    StockDesk(shop, find).add_to(router)
    WebhookDesk(admin, webhooks).add_to(router)
    AppDesk(admin.executor.backstage).add_to(router)
    FaultDesk(admin).add_to(router)
    return router
