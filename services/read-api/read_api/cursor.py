"""The place in a list where the next page begins, as text that only we read. Pure.

A cursor is bound to its question: it holds a digest of the filters and the sort, so that a cursor of one list is
refused by another. It is not signed: whoever forges one names another place in the same list, which is no secret.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

MAX_LENGTH = 4096  # characters; a Shopify title (255 characters) makes 1,400 at most
MAX_ID = 2**63 - 1
DIGEST_BYTES = 8

Place = datetime | str | None  # what the list is sorted by: an instant, a title, or unknown


class InvalidCursor(ValueError):
    """The cursor is not one of this list's."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page. Every sort ends in the id, so that it names one place."""

    place: Place
    id: int


def encode(question: str, position: Position) -> str:
    place = position.place.astimezone(UTC).isoformat() if isinstance(position.place, datetime) else position.place
    plain = orjson.dumps([_digest(question), place, str(position.id)])
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def decode(question: str, cursor: str, *, timed: bool) -> Position:
    """The position that `encode` was given. `timed`: the list is sorted by an instant, not by text.

    Raises:
        InvalidCursor: it was made for another list, or not by us.
    """
    position = _read(cursor, timed=timed)
    if encode(question, position) != cursor:  # one spelling for each position: nobody mints cache keys
        raise InvalidCursor("the cursor belongs to another question, or was changed")
    return position


def _read(cursor: str, *, timed: bool) -> Position:
    if not cursor.isascii() or len(cursor) > MAX_LENGTH:
        raise InvalidCursor("the cursor can't be read")
    try:
        plain = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        _, place, row_id = orjson.loads(plain)
        position = Position(_place(place, timed=timed), int(row_id))
    except (binascii.Error, ValueError, TypeError, OverflowError) as error:  # JSONDecodeError is a ValueError
        raise InvalidCursor("the cursor can't be read") from error
    if not 0 < position.id <= MAX_ID:
        raise InvalidCursor("the cursor can't be read")
    return position


def _place(place: object, *, timed: bool) -> Place:
    match place:
        case str() if timed:
            return datetime.fromisoformat(place).astimezone(UTC)
        case str() if "\0" not in place:  # PostgreSQL's text can't hold it
            return place
        case None if timed:
            return None
    raise ValueError("not a place of this sort")


def _digest(question: str) -> str:
    return hashlib.blake2s(question.encode(), digest_size=DIGEST_BYTES).hexdigest()
