"""`Depends(require("events:read"))`: a route behind a bearer token and a scope."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated

import structlog
from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from shared.auth.authenticator import Authenticator
from shared.auth.principal import InvalidToken, Principal, Scope
from shared.problems import Problem

REALM = "understudy"

log = structlog.get_logger(__name__)
_bearer = HTTPBearer(auto_error=False, description="A static key (us_…) or a JWT.")


def require(scope: Scope | str) -> Callable[[Principal], Awaitable[Principal]]:
    """The dependency that gives the `Principal` of a request which may do `scope`.

    Otherwise 401 or 403 as RFC 6750 section 3 says them, or 503 when the issuer's keys are away. The scope stands in
    OpenAPI. The app carries its `Authenticator` as `app.state.authenticator`, and `problems.install` was called on it.
    """
    needed = Scope(scope).value

    async def allowed(principal: Annotated[Principal, Security(_authorized, scopes=[needed])]) -> Principal:
        return principal

    return allowed


async def _authorized(
    request: Request,
    needed: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Principal:
    if credentials is None:
        raise _refusal(401, "A bearer token is needed.")
    return await authorize(request.app.state.authenticator, credentials.credentials, needed.scopes, request.url.path)


async def authorize(authenticator: Authenticator, token: str, scopes: Iterable[str], path: str) -> Principal:
    """Whose token it is, for what is no FastAPI route. Raises Problem as `require` does."""
    try:
        principal = await authenticator.principal(token)
    except InvalidToken as error:
        log.info("auth.refused", path=path, reason=str(error))
        raise _refusal(401, str(error), error="invalid_token") from None
    needed = " ".join(scopes)
    if not all(principal.may(scope) for scope in needed.split()):
        log.info("auth.refused", path=path, reason="insufficient_scope", subject=principal.subject)
        raise _refusal(403, f"The scope {needed} is needed.", "insufficient_scope", needed)
    return principal


def _refusal(status: int, detail: str, error: str | None = None, scope: str | None = None) -> Problem:
    parts = {"realm": REALM, "error": error, "error_description": error and detail, "scope": scope}
    challenge = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parts.items() if value)
    return Problem(status, detail, headers={"WWW-Authenticate": challenge})
