"""Prove a JWT: its header, its signature, its claims. Pure."""

from dataclasses import dataclass
from typing import Any

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.auth.keyset import KeySet
from shared.auth.principal import InvalidToken, Principal, known_scopes

# Headers by which a token would bring, or point to, the key that proves it (RFC 8725, section 3.10), and
# extensions that must be understood: none is.
FORBIDDEN_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit"})
REQUIRED_CLAIMS = ("exp", "nbf", "iss", "aud", "sub")


class _Header(BaseModel):
    alg: str
    kid: str = Field(min_length=1, max_length=256)


class _Claims(BaseModel):
    model_config = ConfigDict(extra="ignore")

    sub: str = Field(min_length=1, max_length=255)
    exp: float
    scope: str = ""
    scp: str | list[str] = []

    def names(self) -> list[str]:
        several = self.scp.split() if isinstance(self.scp, str) else self.scp
        return [*self.scope.split(), *several]


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a JWT must say. `leeway` in seconds."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    leeway: float

    def header(self, token: str) -> _Header:
        """The header of a token that is not proven yet: good for finding its key. Raises `InvalidToken`."""
        try:
            unproven = jwt.get_unverified_header(token)
            if FORBIDDEN_HEADERS & unproven.keys():
                raise InvalidToken("The token's header is not allowed.")
            header = _Header.model_validate(unproven)
        except (jwt.PyJWTError, ValidationError) as error:
            raise InvalidToken("The token's header can't be read.") from error
        if header.alg not in self.algorithms:
            raise InvalidToken("The token's algorithm is not allowed.")
        return header

    def principal(self, token: str, keys: KeySet) -> Principal:
        """Whose token this is. Raises `InvalidToken`; its message never quotes the token."""
        header = self.header(token)
        claims = self._prove(token, keys.find(header.kid, header.alg), header.alg)
        try:
            proven = _Claims.model_validate(claims)
        except ValidationError as error:
            raise InvalidToken("The token's claims can't be read.") from error
        return Principal(proven.sub, known_scopes(proven.names()), proven.exp + self.leeway)

    def _prove(self, token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self.audience,
                issuer=self.issuer,
                leeway=self.leeway,
                options={"require": list(REQUIRED_CLAIMS)},
            )
        except jwt.ExpiredSignatureError as error:
            raise InvalidToken("The token has expired.") from error
        except jwt.PyJWTError as error:
            raise InvalidToken("The token is not valid.") from error
