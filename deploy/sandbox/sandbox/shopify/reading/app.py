"""The app itself: what it may do, and the API versions there are."""

from typing import Any

from sandbox.shopify.context import Info, request_of
from sandbox.shopify.gids import gid
from sandbox.shopify.reading.fields import Resolver
from sandbox.shopify.versions import Versions


def versions_of(info: Info) -> Versions:
    request = request_of(info)
    return Versions.of(request.backstage.api_version, request.knobs.oldest_api_version)


def installation(_source: Any, info: Info) -> dict[str, Any]:
    """A scope to write is listed with the one to read that it includes."""
    held = request_of(info).backstage.scopes
    listed = sorted(held | {scope.replace("write_", "read_", 1) for scope in held})
    return {"__typename": "AppInstallation", "accessScopes": listed}


def public_versions(_source: Any, info: Info) -> list[dict[str, object]]:
    return versions_of(info).public()


APP_INSTALLATION: dict[str, Resolver] = {
    "id": lambda _, __: gid("AppInstallation", 1),
    "accessScopes": lambda found, _: [
        {"handle": scope, "description": scope.replace("_", " ").capitalize()} for scope in found["accessScopes"]
    ],
}
