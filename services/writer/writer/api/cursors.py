"""The place in a list of jobs where the next page begins, as text that only we read. Pure.

It is bound to its question: whoever asks for the next page of something else is told so, instead of being shown too
little. It is not signed: whoever forges one names another place in a list that they may read anyway.
"""

import base64
import binascii
import hashlib

import orjson

MAX_LENGTH = 128  # characters
MAX_SEQ = 2**63 - 1


class InvalidCursor(ValueError):
    """The cursor is not one of this list's."""


def encode(question: str, seq: int) -> str:
    plain = orjson.dumps([hashlib.blake2s(question.encode(), digest_size=8).hexdigest(), seq])
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def decode(question: str, cursor: str) -> int:
    """The seq that `encode` was given. Raises InvalidCursor."""
    try:
        _, seq = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidCursor from error
    if type(seq) is not int or not 0 < seq <= MAX_SEQ or encode(question, seq) != cursor:
        raise InvalidCursor
    return seq
