"""Who asks, and what they may do: bearer tokens (static keys, JWT), scopes, and the FastAPI dependency.

settings = AuthSettings()
async with authenticator(settings) as auth:      # in the lifespan
app.state.authenticator = auth
...
@router.get("/v1/manage/events")
async def manage(principal: Annotated[Principal, Depends(require("events:read"))]) -> ...
"""

from shared.auth.authenticator import Authenticator, authenticator
from shared.auth.dependency import authorize, require
from shared.auth.principal import InvalidToken, Principal, Scope
from shared.auth.settings import AuthSettings
from shared.auth.static_keys import StaticKeys, mint

__all__ = [
    "AuthSettings",
    "Authenticator",
    "InvalidToken",
    "Principal",
    "Scope",
    "StaticKeys",
    "authenticator",
    "authorize",
    "mint",
    "require",
]
