"""The OpenAPI document, without what FastAPI says of its own accord and we don't do."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

NOT_OURS = ("HTTPValidationError", "ValidationError")  # what can't be read is a problem (400), never FastAPI's 422


def install(app: FastAPI) -> None:
    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to change it


def _document(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    for methods in found["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
    for name in NOT_OURS:
        found["components"]["schemas"].pop(name, None)
    return found
