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


class Refused(Exception):
    """The webhook was not taken. `outcome` is its word in metrics and logs."""

    status = 400
    outcome = "refused"
    body_unread = False  # some of the body may still be on its way

    def __str__(self) -> str:
        return super().__str__() or " ".join((self.__doc__ or "").split())


class Encoded(Refused):
    """The signature covers the bytes as sent: send them without Content-Encoding."""

    status, outcome = 415, "encoded"
    body_unread = True


class NotJson(Refused):
    """The content type must be application/json."""

    status, outcome = 415, "not_json"
    body_unread = True


class TooLarge(Refused):
    """The body is larger than webhooks are."""

    status, outcome = 413, "too_large"
    body_unread = True


class TooSlow(Refused):
    """The body did not come in within its deadline."""

    status, outcome = 408, "too_slow"
    body_unread = True


class CutOff(Refused):
    """The sender left before the body was complete."""

    status, outcome = 400, "cut_off"


class Crowded(Refused):
    """Too many webhooks are coming in at once."""

    status, outcome = 503, "crowded"
    body_unread = True


class Unsigned(Refused):
    """No secret of this app signed these bytes. `reason` says what was found out."""

    status, outcome = 401, "unsigned"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnknownTopic(Refused):
    """No webhooks of this topic are taken here: delete the subscription."""

    status, outcome = 404, "unknown_topic"


class Malformed(Refused):
    """The webhook can't be read."""

    status, outcome = 400, "malformed"


class Disagrees(Refused):
    """Topic header, path and payload do not belong together."""

    status, outcome = 400, "disagrees"


class WrongShop(Refused):
    """The webhook is another shop's."""

    status, outcome = 400, "wrong_shop"


class NotStored(Refused):
    """The webhook could not be stored; send it again."""

    status, outcome = 503, "not_stored"
