"""What becomes of a message is decided in one place, by what its error says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import delivery
from shared.bus import BusRefused, BusUnavailable
from shared.contracts import UnknownContract
from shared.delivery import Bury, Failures, Retry, decide, one_line
from shared.errors import Permanent, Transient, Unavailable
from shared.postgres import NotMigrated, PostgresBusy, PostgresUnavailable
from shared.tags import RedisUnavailable
from syncer.rows import LostGuard
from syncer.webhook_payloads import MalformedPayload

AWAY = [Unavailable, PostgresUnavailable, NotMigrated, BusUnavailable, RedisUnavailable, TimeoutError]
HOPELESS = [Permanent, MalformedPayload, UnknownContract, BusRefused]
HOPEFUL = [Transient, PostgresBusy, LostGuard, RuntimeError, KeyError]


@pytest.mark.parametrize("error", AWAY)
@given(attempt=st.integers(1, 100_000))
def test_while_something_is_away_a_message_is_never_buried(error, attempt):
    outcome = decide(error("away"), attempt, 0)
    assert isinstance(outcome, Retry)
    assert outcome.waiting
    assert delivery.FIRST_DELAY <= outcome.delay <= delivery.MAX_DELAY


@pytest.mark.parametrize("error", HOPELESS)
def test_what_never_will_succeed_is_buried_at_once_and_says_why(error):
    assert decide(error("why"), 1, 1) == Bury(error.__name__, f"{error.__name__}: why")


@pytest.mark.parametrize("error", HOPEFUL)
def test_what_may_succeed_is_tried_so_often_and_no_more(error):
    for attempt in range(1, delivery.MAX_ATTEMPTS):
        outcome = decide(error("x"), attempt, attempt)
        assert isinstance(outcome, Retry)
        assert not outcome.waiting
    last = decide(error("x"), delivery.MAX_ATTEMPTS, delivery.MAX_ATTEMPTS)
    assert isinstance(last, Bury)
    assert last.error == error.__name__
    assert error.__name__ in last.reason


def test_deliveries_that_only_waited_for_a_server_cost_no_attempt():
    """After an outage everything comes back at once, deadlocks among it: a message must not be buried for the first."""
    assert isinstance(decide(PostgresBusy("deadlock"), 500, 1), Retry)
    assert delivery.waits(PostgresUnavailable())
    assert delivery.waits(TimeoutError())
    assert not delivery.waits(PostgresBusy())


def test_failures_are_counted_for_each_message_and_the_oldest_forgotten():
    failures = Failures(limit=2)
    assert [failures.count(("CHANGES", 1)), failures.count(("CHANGES", 1)), failures.count(("CHANGES", 2))] == [1, 2, 1]
    failures.count(("CHANGES", 3))
    assert failures.count(("CHANGES", 1)) == 1
    failures.forget(("CHANGES", 3))
    assert failures.count(("CHANGES", 3)) == 1


def test_delays_grow():
    delays = [decide(Transient(), attempt, attempt).delay for attempt in range(1, delivery.MAX_ATTEMPTS)]
    assert delays == sorted(delays)
    assert len(set(delays)) > 5


@given(st.text())
def test_a_reason_fits_a_header_whatever_it_says(reason):
    line = one_line(reason)
    assert line.isascii()
    assert not {"\n", "\r"} & set(line)
