"""Read the body of a command: bounded in bytes, seconds and depth, then checked field by field."""

from typing import Any, TypeVar

import structlog
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ValidationError

from shared.intake import Intake
from shared.lingering import Lingering
from shared.problems import Problem, from_validation
from shared.refusals import Refused
from writer.api import metrics
from writer.api.settings import WriterApiSettings

log = structlog.get_logger()
Body = TypeVar("Body", bound=BaseModel)

LONGEST_NAME = 64  # characters of a field's name that an error repeats
OWN_WORDS = "Value error, "  # what pydantic puts before ours
RETRY_AFTER = 1  # seconds


class Bodies:
    def __init__(self, settings: WriterApiSettings) -> None:
        self._intake = Intake(settings.writer_max_body, settings.writer_body_deadline, settings.writer_body_room)

    async def read(self, request: Request, model: type[Body], kind: str) -> Body:
        """`kind`: of the command, for the metric.

        Raises:
            Refused: it can't be taken in.
            Problem: 400 for what is no JSON, 422 for what breaks a rule, with pointers.
        """
        try:
            self._intake.check(request.headers)
            async with self._intake.body(request) as raw:
                return model.model_validate_json(raw)
        except Refused:
            metrics.REFUSED.labels(kind, "unreadable").inc()
            raise
        except ValidationError as error:
            metrics.REFUSED.labels(kind, "invalid").inc()
            raise _told(error) from None


def install(app: FastAPI) -> None:
    """Make a problem of every `Refused`."""
    app.add_exception_handler(Refused, _on_refused)


def _told(error: ValidationError) -> Problem:
    return from_validation([_in_body(each) for each in error.errors(include_url=False, include_input=False)])


def _in_body(error: Any) -> dict[str, Any]:
    place = tuple(part if isinstance(part, int) else str(part)[:LONGEST_NAME] for part in error["loc"])
    return {**error, "loc": ("body", *place), "msg": error["msg"].removeprefix(OWN_WORDS)}


async def _on_refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, Refused):
        raise error
    log.info("command.unreadable", outcome=error.outcome, detail=str(error))
    headers = {"Retry-After": str(RETRY_AFTER)} if error.status == 503 else {}  # noqa: PLR2004 (HTTP's own number)
    answer = Problem(error.status, str(error), extensions={"outcome": error.outcome}, headers=headers).response()
    return Lingering(answer) if error.body_unread else answer
