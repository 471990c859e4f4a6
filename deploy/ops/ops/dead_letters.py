"""Read, replay and drop what the delivery policy buried in the stream DEAD_LETTERS."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg

from ops.failures import NotFound, Refused
from shared.topology import DEAD_LETTERS

PUBLISH_TIMEOUT = 10.0  # seconds until the PubAck


@dataclass(frozen=True)
class DeadLetter:
    """A buried message: `sequence` is its own in DEAD_LETTERS, `headers` are all that it carries."""

    sequence: int
    headers: dict[str, str]
    body: bytes

    @property
    def subject(self) -> str:
        """Where it was published first."""
        return self.headers.get("Dead-Subject", "")

    @property
    def stream(self) -> str:
        return self.headers.get("Dead-Stream", "")

    @property
    def consumer(self) -> str:
        return self.headers.get("Dead-Consumer", "")

    @property
    def reason(self) -> str:
        return self.headers.get("Dead-Reason", "")

    @property
    def at(self) -> datetime | None:
        """When it was buried."""
        try:
            return datetime.fromisoformat(self.headers["Dead-At"])
        except (KeyError, ValueError):
            return None

    def summary(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "at": self.headers.get("Dead-At"),
            "consumer": self.consumer or None,
            "subject": self.subject or None,
            "error": self.headers.get("Dead-Error"),
            "reason": self.reason or None,
            "attempts": _number(self.headers.get("Dead-Attempts")),
            "bytes": len(self.body),
        }

    def revived_headers(self) -> dict[str, str]:
        """Its headers as they were, under a new message id; nothing of the burial, nothing that steers the server.

        The id is the same for each replay of this dead letter: one that stored the message, and died before it could
        remove the dead letter, stores nothing when it is repeated within the stream's duplicate window.
        """
        own = {name: value for name, value in self.headers.items() if not name.startswith(("Dead-", "Nats-"))}
        return own | {"Nats-Msg-Id": f"replay:{self.sequence}:{self.headers.get('Dead-At', '')}"}


@dataclass(frozen=True)
class Filter:
    """`subject` is the original one, NATS wildcards allowed. `reason`: part of the reason, in any case of letters."""

    subject: str | None = None
    consumer: str | None = None
    reason: str | None = None
    since: datetime | None = None

    @property
    def stored_under(self) -> str:
        return f"dead.{self.consumer or '*'}.{self.subject or '>'}"

    def matches(self, letter: DeadLetter) -> bool:
        if self.reason and self.reason.lower() not in letter.reason.lower():
            return False
        return self.since is None or letter.at is None or letter.at >= self.since


class Cemetery:
    def __init__(self, jetstream: JetStreamContext) -> None:
        self._jetstream = jetstream

    async def matching(self, wanted: Filter, after: int = 0) -> AsyncIterator[DeadLetter]:
        """Oldest first; only what lay there at the beginning, so that a replay does not meet what it revived."""
        last = (await self._jetstream.stream_info(DEAD_LETTERS.name)).state.last_seq
        sequence = after
        while sequence < last:
            try:
                raw = await self._jetstream.get_msg(
                    DEAD_LETTERS.name, seq=sequence + 1, subject=wanted.stored_under, next=True, direct=True
                )
            except nats.js.errors.NotFoundError:
                return
            letter = _letter(raw)
            sequence = letter.sequence
            if sequence <= last and wanted.matches(letter):
                yield letter

    async def get(self, sequence: int) -> DeadLetter:
        """Raises NotFound."""
        try:
            return _letter(await self._jetstream.get_msg(DEAD_LETTERS.name, seq=sequence, direct=True))
        except nats.js.errors.NotFoundError:
            raise NotFound(f"there is no dead letter {sequence}") from None

    async def replay(self, letter: DeadLetter) -> int:
        """Publish it again where it came from, wait until that is stored, then drop it. Answers its new sequence.

        Raises Refused when it does not say where it came from, or its stream is gone.
        """
        if not letter.subject or not letter.stream:
            raise Refused(f"dead letter {letter.sequence} does not say where it came from")
        try:
            stored = await self._jetstream.publish(
                letter.subject,
                letter.body,
                stream=letter.stream,
                timeout=PUBLISH_TIMEOUT,
                headers=letter.revived_headers(),
            )
        except (nats.js.errors.NoStreamResponseError, nats.js.errors.BadRequestError) as error:
            raise Refused(f"dead letter {letter.sequence}: {letter.stream} does not take {letter.subject}") from error
        await self.drop(letter)
        return stored.seq

    async def drop(self, letter: DeadLetter) -> None:
        try:
            await self._jetstream.delete_msg(DEAD_LETTERS.name, letter.sequence)
        except nats.js.errors.APIError as error:
            # Somebody else dropped it meanwhile, or it expired: it is gone, as wanted.
            if error.err_code not in SEQUENCE_NOT_FOUND:
                raise


SEQUENCE_NOT_FOUND = {10043, 10057}  # JetStream's error codes: no such sequence; it could not be deleted


def _letter(raw: RawStreamMsg) -> DeadLetter:
    return DeadLetter(sequence=raw.seq or 0, headers=dict(raw.headers or {}), body=raw.data or b"")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
