"""What FastAPI can't know of the command API: the bodies, which we read ourselves."""

from pydantic.json_schema import models_json_schema

from shared.openapi import Document
from writer.api.commands import CreateEvent, EditEvent, EditTicket, NewTicket

BODIES = (CreateEvent, EditEvent, NewTicket, EditTicket)


def with_bodies(document: Document) -> None:
    """Add the schemas that the routes refer to."""
    _, bodies = models_json_schema(
        [(body, "validation") for body in BODIES], ref_template="#/components/schemas/{model}"
    )
    document["components"]["schemas"].update(bodies["$defs"])
