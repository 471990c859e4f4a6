"""Keys that we hand out ourselves: `us_<id>_<secret>`, kept only as hashes. Pure, except for minting."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from shared.auth.principal import InvalidToken, Principal, Scope
from shared.errors import Permanent

PREFIX = "us_"
SECRET_BYTES = 32  # random; a plain SHA-256 suffices because there is nothing to guess
_ENTRY = re.compile(r"(?P<id>[A-Za-z0-9-]{1,64}):(?P<scopes>[a-z: ]+):(?P<digest>[0-9a-fA-F]{64})")


class InvalidKeyEntry(Permanent):
    """An entry of AUTH_STATIC_KEYS is not <id>:<scopes>:<sha256 hex>."""


@dataclass(frozen=True, slots=True)
class StaticKey:
    id: str
    scopes: frozenset[str]
    digest: bytes


@dataclass(frozen=True, slots=True)
class StaticKeys:
    """Entries of one id may be several: during a rotation, the old and the new token are both valid."""

    keys: tuple[StaticKey, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """From AUTH_STATIC_KEYS. Raises `InvalidKeyEntry`, which names an entry by its position, never its text."""
        entries = [entry.strip() for entry in text.split(",")]
        return cls(tuple(_entry(number, entry) for number, entry in enumerate(entries, 1) if entry))

    def principal(self, token: str) -> Principal:
        """Whose token this is. Raises `InvalidToken`. Takes as long for a near miss as for a far one."""
        digest = hashlib.sha256(token.encode()).digest()
        matching = [key for key in self.keys if hmac.compare_digest(key.digest, digest)]
        if not matching:
            raise InvalidToken("The key is not known.")
        return Principal(f"key:{matching[0].id}", matching[0].scopes)


def mint(key_id: str, scopes: Iterable[str]) -> tuple[str, str]:
    """A new token, and the entry for AUTH_STATIC_KEYS that makes it valid. Raises `InvalidKeyEntry`."""
    token = f"{PREFIX}{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    entry = f"{key_id}:{' '.join(sorted(scopes))}:{hashlib.sha256(token.encode()).hexdigest()}"
    _entry(1, entry)
    return token, entry


def _entry(number: int, text: str) -> StaticKey:
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise InvalidKeyEntry(f"entry {number} of AUTH_STATIC_KEYS is not <id>:<scopes>:<sha256 hex of the token>")
    scopes = frozenset(match["scopes"].split())
    unknown = scopes - frozenset(scope.value for scope in Scope)
    if unknown or not scopes:
        raise InvalidKeyEntry(f"entry {number} of AUTH_STATIC_KEYS has scopes other than {', '.join(Scope)}")
    return StaticKey(match["id"], scopes, bytes.fromhex(match["digest"]))
