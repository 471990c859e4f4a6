"""Every way in which a webhook is refused. Pure.

Refused
├── Encoded         415  Content-Encoding: the signature covers what was sent, and we would have to guess at it
├── NotJson         415  another content type
├── TooLarge        413
├── TooSlow         408  the body did not come in within its deadline
├── CutOff          400  the sender left in the middle of the body
├── Crowded         503  too many bodies in memory at once
├── Unsigned        401  no secret of ours signed these bytes
├── UnknownTopic    404
├── Malformed       400  no JSON, or a header that can't be read
├── Disagrees       400  topic header, path and payload do not belong together
├── WrongShop       400
└── NotStored       503  NATS did not acknowledge it

Shopify takes everything but 2xx as a failure: it tries 8 more times over 4 hours, then deletes a subscription that was
made through its API, and warns its owner (docs/shopify.md 1.3). That decides what an unknown topic gets. 200 would drop
somebody's data in silence for ever. A refusal is 9 small requests in 4 hours for each event, a warning to the owner,
and the end of a subscription that nobody here listens to; no other subscription suffers. So it is 404.
"""

from shared.refusals import Crowded, CutOff, Encoded, Malformed, NotJson, Refused, TooLarge, TooSlow

__all__ = [
    "Crowded",
    "CutOff",
    "Disagrees",
    "Encoded",
    "Malformed",
    "NotJson",
    "NotStored",
    "Refused",
    "TooLarge",
    "TooSlow",
    "UnknownTopic",
    "Unsigned",
    "WrongShop",
]


class Unsigned(Refused):
    """No secret of this app signed these bytes. `reason` says what was found out."""

    status, outcome = 401, "unsigned"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnknownTopic(Refused):
    """No webhooks of this topic are taken here: delete the subscription."""

    status, outcome = 404, "unknown_topic"


class Disagrees(Refused):
    """Topic header, path and payload do not belong together."""

    status, outcome = 400, "disagrees"


class WrongShop(Refused):
    """The webhook is another shop's."""

    status, outcome = 400, "wrong_shop"


class NotStored(Refused):
    """The webhook could not be stored; send it again."""

    status, outcome = 503, "not_stored"
