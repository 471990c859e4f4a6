"""The OpenAPI document: with the bodies of commands, which FastAPI doesn't read, without what we don't answer."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from writer.api.commands import CreateEvent, EditEvent, EditTicket, NewTicket

BODIES = (CreateEvent, EditEvent, NewTicket, EditTicket)
NOT_OURS = ("HTTPValidationError", "ValidationError")
PROBLEM = "application/problem+json"


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
            refused = operation["responses"].get("422", {})
            if PROBLEM not in refused.get("content", {}):
                operation["responses"].pop("422", None)
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    _, bodies = models_json_schema(
        [(body, "validation") for body in BODIES], ref_template="#/components/schemas/{model}"
    )
    schemas.update(bodies["$defs"])
    for name in NOT_OURS:
        schemas.pop(name, None)
    return found
