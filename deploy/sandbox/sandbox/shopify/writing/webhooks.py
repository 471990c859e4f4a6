"""webhookSubscriptionCreate, -Update, -Delete."""

from typing import Any

from sandbox.shopify.context import Info, number_of, request_of
from sandbox.shopify.gids import gid
from sandbox.shopify.scopes import access_denied, grants, topic_scope
from sandbox.shopify.shop import Action
from sandbox.shopify.writing.frame import Payload, perform


def create(_source: Any, info: Info, **arguments: Any) -> Payload:
    def effect(action: Action) -> Payload:
        subscriptions, scopes = request_of(info).backstage.subscriptions, request_of(info).backstage.scopes
        needed = topic_scope(arguments["topic"])
        if needed and not grants(scopes, needed):
            raise access_denied("webhookSubscriptionCreate", needed)
        subscription = subscriptions.create(arguments["topic"], arguments["webhookSubscription"], action.now)
        action.did(f"webhook subscription {subscription.id} created: {subscription.topic}")
        return {"webhookSubscription": subscription}

    return perform(info, arguments, effect, ("webhookSubscription",))


def update(_source: Any, info: Info, **arguments: Any) -> Payload:
    number = number_of(arguments["id"], "WebhookSubscription")

    def effect(action: Action) -> Payload:
        subscriptions = request_of(info).backstage.subscriptions
        subscription = subscriptions.update(number, arguments["webhookSubscription"], action.now)
        action.did(f"webhook subscription {subscription.id} updated")
        return {"webhookSubscription": subscription}

    return perform(info, arguments, effect, ("webhookSubscription",))


def delete(_source: Any, info: Info, **arguments: Any) -> Payload:
    number = number_of(arguments["id"], "WebhookSubscription")

    def effect(action: Action) -> Payload:
        backstage = request_of(info).backstage
        backstage.subscriptions.delete(number)
        backstage.webhooks.courier.cancel(number)
        action.did(f"webhook subscription {number} deleted")
        return {"deletedWebhookSubscriptionId": gid("WebhookSubscription", number)}

    return perform(info, arguments, effect, ("deletedWebhookSubscriptionId",))
