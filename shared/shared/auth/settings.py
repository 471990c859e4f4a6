"""What the environment says about tokens. With none of it set, every token is refused."""

from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from shared.settings import Settings

# Signatures that a public key can check. HS256 and its like are left out on purpose: with them, whoever
# knows our public key could sign.
ASYMMETRIC = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"},
)
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class AuthSettings(Settings):
    """`AUTH_STATIC_KEYS`, `AUTH_JWT_*`, `AUTH_JWKS*`."""

    auth_static_keys: SecretStr | None = Field(
        None, description="Comma-separated <id>:<scopes separated by spaces>:<sha256 hex of the whole token>."
    )
    auth_jwt_issuer: str | None = Field(None, description="The `iss` that a JWT must carry; unset: no JWT is taken.")
    auth_jwt_audience: str | None = Field(None, description="The `aud` that a JWT must carry.")
    auth_jwt_algorithms: Annotated[tuple[str, ...], NoDecode] = Field(
        ("RS256", "ES256", "EdDSA"), description="Signature algorithms taken, comma-separated; public-key ones only."
    )
    auth_jwt_leeway: float = Field(10.0, ge=0, le=300, description="Seconds that clocks may differ.")
    auth_jwks_url: str | None = Field(None, description="Where the issuer publishes its keys; https.")
    auth_jwks: str | None = Field(None, description="The issuer's keys themselves (a JWKS as JSON), instead of a URL.")
    auth_jwks_refresh: float = Field(300.0, gt=0, description="Seconds between refreshes of the keys.")
    auth_jwks_cooldown: float = Field(30.0, gt=0, description="An unknown key id asks again once in so many seconds.")
    auth_jwks_max_stale: float = Field(86400.0, gt=0, description="Seconds that keys are used without a good refresh.")
    auth_jwks_timeout: float = Field(5.0, gt=0, le=60, description="Seconds for one refresh, in all.")

    @field_validator("auth_jwt_algorithms", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(filter(None, (name.strip() for name in value.split(",")))) if isinstance(value, str) else value

    @field_validator("auth_jwt_algorithms")
    @classmethod
    def _public_key_only(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not ASYMMETRIC.issuperset(value):
            raise ValueError(f"AUTH_JWT_ALGORITHMS takes only {', '.join(sorted(ASYMMETRIC))}")
        return value

    @field_validator("auth_jwks_url")
    @classmethod
    def _unforgeable(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://unset")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ValueError("AUTH_JWKS_URL must be https: whoever changes it on the way signs tokens")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.auth_jwks_url and self.auth_jwks:
            raise ValueError("set AUTH_JWKS_URL or AUTH_JWKS, not both")
        if self.auth_jwt_issuer and not (self.auth_jwt_audience and (self.auth_jwks_url or self.auth_jwks)):
            raise ValueError("AUTH_JWT_ISSUER needs AUTH_JWT_AUDIENCE, and AUTH_JWKS_URL or AUTH_JWKS")
        if not self.auth_jwt_issuer and (self.auth_jwks_url or self.auth_jwks):
            raise ValueError("keys without AUTH_JWT_ISSUER would go unused")
        return self
