"""The leaky bucket: admission, continuous restore, refunds, a cut while it runs."""

from sandbox.shopify.bucket import Allowance, Bucket


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_sixteen_parallel_queries_of_862_are_admitted_as_measured():
    clock = Clock()
    bucket = Bucket(4000, 200, clock)
    admitted = [bucket.admit(862) for _ in range(16)]
    assert admitted == [True] * 4 + [False] * 12
    clock.now += 0.1
    assert bucket.status() == {"maximumAvailable": 4000.0, "currentlyAvailable": 572, "restoreRate": 200.0}


def test_a_rejected_call_costs_nothing():
    bucket = Bucket(100, 10, Clock())
    assert bucket.admit(60)
    assert not bucket.admit(60)
    assert bucket.admit(40)


def test_points_come_back_continuously_and_never_above_the_maximum():
    clock = Clock()
    bucket = Bucket(1000, 50, clock)
    bucket.admit(500)
    clock.now += 0.5
    assert bucket.available() == 525
    bucket.refund(100)
    assert bucket.available() == 625
    clock.now += 3600
    assert bucket.available() == 1000


def test_a_cut_keeps_what_was_spent():
    bucket = Bucket(2000, 100, Clock())
    bucket.admit(300)
    bucket.limit(1000, 50)
    assert bucket.status() == {"maximumAvailable": 1000.0, "currentlyAvailable": 700, "restoreRate": 50.0}
    bucket.limit(200, 50)
    assert bucket.available() == 0


def test_a_hidden_bucket_admits_less_than_is_told():
    clock = Clock()
    allowance = Allowance(Bucket(1000, 100, clock))
    allowance.hide(None, 50)
    assert allowance.admit(1000)
    allowance.refund(1000)
    assert allowance.admit(1000)
    clock.now += 1
    assert allowance.status()["currentlyAvailable"] == 100
    assert not allowance.admit(60)
    assert allowance.admit(50)


def test_what_is_spent_counts_in_a_bucket_that_is_hidden_later():
    allowance = Allowance(Bucket(1000, 100, Clock()))
    allowance.admit(700)
    allowance.hide(800, None)
    assert allowance.hidden.available() == 100
    allowance.hide(800, None)
    assert allowance.hidden.available() == 100
    allowance.hide(None, None)
    assert allowance.admit(300)


def test_what_was_spent_is_known_refunds_taken_off():
    bucket = Bucket(1000, 100, Clock())
    bucket.admit(700)
    bucket.admit(700)
    bucket.refund(650)
    assert bucket.spent == 50
