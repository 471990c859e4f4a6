"""The webhook subscriptions that the app made."""

from typing import Any

from sandbox.shopify.context import Info, request_of
from sandbox.shopify.reading.app import versions_of
from sandbox.shopify.reading.fields import Resolver, globally, read, times
from sandbox.shopify.refusals import not_simulated
from sandbox.shopify.subscriptions import Subscription


def subscriptions(_source: Any, info: Info, args: dict[str, Any]) -> list[Subscription]:
    if args.get("query"):
        raise not_simulated("query of webhookSubscriptions")
    found = list(request_of(info).backstage.subscriptions.all.values())
    if topics := args.get("topics"):
        found = [s for s in found if s.topic in topics]
    if uri := args.get("uri") or args.get("callbackUrl"):
        found = [s for s in found if s.uri == uri]
    return [s for s in found if s.format == args.get("format", s.format)]


WEBHOOK_SUBSCRIPTION: dict[str, Resolver] = {
    **globally("WebhookSubscription"),
    **times(),
    "apiVersion": lambda s, info: versions_of(info).described(s.api_version),
    "callbackUrl": read("uri"),
    "endpoint": lambda s, _: {"__typename": "WebhookHttpEndpoint", "callbackUrl": s.uri},
    "filter": read("filter"),
    "format": read("format"),
    "includeFields": read("include_fields"),
    "metafieldNamespaces": read("metafield_namespaces"),
    "metafields": lambda s, _: [{"namespace": namespace, "key": key} for namespace, key in s.metafields],
    "name": read("name"),
    "topic": read("topic"),
    "uri": read("uri"),
}
