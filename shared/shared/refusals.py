"""Every way in which the body of a request is refused before anybody looks at what it says. Pure.

Refused
├── Encoded         415  Content-Encoding: what is signed, or counted, are the bytes as sent
├── NotJson         415  another content type
├── TooLarge        413
├── TooSlow         408  the body did not come in within its deadline
├── CutOff          400  the sender left in the middle of the body
├── Crowded         503  too many bodies in memory at once
└── Malformed       400  no JSON, or a header that can't be read
"""


class Refused(Exception):
    """The request was not taken. `outcome` is its word in metrics and logs."""

    status = 400
    outcome = "refused"
    body_unread = False  # some of the body may still be on its way: answer it with `Lingering`

    def __str__(self) -> str:
        return super().__str__() or " ".join((self.__doc__ or "").split())


class Encoded(Refused):
    """The body is taken as sent: send it without Content-Encoding."""

    status, outcome = 415, "encoded"
    body_unread = True


class NotJson(Refused):
    """The content type must be application/json."""

    status, outcome = 415, "not_json"
    body_unread = True


class TooLarge(Refused):
    """The body is larger than any that is taken."""

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
    """Too many bodies are coming in at once."""

    status, outcome = 503, "crowded"
    body_unread = True


class Malformed(Refused):
    """The request can't be read."""

    status, outcome = 400, "malformed"
