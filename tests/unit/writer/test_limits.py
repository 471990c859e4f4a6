"""A client has a burst and then its rate, each client its own, and their memory is bounded."""

from writer.api import limits
from writer.api.limits import ClientRates


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_the_rate():
    clock = Clock()
    rates = ClientRates(2.0, 3, clock)
    assert [rates.take("a") for _ in range(3)] == [0, 0, 0]
    assert rates.take("a") == 0.5
    clock.now = 0.5
    assert [rates.take("a"), rates.take("a")] == [0, 0.5]
    clock.now = 1000.0
    assert [rates.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_clients_dont_take_each_others():
    rates = ClientRates(1.0, 1, Clock())
    assert [rates.take("a"), rates.take("b"), rates.take("a")] == [0, 0, 1.0]


def test_whoever_was_quiet_longest_is_forgotten():
    rates = ClientRates(1.0, 1, Clock())
    for number in range(limits.MOST_CLIENTS + 10):
        rates.take(str(number))
    assert len(rates._clients) == limits.MOST_CLIENTS
    assert rates.take(str(limits.MOST_CLIENTS + 9)) > 0
    assert rates.take("0") == 0
