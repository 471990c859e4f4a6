"""Do the clocks agree on which change is the newer one? Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from syncer.doctor.findings import Finding, failed, ok, warning

WARN_ABOVE, FAIL_ABOVE = 2.0, 60.0  # seconds
SHOPIFY = (
    "Reads of ours are timed by our clock, webhooks by Shopify's: when ours is fast, an edit can stay hidden until the "
    "next one; when it is slow, we read more often than we had to."
)
POSTGRES = "Schedules, leases and ages are judged by PostgreSQL's clock, changes are timed by ours."
ADVICE = "Keep {whose} in time by NTP (chrony, systemd-timesyncd)."


@dataclass(frozen=True)
class Ahead:
    """How far the other clock is ahead of ours, in seconds: somewhere between the two."""

    least: float
    most: float


def ahead(asked_at: datetime, said: datetime, heard_at: datetime, grain: timedelta = timedelta()) -> Ahead:
    """Their clock showed `said`, rounded down to `grain`, at some time between our `asked_at` and `heard_at`."""
    return Ahead((said - heard_at).total_seconds(), (said + grain - asked_at).total_seconds())


def narrowed(readings: Iterable[Ahead]) -> Ahead | None:
    """What all of them agree on; None without any."""
    known = list(readings)
    if not known:
        return None
    least, most = max(one.least for one in known), min(one.most for one in known)
    if least > most:  # a clock was set between them
        return known[-1]
    return Ahead(least, most)


def finding(check: str, whose: str, reading: Ahead | None, means: str) -> Finding:
    """What is sure: the clocks differ at least by the end of the span that is nearer to 0."""
    if reading is None:
        return warning(check, f"{whose} does not say what time it is.", None)
    skew = reading.least if reading.least > 0 else reading.most if reading.most < 0 else 0.0
    if abs(skew) <= WARN_ABOVE:
        most = max(abs(reading.least), abs(reading.most))
        return ok(check, f"{whose}'s clock and ours agree to within {most:.1f} s.")
    says = f"{whose}'s clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} ours. {means}"
    judged = failed if abs(skew) > FAIL_ABOVE else warning
    return judged(
        check, says, ADVICE.format(whose="the clock of this machine" if whose == "Shopify" else "both clocks")
    )
