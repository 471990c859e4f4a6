"""What Shopify can answer instead of an answer.

    Transient
    ├── Throttled             no points left: `retry_after` seconds
    ├── ShopifyFaulted        Shopify's own error inside a 200, or an answer that can't be read
    └── Unavailable
        └── ShopifyUnavailable    no answer: connection, time-out, 5xx
            └── NeverLeft             its time was over here, before it left
    Permanent
    ├── ShopifyRefused        401, 402, 403, 404, 423, a document or an argument that it does not accept
    ├── AnswerTooLarge        more bytes than this client reads
    └── UserErrors            understood, and not done: what a person has to change

`may_have_happened` tells the sender of a mutation whether it can still take effect. No message carries a token.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import Permanent, Transient, Unavailable

if TYPE_CHECKING:
    from shared.shopify.envelope import Answer


class Throttled(Transient):
    """Shopify has no points left for this now."""

    may_have_happened = False

    def __init__(self, message: str = "", *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class ShopifyFaulted(Transient):
    """Shopify answered with an error of its own, or with something that is no answer."""

    may_have_happened = True


class ShopifyUnavailable(Unavailable):
    """Shopify could not be reached, or gave no answer in time."""

    def __init__(self, message: str = "", *, may_have_happened: bool) -> None:
        super().__init__(message)
        self.may_have_happened = may_have_happened


class NeverLeft(ShopifyUnavailable):
    """The request's time was over before it left: this says nothing about Shopify."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message, may_have_happened=False)


class ShopifyRefused(Permanent):
    """Shopify does not accept the request. `status` is HTTP's, `code` is GraphQL's, where there is one.

    `partial`: it has answered some root field of the document all the same. Of a mutation, that one may have been
    carried out (ACCESS_DENIED for one of two fields, or for a part of the answer): what there is now has to be read.
    """

    may_have_happened = False

    def __init__(self, message: str = "", *, status: int, code: str | None = None, partial: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.partial = partial


class AnswerTooLarge(Permanent):
    """Shopify's answer is larger than this client reads."""

    may_have_happened = True


@dataclass(frozen=True, slots=True)
class UserError:
    """`field` is a path into the mutation's arguments; empty when Shopify names none."""

    field: tuple[str, ...]
    message: str
    code: str | None = None


class UserErrors(Permanent):
    """The mutation was understood, and Shopify says what is wrong with it. `answer` is all that it said."""

    may_have_happened = False

    def __init__(self, errors: tuple[UserError, ...], answer: "Answer") -> None:
        super().__init__("; ".join(f"{'.'.join(error.field)}: {error.message}" for error in errors))
        self.errors = errors
        self.answer = answer
