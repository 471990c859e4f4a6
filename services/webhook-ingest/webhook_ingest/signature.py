"""Prove that a webhook came from Shopify. Pure.

Base64 of HMAC-SHA256 over the raw body, by the app's client secret (docs/shopify.md 1.2). Headers are not signed, and
neither is the time: a signature proves that Shopify once said this body to our app, nothing else.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from enum import StrEnum

import orjson

DIGEST_SIZE = 32  # bytes of SHA-256
MAX_EVIDENCE = 256 * 1024  # bytes; a stranger's larger body is not worth our time
MAX_SECRETS_TRIED = 4  # of them, for evidence


class Flaw(StrEnum):
    """What is wrong with a signature, as far as it can be told."""

    MISSING = "missing"
    NOT_BASE64 = "not_base64"
    BODY_CHANGED = "body_changed"
    WRONG_SECRET = "wrong_secret"  # noqa: S105 (a reason)


EXPLANATIONS = {
    Flaw.MISSING: "X-Shopify-Hmac-Sha256 is missing.",
    Flaw.NOT_BASE64: "X-Shopify-Hmac-Sha256 is not the base64 of a SHA-256 digest.",
    Flaw.BODY_CHANGED: "A secret of ours signed this content, but other bytes: something on the way rewrote the body.",
    Flaw.WRONG_SECRET: "No secret of ours signed these bytes.",
}


def find_flaw(body: bytes, signature: str | None, secrets: Sequence[bytes]) -> Flaw | None:
    """None when one of the secrets signed exactly these bytes. Takes equally long whichever it was."""
    if not signature:
        return Flaw.MISSING
    claimed = _decoded(signature)
    if claimed is None:
        return Flaw.NOT_BASE64
    if _signed(body, claimed, secrets):
        return None
    if any(_signed(original, claimed, secrets[:MAX_SECRETS_TRIED]) for original in _likely_originals(body)):
        return Flaw.BODY_CHANGED
    return Flaw.WRONG_SECRET


def sign(body: bytes, secret: bytes) -> str:
    """The header that Shopify would send."""
    return base64.b64encode(hmac.digest(secret, body, hashlib.sha256)).decode()


def _signed(body: bytes, claimed: bytes, secrets: Sequence[bytes]) -> bool:
    matches = [hmac.compare_digest(hmac.digest(secret, body, hashlib.sha256), claimed) for secret in secrets]
    return any(matches)  # of a list: every secret is tried whichever matches


def _decoded(signature: str) -> bytes | None:
    try:
        digest = base64.b64decode(signature.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return digest if len(digest) == DIGEST_SIZE else None


def _likely_originals(body: bytes) -> Iterator[bytes]:
    """What Shopify may have sent, if a proxy trimmed, padded or rewrote it (escapes: docs/shopify.md 1.7)."""
    if len(body) > MAX_EVIDENCE:
        return
    trimmed = body.removeprefix(b"\xef\xbb\xbf").strip()
    if trimmed != body:
        yield trimmed
    try:
        plain = orjson.dumps(orjson.loads(trimmed))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return
    # In JSON these characters occur only inside strings.
    for_html = plain.replace(b"<", rb"\u003c").replace(b">", rb"\u003e").replace(b"&", rb"\u0026")
    for spelled in (plain, for_html):
        yield spelled
        yield spelled.replace(b"/", rb"\/")
