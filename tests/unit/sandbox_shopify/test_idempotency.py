"""@idempotent: one effect for one key."""

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.shopify.idempotency import Done, Idempotency
from sandbox.shopify.refusals import Refused


class Clock:
    def __init__(self):
        self.now = datetime(2026, 11, 22, tzinfo=UTC)

    def __call__(self):
        return self.now


def effects(refused=False, remembered=True):
    done = []

    def effect():
        done.append(1)
        return Done(len(done), refused, remembered)

    return effect


def run(ledger, effect, key="k", arguments=None):
    held = ledger.hold([key])
    try:
        return ledger.once(key, held, "inventorySetQuantities", arguments or {"a": 1}, effect)
    finally:
        ledger.release(held)


def test_a_used_key_answers_again_and_has_no_second_effect():
    ledger, effect = Idempotency(Clock()), effects()
    assert (run(ledger, effect), run(ledger, effect)) == (1, 1)


def test_a_used_key_with_other_arguments_is_refused():
    ledger, effect = Idempotency(Clock()), effects()
    run(ledger, effect)
    with pytest.raises(Refused) as refused:
        run(ledger, effect, arguments={"a": 2})
    assert refused.value.errors[0].code == "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"


def test_a_key_that_another_request_holds_is_refused():
    ledger, effect = Idempotency(Clock()), effects()
    first, second = ledger.hold(["k"]), ledger.hold(["k"])
    with pytest.raises(Refused) as refused:
        ledger.once("k", second, "m", {}, effect)
    assert refused.value.errors[0].code == "IDEMPOTENCY_CONCURRENT_REQUEST"
    assert ledger.once("k", first, "m", {}, effect) == 1


def test_a_refused_call_does_not_use_up_its_key_unless_it_says_so():
    ledger, effect = Idempotency(Clock()), effects(refused=True, remembered=False)
    assert (run(ledger, effect), run(ledger, effect)) == (1, 2)


def test_a_key_that_a_refusal_used_up_is_refused_from_then_on():
    ledger, effect = Idempotency(Clock()), effects(refused=True)
    assert run(ledger, effect) == 1
    with pytest.raises(Refused) as refused:
        run(ledger, effect)
    assert refused.value.errors[0].code == "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"


def test_keys_are_forgotten_after_a_day():
    clock = Clock()
    ledger, effect = Idempotency(clock), effects()
    run(ledger, effect)
    clock.now += timedelta(hours=25)
    assert run(ledger, effect) == 2
