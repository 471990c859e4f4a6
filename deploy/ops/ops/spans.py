"""Lengths of time and moments, as people write and read them. Pure."""

import re
from datetime import UTC, datetime, timedelta

from ops.failures import SettingWrong

MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds
UNITS = {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY}
SPAN = re.compile(r"(\d{1,6})\s*([smhd])")
TENTHS_BELOW = 10  # seconds


def span(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3 min 20 s`, `5 h 2 min`, `3 d 4 h`."""
    if seconds < TENTHS_BELOW:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return _two(whole, MINUTE, "min", 1, "s")
    if whole < DAY:
        return _two(whole, HOUR, "h", MINUTE, "min")
    return _two(whole, DAY, "d", HOUR, "h")


def moment(text: str, now: datetime) -> datetime:
    """`2h`, `15m`, `3d` before now; or an ISO 8601 time, UTC unless it says otherwise.

    Raises:
        SettingWrong: it is neither.
    """
    if ago := SPAN.fullmatch(text.strip()):
        return now - timedelta(seconds=int(ago[1]) * UNITS[ago[2]])
    try:
        told = datetime.fromisoformat(text.strip())
    except ValueError:
        raise SettingWrong(f"{text!r} is neither a time, as in 2026-11-22T20:00, nor how long ago, as in 2h") from None
    return told if told.tzinfo is not None else told.replace(tzinfo=UTC)


def _two(whole: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = whole % large // small
    return f"{whole // large} {large_name}" + (f" {rest} {small_name}" if rest else "")
