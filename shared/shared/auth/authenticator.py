"""Whose bearer token is it? The one door for static keys and JWTs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2

from shared.auth.jwks import RemoteKeys
from shared.auth.keyset import KeySet
from shared.auth.principal import InvalidToken, Principal
from shared.auth.settings import AuthSettings
from shared.auth.static_keys import PREFIX, StaticKeys
from shared.auth.tokens import TokenRules

MAX_TOKEN_LENGTH = 8192  # characters; servers refuse longer header lines anyway


@dataclass(frozen=True, slots=True)
class Authenticator:
    """`keys` are the issuer's: inline (`KeySet`), or kept at hand (`RemoteKeys`)."""

    static_keys: StaticKeys = field(default_factory=StaticKeys)
    rules: TokenRules | None = None
    keys: KeySet | RemoteKeys = field(default_factory=KeySet)

    async def principal(self, token: str) -> Principal:
        """Whose token it is. Raises `InvalidToken`, or `KeysUnavailable` when that can't be known now."""
        if not token.isascii() or len(token) > MAX_TOKEN_LENGTH:
            raise InvalidToken("The token can't be read.")
        if token.startswith(PREFIX):
            return self.static_keys.principal(token)
        if self.rules is None:
            raise InvalidToken(f"This is neither a key (`{PREFIX}...`) nor a JWT that is accepted here.")
        return self.rules.principal(token, await self._keys_for(self.rules.header(token).kid))

    async def _keys_for(self, kid: str) -> KeySet:
        return await self.keys.having(kid) if isinstance(self.keys, RemoteKeys) else self.keys


@contextlib.asynccontextmanager
async def authenticator(
    settings: AuthSettings, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[Authenticator]:
    """From the settings; keeps the issuer's keys fresh while it is open. `transport` carries the fetches."""
    static_keys = StaticKeys.parse(settings.auth_static_keys.get_secret_value() if settings.auth_static_keys else "")
    rules = _rules(settings)
    if settings.auth_jwks_url is None:
        yield Authenticator(static_keys, rules, KeySet.parse(settings.auth_jwks) if settings.auth_jwks else KeySet())
        return
    async with httpx2.AsyncClient(transport=transport, timeout=settings.auth_jwks_timeout) as http:
        remote = _remote(settings.auth_jwks_url, settings, http)
        keeper = asyncio.create_task(remote.keep_fresh(), name="jwks-keeper")
        try:
            yield Authenticator(static_keys, rules, remote)
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
            await remote.close()


def _rules(settings: AuthSettings) -> TokenRules | None:
    if settings.auth_jwt_issuer is None or settings.auth_jwt_audience is None:
        return None
    return TokenRules(
        issuer=settings.auth_jwt_issuer,
        audience=settings.auth_jwt_audience,
        algorithms=settings.auth_jwt_algorithms,
        leeway=settings.auth_jwt_leeway,
    )


def _remote(url: str, settings: AuthSettings, http: httpx2.AsyncClient) -> RemoteKeys:
    return RemoteKeys(
        url,
        http,
        refresh=settings.auth_jwks_refresh,
        cooldown=settings.auth_jwks_cooldown,
        max_stale=settings.auth_jwks_max_stale,
        timeout=settings.auth_jwks_timeout,
    )
