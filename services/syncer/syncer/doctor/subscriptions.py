"""What a good webhook subscription is, and what to do about those that are not. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import HttpUrl

from syncer.webhook_payloads import LevelPayload, ProductPayload

TOPICS = (
    "products/create",
    "products/update",
    "products/delete",
    "inventory_levels/update",
    "inventory_levels/connect",
    "inventory_levels/disconnect",
    "inventory_items/update",
    "bulk_operations/finish",
    "app/uninstalled",
)
WITH_METAFIELDS = frozenset({"products/create", "products/update"})
PRODUCT = frozenset(ProductPayload.model_fields)
LEVEL = frozenset(LevelPayload.model_fields)
# The fields of its body that we live on. Without `updated_at`, Shopify drops what looks like the delivery before
# (docs/shopify.md 1.5). An empty set: any field will do.
FIELDS = {
    "products/create": PRODUCT,
    "products/update": PRODUCT,
    "products/delete": frozenset({"id"}),
    "inventory_levels/update": LEVEL,
    "inventory_levels/connect": LEVEL,
    "inventory_levels/disconnect": frozenset({"inventory_item_id", "location_id"}),
    "inventory_items/update": frozenset({"id", "updated_at"}),
    "bulk_operations/finish": frozenset({"admin_graphql_api_id", "status"}),
}
DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Need:
    """A subscription that there must be. `topic` as a webhook spells it; `namespaces` its body's metafields."""

    topic: str
    uri: str
    namespaces: frozenset[str] = frozenset()

    @property
    def enum(self) -> str:
        """products/update is PRODUCTS_UPDATE in GraphQL."""
        return self.topic.replace("/", "_").upper()


@dataclass(frozen=True)
class Subscription:
    """One that there is, as Shopify lists it. `topic` as GraphQL spells it; `fields`: none named is all of them."""

    id: str
    topic: str
    uri: str
    format: str = "JSON"
    filter: str | None = None
    fields: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    api_version: str | None = None


class Fault(StrEnum):
    """What is wrong with one that leads to us."""

    FORMAT = "its format is not JSON"
    FILTER = "its filter holds webhooks back"
    FIELDS = "its includeFields leave out what we read"
    NAMESPACES = "it lacks metafield namespaces"
    VERSION = "its bodies are written in another API version"


STARVING = frozenset({Fault.FORMAT, Fault.FILTER, Fault.FIELDS})  # changes did not come, or could not be read
ONLY_ANEW = frozenset({Fault.FILTER, Fault.FIELDS, Fault.VERSION})  # nothing documents that an update takes them away


@dataclass(frozen=True)
class Mend:
    """Make `found` what `need` says."""

    need: Need
    found: Subscription
    faults: frozenset[Fault]

    @property
    def in_place(self) -> bool:
        return not self.faults & ONLY_ANEW

    @property
    def why(self) -> str:
        return f"{self.need.topic} ({', '.join(sorted(self.faults))})"


@dataclass(frozen=True)
class Diagnosis:
    """`doubles` bring every webhook a second time; `strays` lead to us, where nobody listens; `foreign` elsewhere;
    `dated` are good, but their bodies are written in another API version than ours.
    """

    good: tuple[Subscription, ...] = ()
    create: tuple[Need, ...] = ()
    mend: tuple[Mend, ...] = ()
    dated: tuple[Mend, ...] = ()
    doubles: tuple[Subscription, ...] = ()
    strays: tuple[Subscription, ...] = ()
    foreign: tuple[Subscription, ...] = ()

    @property
    def starving(self) -> int:
        """Topics whose webhooks do not come, or not whole: what changes meanwhile has to be looked for."""
        return len(self.create) + sum(bool(mend.faults & STARVING) for mend in self.mend)

    @property
    def todo(self) -> bool:
        return bool(self.create or self.mend or self.doubles)


def wanted(public_url: HttpUrl | None, namespaces: Iterable[str]) -> list[Need]:
    """One for each topic, at the address where webhook-ingest expects it. No address: somebody else registers them."""
    if public_url is None:
        return []
    base, carried = str(public_url).rstrip("/"), frozenset(namespaces)
    return [
        Need(topic, f"{base}/webhooks/{topic}", carried if topic in WITH_METAFIELDS else frozenset())
        for topic in TOPICS
    ]


def diagnose(needs: Sequence[Need], found: Iterable[Subscription], version: str) -> Diagnosis:
    """Compare by topic and address. `version` is the API version that we speak."""
    left = {subscription.id: subscription for subscription in found}
    create: list[Need] = []
    kept: list[Mend] = []
    for need in needs:
        own = next((one for one in left.values() if (one.topic, one.uri) == (need.enum, need.uri)), None)
        if own is None:
            create.append(need)
        else:
            del left[own.id]
            kept.append(Mend(_with_theirs(need, own), own, faults(need, own, version)))
    places = {(need.enum, _place(need.uri)) for need in needs}
    hosts = {host(need.uri) for need in needs}
    doubles = tuple(one for one in left.values() if (one.topic, _place(one.uri)) in places)
    others = [one for one in left.values() if one not in doubles]
    return Diagnosis(
        good=tuple(mend.found for mend in kept if not mend.faults),
        create=tuple(create),
        mend=tuple(mend for mend in kept if mend.faults - {Fault.VERSION}),
        dated=tuple(mend for mend in kept if mend.faults == {Fault.VERSION}),
        doubles=doubles,
        strays=tuple(one for one in others if host(one.uri) in hosts),
        foreign=tuple(one for one in others if host(one.uri) not in hosts),
    )


def faults(need: Need, found: Subscription, version: str) -> frozenset[Fault]:
    """What is wrong with the one that shall serve `need`; nothing: it is good."""
    wrong = {
        Fault.FORMAT: found.format != "JSON",
        Fault.FILTER: bool(found.filter),
        Fault.FIELDS: bool(found.fields) and not _said(need) <= found.fields,
        Fault.NAMESPACES: not need.namespaces <= found.namespaces,
        Fault.VERSION: found.api_version not in (None, version),
    }
    return frozenset(fault for fault, is_so in wrong.items() if is_so)


def host(uri: str) -> str:
    """Of an address; the whole of one that has none, as one of Google's or Amazon's queues."""
    return _place(uri)[1] or uri


def _said(need: Need) -> frozenset[str]:
    """What its bodies must say; metafields only where some are asked for."""
    fields = FIELDS.get(need.topic, frozenset[str]())
    return fields if need.namespaces else fields - {"metafields"}


def _with_theirs(need: Need, found: Subscription) -> Need:
    """Somebody asked for more metafields than we need: they stay."""
    return replace(need, namespaces=need.namespaces | found.namespaces)


def _place(uri: str) -> tuple[str, str, int | None, str]:
    """Where an address leads, however it is spelled: case of the host, default port, slash at the end, query."""
    try:
        parts = urlsplit(uri)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:  # nobody's port is above 65535; whatever that is, it is not ours
        return "", "", None, uri
    return parts.scheme, (parts.hostname or "").lower(), port, parts.path.rstrip("/")
