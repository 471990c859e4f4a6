"""An issuer's public keys (RFC 7517): which of them may check which signature. Pure."""

from dataclasses import dataclass
from typing import Any, Self

import jwt
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.auth.principal import InvalidToken
from shared.errors import Transient

MAX_KEYS = 100
MIN_RSA_BITS = 2048  # RFC 7518, section 3.3

# What a key must be for an algorithm (RFC 7518 section 3.1, RFC 8037): without this, a key of one kind could be
# made to check the signature of another.
_NEEDS: dict[str, tuple[str, frozenset[str]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", frozenset({""}))),
    "ES256": ("EC", frozenset({"P-256"})),
    "ES384": ("EC", frozenset({"P-384"})),
    "ES512": ("EC", frozenset({"P-521"})),
    "EdDSA": ("OKP", frozenset({"Ed25519", "Ed448"})),
}


class InvalidKeySet(Transient):
    """What the issuer published is not a usable JWKS."""


class _Jwk(BaseModel):
    """The members that decide; the key material stays in the extras."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kty: str
    kid: str
    alg: str | None = None
    use: str = "sig"
    crv: str = ""
    key_ops: list[str] = ["verify"]

    def signs(self) -> bool:
        return self.use == "sig" and "verify" in self.key_ops


class _Jwks(BaseModel):
    keys: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys by their `kid`; a `kid` may name several of different kinds."""

    keys: tuple[_Jwk, ...] = ()

    @classmethod
    def parse(cls, body: str | bytes) -> Self:
        """From a JWKS. Keys of no use here (no kid, for encryption, symmetric) are left out.

        Raises `InvalidKeySet` when it isn't a JWKS, or holds none that could be used.
        """
        try:
            published = _Jwks.model_validate_json(body).keys[:MAX_KEYS]
        except ValidationError as error:
            raise InvalidKeySet from error
        usable = tuple(key for key in map(_usable, published) if key is not None)
        if not usable:
            raise InvalidKeySet("the JWKS holds no key that could check a signature")
        return cls(usable)

    def has(self, kid: str) -> bool:
        return any(key.kid == kid for key in self.keys)

    def find(self, kid: str, algorithm: str) -> jwt.PyJWK:
        """The key to check a signature of `algorithm` with. Raises `InvalidToken`."""
        kind, curves = _NEEDS[algorithm]
        for key in self.keys:
            if key.kid == kid and key.kty == kind and key.crv in curves and key.alg in (None, algorithm):
                return jwt.PyJWK(key.model_dump(exclude={"alg"}), algorithm)
        raise InvalidToken("The token's key is not known.")


def _usable(published: dict[str, Any]) -> _Jwk | None:
    try:
        key = _Jwk.model_validate(published)
        algorithm = next(name for name, needs in _NEEDS.items() if key.kty == needs[0] and key.crv in needs[1])
        material = jwt.PyJWK(published, key.alg or algorithm).key
    except (ValueError, TypeError, KeyError, jwt.PyJWTError, StopIteration):  # ValidationError is a ValueError
        return None
    if key.kty == "RSA" and material.key_size < MIN_RSA_BITS:
        return None
    return key if key.signs() and not hasattr(material, "private_bytes") else None
