"""The door for Shopify's webhooks. The body never meets FastAPI: its signature covers the raw bytes."""

from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request, Response

from shared.lingering import Lingering
from shared.problems import Problem, responses
from webhook_ingest import label
from webhook_ingest.ingest import Ingest
from webhook_ingest.metrics import BAD_SIGNATURES, WEBHOOKS
from webhook_ingest.refusals import Refused, Unsigned
from webhook_ingest.topics import TOPICS

log = structlog.get_logger()

RETRY_AFTER = 5  # seconds, with a 503; Shopify has delays of its own, others may listen

REFUSALS = responses(400, 401, 404, 405, 408, 413, 415, 503)


def router(ingest: Ingest) -> APIRouter:
    """`POST /webhooks/{topic}` and `POST /webhooks`. 200 only when the webhook is durable."""
    routes = APIRouter(tags=["webhooks"], responses=REFUSALS)

    @routes.post("/webhooks/{topic:path}", openapi_extra=_openapi(topic_required=False))
    async def take(request: Request, topic: str) -> Response:
        """Take a webhook of the topic in the path, as in `/webhooks/products/update`."""
        await ingest.take(request, topic or None)
        return Response()

    @routes.post("/webhooks", openapi_extra=_openapi(topic_required=True))
    async def take_by_header(request: Request) -> Response:
        """Take a webhook of the topic in X-Shopify-Topic."""
        await ingest.take(request, None)
        return Response()

    return routes


def install_refusals(app: FastAPI) -> None:
    """Make a counted, logged problem of every `Refused`."""
    app.add_exception_handler(Refused, _on_refused)


async def _on_refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, Refused):
        raise error
    claimed = request.path_params.get("topic") or request.headers.get(label.TOPIC)
    topic = claimed if claimed in TOPICS else "other"
    WEBHOOKS.labels(topic, error.outcome).inc()
    reason = error.reason if isinstance(error, Unsigned) else None
    if reason is not None:
        BAD_SIGNATURES.labels(reason).inc()
    log.warning("webhook.refused", topic=topic, outcome=error.outcome, reason=reason, detail=str(error))
    headers = {"Retry-After": str(RETRY_AFTER)} if error.status == 503 else {}  # noqa: PLR2004 (HTTP's own number)
    answer = Problem(error.status, str(error), extensions={"outcome": error.outcome}, headers=headers).response()
    return Lingering(answer) if error.body_unread else answer


def _openapi(*, topic_required: bool) -> dict[str, Any]:
    def header(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
        schema = {"type": "string"}
        return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}

    return {
        "parameters": [
            header("X-Shopify-Hmac-Sha256", "Base64 of HMAC-SHA256 over the raw body.", required=True),
            header("X-Shopify-Topic", f"One of {', '.join(TOPICS)}.", required=topic_required),
            header("X-Shopify-Shop-Domain", "The shop that the webhook is about."),
            header("X-Shopify-Webhook-Id", "The same in every delivery of one webhook."),
            header("X-Shopify-Triggered-At", "When it happened, ISO 8601; the time of receipt if absent."),
            header("X-Shopify-API-Version", "The version that the payload is written in."),
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
    }
