"""Shopify's bucket as docs/shopify.md 2.3 has it, written apart from ours, and requests on a network that reorders."""

from dataclasses import dataclass

from hypothesis import strategies as st

from shared.shopify.bucket import ThrottleStatus

SMALL = 1e-6


class Shopify:
    """The leaky bucket."""

    def __init__(self, maximum, rate, at=0.0):
        self.maximum, self.rate, self.level, self.at = maximum, rate, maximum, at

    def pass_time(self, at):
        self.level = min(self.maximum, self.level + (at - self.at) * self.rate)
        self.at = at

    def admit(self, cost, at):
        self.pass_time(at)
        if self.level + SMALL < cost:
            return False
        self.level -= cost
        return True

    def finish(self, refund, at):
        self.pass_time(at)
        self.level = min(self.maximum, self.level + refund)

    def limit(self, maximum, rate, at):
        """What was spent stays spent."""
        self.pass_time(at)
        self.level = max(0.0, maximum - (self.maximum - self.level))
        self.maximum, self.rate = maximum, rate

    def status(self):
        return ThrottleStatus(float(self.maximum), float(int(self.level)), float(self.rate))


@dataclass(frozen=True)
class Request:
    gap: float  # seconds after the one before is granted
    cost: int
    used: float  # share of the cost
    there: float
    inside: float
    back: float  # seconds on the way, at work, and on the way back
    speaks: bool  # whether the answer carries a throttleStatus


seconds = st.floats(0, 5)
requests = st.builds(
    Request,
    gap=st.one_of(st.just(0.0), seconds),
    cost=st.integers(1, 1000),
    used=st.floats(0, 1),
    there=seconds,
    inside=seconds,
    back=seconds,
    speaks=st.booleans(),
)
limits = st.sampled_from([(1000, 50), (2000, 100), (4000, 200), (20000, 1000)])
