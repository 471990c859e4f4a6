"""Take one webhook in: read, verify, agree, store; in this order, each step refusing for itself."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from starlette.requests import Request

from shared.bus import PUBLISH_TIMEOUT, Bus, BusRefused, BusUnavailable
from shared.contracts import Change
from shared.intake import Intake
from webhook_ingest import agreement, label, signature
from webhook_ingest.envelope import wrap
from webhook_ingest.metrics import DURABLE_SECONDS, OTHER_VERSIONS, WEBHOOKS
from webhook_ingest.refusals import NotStored, UnknownTopic, Unsigned
from webhook_ingest.settings import IngestSettings
from webhook_ingest.topics import TOPICS

log = structlog.get_logger()

ANSWER_WITHIN = 4.0  # seconds from the headers on; Shopify gives up after 5
SHORTEST_PUBLISH = 0.5  # seconds: what is left for NATS after a slow body


@dataclass(frozen=True)
class Receipt:
    """What became durable. `fresh` is False when the stream held it already."""

    id: str
    fresh: bool


class Ingest:
    """The only use of this service. Raises Refused for every webhook that was not stored."""

    def __init__(self, settings: IngestSettings, bus: Bus) -> None:
        self._secrets = settings.secrets
        self._shop = settings.shopify_shop
        self._version = settings.shopify_api_version
        self._intake = Intake(settings.webhook_max_bytes, settings.webhook_body_deadline, settings.webhook_buffer_bytes)
        self._bus = bus

    async def take(self, request: Request, path_topic: str | None) -> Receipt:
        began = time.monotonic()
        self._intake.check(request.headers)
        async with self._intake.body(request) as body:
            complete = time.monotonic()
            self._verify(body, request.headers.get(label.SIGNATURE))
            change = self._read(request, path_topic, body)
            fresh = await self._store(change, ANSWER_WITHIN - (complete - began))
        seconds = time.monotonic() - complete
        self._say(change, fresh, seconds)
        return Receipt(change.id, fresh)

    def _verify(self, body: bytes, claimed: str | None) -> None:
        flaw = signature.find_flaw(body, claimed, self._secrets)
        if flaw is not None:
            raise Unsigned(flaw, signature.EXPLANATIONS[flaw])

    def _read(self, request: Request, path_topic: str | None, body: bytes) -> Change:
        received_at = datetime.now(UTC)
        name = label.topic(request.headers, path_topic)
        topic = TOPICS.get(name)
        if topic is None:
            raise UnknownTopic
        claims = label.read(request.headers, self._shop, received_at)
        ids = agreement.agree(agreement.parse(body), topic.body, name, claims.shop)
        return wrap(name, topic, claims, ids, body, received_at)

    async def _store(self, change: Change, remaining: float) -> bool:
        try:
            return await self._bus.publish(change, max(SHORTEST_PUBLISH, min(PUBLISH_TIMEOUT, remaining)))
        except (BusUnavailable, BusRefused) as error:
            log.warning("webhook.not_stored", error=str(error))
            raise NotStored from error

    def _say(self, change: Change, fresh: bool, seconds: float) -> None:
        outcome = "stored" if fresh else "duplicate"
        WEBHOOKS.labels(change.topic, outcome).inc()
        DURABLE_SECONDS.observe(seconds)
        other_version = change.api_version is not None and change.api_version != self._version
        if other_version:
            OTHER_VERSIONS.inc()
        log.info(
            "webhook.taken",
            outcome=outcome,
            topic=change.topic,
            subject=change.subject,
            id=change.id,
            bytes=len(change.body),
            seconds=round(seconds, 4),
            other_version=change.api_version if other_version else None,
        )
