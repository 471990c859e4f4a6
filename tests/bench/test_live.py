"""10,000 live browsers on one process: its memory, and how soon all have heard a purge, beside a bare ASGI fan-out."""

import pytest

from ops.bench.live import LATEST, MOST_MEMORY, run
from ops.bench.report import OURS, number

pytestmark = pytest.mark.bench

STREAMS = 10_000
SECONDS = 15.0


def test_ten_thousand_live_browsers() -> None:
    rows = run(streams=STREAMS, seconds=SECONDS, progress=print)
    print()  # noqa: T201
    for row in rows:
        figures = "   ".join(f"{name} {number(value):>8}" for name, value in row.figures.items())
        print(f"{row.who:20} {figures}   ({row.note})")  # noqa: T201
    ours = next(row.figures for row in rows if row.who == OURS)
    assert ours["errors"] == 0
    assert ours["memory MB"] < MOST_MEMORY
    assert ours["p99 ms"] < LATEST
