"""The OpenAPI document of an API, without what FastAPI says of its own accord and we don't do."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared.problems import MEDIA_TYPE

NOT_OURS = ("HTTPValidationError", "ValidationError")

Document = dict[str, Any]


def install(app: FastAPI, amend: Callable[[Document], None] | None = None) -> None:
    """`amend` adds to the document, once, what FastAPI can't know."""

    def document() -> Document:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
            if amend is not None:
                amend(app.openapi_schema)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to change it


def _document(app: FastAPI) -> Document:
    """A 422 stays where a route declares it as a problem; FastAPI's own is never given."""
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    for methods in found["paths"].values():
        for operation in methods.values():
            if MEDIA_TYPE not in operation["responses"].get("422", {}).get("content", {}):
                operation["responses"].pop("422", None)
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for name in NOT_OURS:
        schemas.pop(name, None)
    return found
