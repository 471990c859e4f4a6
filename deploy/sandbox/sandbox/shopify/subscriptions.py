"""Webhook subscriptions of the one app: create, update, delete, with Shopify's userErrors (docs/shopify.md 1.5)."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sandbox.shopify.filters import fields_of
from sandbox.shopify.gids import Numbers
from sandbox.shopify.refusals import Refused, refuse

MAX_ADDRESS = 64 * 1024  # bytes
NAME = re.compile(r"[A-Za-z0-9_-]{1,50}")
ADDRESS_FIELD = ["webhookSubscription", "callbackUrl"]  # even when `uri` was sent


@dataclass(slots=True)
class Subscription:
    id: int
    topic: str  # PRODUCTS_UPDATE
    uri: str
    created_at: datetime
    updated_at: datetime
    api_version: str
    name: str | None = None
    include_fields: list[str] = field(default_factory=list)
    metafield_namespaces: list[str] = field(default_factory=list)
    metafields: list[tuple[str, str]] = field(default_factory=list)
    failures: int = 0  # attempts in a row; the knob says whether they count
    format: str = "JSON"
    filter: str | None = None


class Subscriptions:
    def __init__(self, numbers: Numbers, api_version: str, *, allow_http: bool) -> None:
        self._numbers = numbers
        self._api_version = api_version
        self._allow_http = allow_http
        self.all: dict[int, Subscription] = {}

    def restore(self, kept: dict[int, Subscription], numbers: Numbers) -> None:
        self.all, self._numbers = kept, numbers

    def of(self, topic: str) -> list[Subscription]:
        return [subscription for subscription in self.all.values() if subscription.topic == topic]

    def create(self, topic: str, wanted: dict[str, Any], now: datetime) -> Subscription:
        """A new subscription from a `WebhookSubscriptionInput`.

        Raises:
            Refused: the address, the name, the format or the filter won't do.

        """
        uri = wanted.get("uri") or wanted.get("callbackUrl") or ""
        self._check(topic, uri, wanted, None)
        subscription = Subscription(self._numbers.next("WebhookSubscription"), topic, uri, now, now, self._api_version)
        _apply(subscription, wanted)
        self.all[subscription.id] = subscription
        return subscription

    def update(self, number: int, wanted: dict[str, Any], now: datetime) -> Subscription:
        """Change what is given.

        Raises:
            Refused: as `create`, and when there is no such subscription.

        """
        subscription = self._get(number)
        uri = wanted.get("uri") or wanted.get("callbackUrl") or subscription.uri
        self._check(subscription.topic, uri, wanted, subscription)
        subscription.uri, subscription.updated_at = uri, now
        _apply(subscription, wanted)
        return subscription

    def delete(self, number: int) -> Subscription:
        subscription = self._get(number)
        del self.all[number]
        return subscription

    def forget(self, number: int) -> None:
        """Shopify's own removal: nobody is told, and it may be gone already."""
        self.all.pop(number, None)

    def count_failure(self, number: int, delivered: bool) -> int | None:
        """Failed attempts in a row after this one; None when the subscription is gone."""
        subscription = self.all.get(number)
        if subscription is None:
            return None
        subscription.failures = 0 if delivered else subscription.failures + 1
        return subscription.failures

    def _get(self, number: int) -> Subscription:
        if number not in self.all:
            raise refuse(["id"], "Webhook subscription does not exist")
        return self.all[number]

    def _check(self, topic: str, uri: str, wanted: dict[str, Any], own: Subscription | None) -> None:
        errors = [refusal for refusal in (self._address(topic, uri, own), _filter(wanted, own)) if refusal]
        name = wanted.get("name")
        if name is not None:
            errors += [refusal for refusal in [self._name(name, own)] if refusal]
        if errors:
            raise Refused(*(error for refusal in errors for error in refusal.errors))

    def _address(self, topic: str, uri: str, own: Subscription | None) -> Refused | None:  # noqa: PLR0911 - one guard a line
        if not uri.strip():
            return refuse(ADDRESS_FIELD, "Address can't be blank")
        if len(uri.encode()) > MAX_ADDRESS:
            return refuse(ADDRESS_FIELD, "Address is too big (maximum is 64 KB)")
        if uri.startswith("arn:"):
            return refuse(ADDRESS_FIELD, "Address is not a valid AWS ARN")
        try:
            parts = urlsplit(uri)
        except ValueError:
            return refuse(ADDRESS_FIELD, "Address is invalid")
        if not parts.scheme or not parts.hostname:
            return refuse(ADDRESS_FIELD, "Address is invalid")
        if parts.scheme not in {"https", "http"} or (parts.scheme == "http" and not self._allow_http):
            return refuse(ADDRESS_FIELD, f"Address protocol {parts.scheme}:// is not supported")
        if any(found.uri == uri and found is not own for found in self.of(topic)):
            return refuse(ADDRESS_FIELD, "Address for this topic has already been taken")
        return None

    def _name(self, name: str, own: Subscription | None) -> Refused | None:
        field_ = ["webhookSubscription", "name"]
        if not name:
            return refuse(field_, "Name is too short (minimum is 1 character)")
        if not NAME.fullmatch(name):
            return refuse(field_, "Name name field can only contain alphanumeric characters, underscores, and hyphens")
        if any(found.name == name and found is not own for found in self.all.values()):
            return refuse(field_, "Name already exists, no duplicate allowed")
        return None


def _filter(wanted: dict[str, Any], own: Subscription | None) -> Refused | None:
    """Every term names a field, and each of those is among the included ones; a field that no body has is taken."""
    filter_ = wanted.get("filter", own.filter if own else None)
    if not filter_:
        return None
    included = wanted.get("includeFields") or (own.include_fields if own else [])
    tops = {name.partition(".")[0] for name in included}
    named = fields_of(filter_)
    if not named or None in named or (tops and any(name and name.partition(".")[0] not in tops for name in named)):
        message = "The specified filter is invalid, please ensure you specify the field(s) you wish to filter on."
        return refuse(["webhookSubscription"], message)
    return None


def _apply(subscription: Subscription, wanted: dict[str, Any]) -> None:
    if "name" in wanted:
        subscription.name = wanted["name"]
    if wanted.get("format"):
        subscription.format = wanted["format"]
    if "filter" in wanted:
        subscription.filter = wanted["filter"] or None
    if "includeFields" in wanted:
        subscription.include_fields = list(wanted["includeFields"] or ())
    if "metafieldNamespaces" in wanted:
        subscription.metafield_namespaces = list(wanted["metafieldNamespaces"] or ())
    if "metafields" in wanted:
        subscription.metafields = [(m["namespace"], m["key"]) for m in wanted["metafields"] or ()]
