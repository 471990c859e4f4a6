"""How far the shop's events have come on their way to the readers, as the parts themselves say."""

from dataclasses import dataclass
from typing import Any, Self

from ops.data_in_words import run
from ops.web import Http
from shared.topology import SYNCER_CHANGES


@dataclass(frozen=True)
class Arrival:
    """`read` products were read from Shopify; `unprojected` changes and `refetches` wait; `events` are readable.

    `complete`: the whole shop was read once, by this start or an earlier one with the same data.
    `doing`: what the syncer is at, in words.
    """

    complete: bool
    read: int
    unprojected: int
    refetches: int
    events: int
    doing: str = ""

    def over(self, *, resumed: bool) -> bool:
        """A product too large for a page is readable only once it is refetched. `resumed`: all were there before."""
        return self.complete and self.unprojected == 0 and (resumed or self.refetches == 0)

    def words(self) -> str:
        return "; ".join(
            [f"{self.events:,} events readable, {self.unprojected:,} changes on their way", *filter(None, [self.doing])]
        )

    @classmethod
    def seen(cls, http: Http, read_api: str, nats_monitor: str) -> Self:
        status = http.get(f"{read_api}/v1/status") or {}
        backfill = status.get("backfill") or {}
        unprojected = _unprojected(http.get(f"{nats_monitor}/jsz?consumers=true") or {})
        return cls(
            complete=backfill.get("complete") is True and unprojected is not None,
            read=backfill.get("products") or 0,
            unprojected=unprojected or 0,
            refetches=status.get("refetches_pending") or 0,
            events=status.get("events") or 0,
            doing="; ".join(run(each) for each in status.get("runs") or []),
        )


def _unprojected(state: dict[str, Any]) -> int | None:
    """Changes that the syncer has not acknowledged; None when NATS doesn't say."""
    for account in state.get("account_details") or []:
        for stream in account.get("stream_detail") or []:
            for consumer in stream.get("consumer_detail") or []:
                if (stream["name"], consumer["name"]) == (SYNCER_CHANGES.stream.name, SYNCER_CHANGES.durable):
                    return int(consumer["num_pending"] + consumer["num_ack_pending"])
    return None
