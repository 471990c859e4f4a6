"""Changes come in, events go out: decide, do, say. A batch at a time."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import structlog
from nats.aio.msg import Msg

from shared.contracts import Change, UnknownContract, parse
from shared.errors import Unavailable
from shared.loops import Loop
from syncer import metrics
from syncer.announcer import Announcer, Said
from syncer.standing import bearer
from syncer.store import Projected, Store

log = structlog.get_logger()

BULK_FINISHED = "bulk_operations/finish"
NAMED = 10  # events of a batch in its log line


class Unsaid(Unavailable):
    """What is committed could not be said."""


class Projector:
    """What `consuming` hands over goes through the store to the announcer. Only then it is acknowledged."""

    def __init__(
        self, store: Store, announcer: Announcer, refetches: Loop, bulk_finished: Callable[[], None] | None = None
    ) -> None:
        """`bulk_finished` is called when Shopify says that a bulk operation has ended."""
        self._store = store
        self._announcer = announcer
        self._refetches = refetches
        self._bulk_finished = bulk_finished

    async def handle(self, messages: Sequence[Msg]) -> list[Exception | None]:
        """Project, raise, announce. For each message None, or why it alone is not settled.

        Raises:
            what `Store.project` and `Announcer.announce` raise: the batch must come again.
        """
        read = [_read(message) for message in messages]
        changes = [change for change in read if isinstance(change, Change)]
        with metrics.PROJECT_SECONDS.time():
            projected = await self._store.project(changes) if changes else []
        again = [message.metadata.num_delivered > 1 for message, change in zip(messages, read, strict=True)
                 if isinstance(change, Change)]  # fmt: skip
        try:
            await self._say(changes, projected, again)
        except Unavailable:
            raise
        except Exception as error:  # committed: only a redelivery says it once more, halves never would
            raise Unsaid(repr(error)) from error
        _account(changes, projected)
        became = iter(projected)
        return [next(became).error if isinstance(each, Change) else each for each in read]

    async def _say(self, changes: Sequence[Change], projected: Sequence[Projected], again: Sequence[bool]) -> None:
        said = [Said(each, change) for each, change in zip(projected, changes, strict=True) if each.changed]
        said += await self._standing(changes, projected, again)
        if said:
            await self._announcer.announce(said)
            now = datetime.now(UTC)
            for each in said:
                metrics.VISIBLE_SECONDS.observe(max(0.0, (now - each.change.time).total_seconds()))
        if any(each.refetch is not None for each in projected):
            self._refetches.wake()
        if self._bulk_finished and any(change.topic == BULK_FINISHED for change in changes):
            self._bulk_finished()

    async def _standing(
        self, changes: Sequence[Change], projected: Sequence[Projected], again: Sequence[bool]
    ) -> list[Said]:
        """A change that comes again may have died between its commit and its announcement: say it once more."""
        redelivered = {
            each.event_id: change
            for change, each, is_again in zip(changes, projected, again, strict=True)
            if is_again and each.event_id and not each.changed
        }
        if not redelivered:
            return []
        standing = list((await self._store.standing(list(redelivered))).values())
        if not standing:
            return []
        bears = bearer(standing)  # the others are dropped as duplicates if they are
        said = [each if each is bears else replace(each, events_revision=None) for each in standing]
        return [Said(each, redelivered[each.event_id], again=True) for each in said]


def _read(message: Msg) -> Change | Exception:
    """A message that is no change of ours is buried by itself."""
    try:
        contract = parse(message.headers, message.data)
    except UnknownContract as error:
        return error
    return contract if isinstance(contract, Change) else UnknownContract(f"{contract.TYPE} is no change")


def _account(changes: Sequence[Change], projected: Sequence[Projected]) -> None:
    """One line and one count for each outcome: a flood is no reason to write a thousand of them."""
    outcomes = Counter(
        (_kind(change), change.origin, each.outcome) for change, each in zip(changes, projected, strict=True)
    )
    for labels, number in outcomes.items():
        metrics.CHANGES.labels(*labels).inc(number)
    events = {each.event_id: each for each in projected if each.changed}
    if len(changes) == 1:
        [change], [each] = changes, projected
        one = {"kind": _kind(change), "topic": change.topic, "change": change.id, "refetch": each.refetch}
        log.info("change.projected", event_id=each.event_id, outcome=each.outcome, origin=change.origin,
                 revision=each.revision, **one)  # fmt: skip
        return
    log.info(
        "changes.projected",
        changes=len(changes),
        outcomes={" ".join(labels): number for labels, number in outcomes.items()},
        events=len(events),
        revisions={str(event_id): each.revision for event_id, each in list(events.items())[:NAMED]},
        refetches=sum(each.refetch is not None for each in projected),
    )


def _kind(change: Change) -> str:
    return change.TYPE.split(".")[1]
