"""Put a webhook into the words of the bus, its body untouched. Pure."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from shared.contracts import Change, Origin, Shape
from webhook_ingest.label import Label
from webhook_ingest.topics import Topic

SERVICE = "webhook-ingest"


def wrap(name: str, topic: Topic, label: Label, ids: Mapping[str, int], body: bytes, received_at: datetime) -> Change:
    """The change that this webhook announces. `ids` as `agreement.agree` returned them."""
    about = "/".join((topic.body.about, *map(str, ids.values()))) if ids else f"shop/{label.shop}"
    return topic.contract.model_validate(
        {
            "id": message_id(name, label, body),
            "source": SERVICE,
            "subject": about,
            "time": received_at,
            "body": body,
            "origin": Origin.WEBHOOK,
            "triggered_at": label.triggered_at or received_at,
            "shop": label.shop,
            "api_version": label.api_version,
            "topic": name,
            "shape": Shape.WEBHOOK,  # contracts without a shape leave it out
            **ids,
        }
    )


def message_id(name: str, label: Label, body: bytes) -> str:
    """The webhook's id, and the body's hash: the id is not signed, so it alone must not suppress another body.

    Without an id (a proxy may drop headers), the topic and, where it is known, the time of the trigger stand in.
    """
    triggered_at = f":{label.triggered_at.isoformat()}" if label.triggered_at else ""
    webhook = label.webhook_id or f"{name}{triggered_at}"
    return f"{webhook}:{hashlib.sha256(body).hexdigest()[:16]}"
