"""Which stretch of Shopify's time a reconcile compares, and how Shopify is asked for it. Pure.

Windows overlap, because the search that lists what has changed lags behind (docs/shopify.md 2.6), and end before now,
because webhooks that are on their way are no drift. Each begins before the end of what was compared so far, whoever
asks for it, so that no time is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.errors import Permanent

SECOND = timedelta(seconds=1)  # the grain of the search


class NoWindow(Permanent):
    """The options of the run name no stretch of time that can be compared."""


@dataclass(frozen=True)
class Window:
    """Whole seconds of UTC, both ends included, as Shopify's search has them."""

    since: datetime
    until: datetime

    @property
    def empty(self) -> bool:
        return self.until < self.since

    def query(self, field: str) -> str:
        """In Shopify's search syntax. Without the quotes it would be read otherwise, in silence."""
        return f"{field}:>='{_spelled(self.since)}' AND {field}:<='{_spelled(self.until)}'"

    def halves(self) -> tuple["Window", "Window"]:
        """Together the same; of a single second, itself twice."""
        if self.since == self.until:
            return self, self
        middle = _floor(self.since + (self.until - self.since) / 2)
        return Window(self.since, middle), Window(middle + SECOND, self.until)

    def as_json(self) -> list[str]:
        return [_spelled(self.since), _spelled(self.until)]


@dataclass(frozen=True)
class Margins:
    """`overlap`: more than the search lags and than clocks differ. `grace`: as long as webhooks are on their way."""

    overlap: timedelta
    grace: timedelta


def window(compared: datetime | None, now: datetime, margins: Margins, options: Mapping[str, Any]) -> Window:
    """The next window. `compared`: up to when everything was compared, or read; `now` by Shopify's clock.

    `options` may name `since` and `until` (RFC 3339). An earlier `since` is obeyed; a later one is not: between the
    two nobody would ever look again.

    Raises:
        NoWindow: nothing was read yet and no `since` says where to begin, or the times can't be read.
    """
    since, until = _instant(options, "since"), _instant(options, "until")
    latest = now - margins.grace
    end = latest if until is None else min(until, latest)
    starts = [start for start in (since, compared and compared - margins.overlap) if start is not None]
    if not starts:
        raise NoWindow("nothing was read yet: a backfill must come first, or options must say since when")
    if since is not None and until is not None and until < since:
        raise NoWindow(f"{until} is before {since}")
    return Window(_floor(min(starts)), _floor(end))


def read(pair: list[str]) -> Window:
    """What `as_json` wrote."""
    return Window(datetime.fromisoformat(pair[0]), datetime.fromisoformat(pair[1]))


def _instant(options: Mapping[str, Any], name: str) -> datetime | None:
    text = options.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise NoWindow(f"{name} is {text!r}, which is no time") from error


def _floor(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


def _spelled(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
