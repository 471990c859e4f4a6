"""An outage or a stranger can't flood the log: what repeats is counted, what is work is written."""

import subprocess
import sys
from collections import Counter

import orjson
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from shared import telemetry
from shared.telemetry import LIMIT, NAMES, OTHER, LogLimit

FLOOD = 100


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


# Logging is the whole process's, so a flood is a process of its own. It ends by saying what it counted.
FLOODED = f"""
import logging, prometheus_client, structlog
from shared import telemetry
from shared.settings import ServiceSettings
telemetry.configure(ServiceSettings(), "test")
log, library = structlog.get_logger(), logging.getLogger("library")
for number in range({FLOOD}):
    try:
        raise OSError("away")
    except OSError:
        log.exception("flood")
    log.info("our work")
    library.warning("broke %d", number)
    library.info("their work")
print(prometheus_client.generate_latest().decode())
"""


@pytest.fixture(scope="module")
def flooded() -> tuple[str, str]:
    """What it wrote to standard error, and its metrics."""
    done = subprocess.run([sys.executable, "-c", FLOODED], check=True, capture_output=True, text=True, timeout=60)  # noqa: S603 (our own text)
    return done.stderr, done.stdout


def suppressed(metrics: str, event: str) -> int:
    families = text_string_to_metric_families(metrics)
    samples = (sample for family in families for sample in family.samples)
    name = "understudy_log_lines_suppressed_total"
    return int(next(sample.value for sample in samples if sample.name == name and sample.labels == {"event": event}))


def lines(text: str, event: str) -> list[dict[str, object]]:
    found = [orjson.loads(line) for line in text.splitlines()]
    return [line for line in found if str(line["event"]).startswith(event)]


def test_the_first_few_of_a_second_are_written_and_the_next_second_tells_of_the_rest(clock):
    limit = LogLimit(clock)
    assert [limit.admit("a") for _ in range(LIMIT + 2)] == [0] * LIMIT + [None] * 2
    clock.now = 1.0
    assert [limit.admit("a"), limit.admit("a")] == [2, 0]


def test_one_name_is_no_burden_to_another(clock):
    limit = LogLimit(clock)
    for _ in range(FLOOD):
        limit.admit("loud")
    assert limit.admit("quiet") == 0


def test_names_without_end_take_no_memory_without_end_and_share_one_limit(clock):
    limit = LogLimit(clock)
    for number in range(NAMES):
        assert limit.admit(f"name {number}") == 0
    written = [limit.admit(f"stranger {number}") for number in range(FLOOD)]
    assert written == [0] * LIMIT + [None] * (FLOOD - LIMIT)
    assert limit.known("stranger 1") == OTHER
    assert limit.known("name 1") == "name 1"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 0.7))))
def test_no_second_has_more_than_its_lines_and_none_goes_uncounted(steps):
    clock = Clock()
    limit = LogLimit(clock)
    written, dropped, told = Counter[tuple[str, int]](), Counter[str](), Counter[str]()
    for name, pause in steps:
        clock.now += pause
        admitted = limit.admit(name)
        if admitted is None:
            dropped[name] += 1
            assert written[name, int(clock.now)] == LIMIT
        else:
            written[name, int(clock.now)] += 1
            told[name] += admitted
            assert told[name] == dropped[name]
    assert all(count <= LIMIT for count in written.values())


def test_a_flood_of_errors_is_a_few_lines_a_second_and_a_count(flooded):
    said, metrics = flooded
    written = lines(said, "flood")
    # A new second may begin in the middle.
    assert LIMIT <= len(written) < FLOOD
    assert "OSError: away" in str(written[0]["exception"])
    assert len(written) + suppressed(metrics, "flood") == FLOOD


@pytest.mark.parametrize("event", ["our work", "their work"])
def test_lines_of_work_are_all_written(flooded, event):
    said, _ = flooded
    assert len(lines(said, event)) == FLOOD


def test_other_libraries_are_held_to_the_same_by_logger(flooded):
    said, metrics = flooded
    assert LIMIT <= len(lines(said, "broke")) < FLOOD
    assert len(lines(said, "broke")) + suppressed(metrics, "library") == FLOOD


def test_the_line_after_a_flood_says_how_much_was_left_out(clock, capsys):
    limit = LogLimit(clock)
    processors = [telemetry.limited(limit), structlog.processors.JSONRenderer()]
    log = structlog.wrap_logger(structlog.PrintLogger(), processors=processors)
    for _ in range(FLOOD):
        log.error("test.told")
    clock.now = 1.0
    log.error("test.told")
    said = lines(capsys.readouterr().out, "test.told")
    assert [line.get("suppressed") for line in said] == [None] * LIMIT + [FLOOD - LIMIT]
