"""What is told of a job, and to whom. Pure."""

from dataclasses import dataclass

import orjson

from shared.contracts import JobChangedV1


class NotAJob(ValueError):
    """The body is no JSON object."""


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """`text`: the event as it is told, but for its id and the empty line behind it."""

    job_id: str
    owner: str
    version: int
    text: bytes


@dataclass(frozen=True, slots=True)
class JobWish:
    """`ids`: None for every job that `owner` may see. `owner`: whose jobs may be seen; None: everyone's."""

    ids: frozenset[str] | None
    owner: str | None

    def wants(self, update: JobUpdate) -> bool:
        return self.owner in (None, update.owner) and (self.ids is None or update.job_id in self.ids)


def update_of(job: JobChangedV1) -> JobUpdate:
    """Whatever is in the body, the event stays one event: its data is one line of UTF-8. Raises NotAJob."""
    try:
        document = orjson.loads(job.body)
    except orjson.JSONDecodeError as error:
        raise NotAJob(f"the body of {job.id} is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise NotAJob(f"the body of {job.id} is no object")
    line = orjson.dumps(document) if b"\n" in job.body or b"\r" in job.body else job.body
    return JobUpdate(job.job_id, job.owner, job.version, b"event: job\ndata: " + line + b"\n")
