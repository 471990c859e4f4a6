"""Which requests a fault strikes, and how often."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from sandbox.shopify.faults import ARMED, Fault, Faults, TooManyFaults

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def struck(faults, operation, fields, variables=None):
    """The id of the fault that strikes this request; None."""
    armed = faults.fitting(operation, fields, variables or {})
    if armed:
        faults.strike(armed, NOW, fields)
    return armed.id if armed else None


def test_the_first_that_fits_strikes_and_is_used_up():
    faults = Faults()
    any_mutation = faults.arm(Fault(effect="none", answer="closed", times=2)).id
    update = faults.arm(Fault(mutation="productUpdate", answer="error")).id
    assert struck(faults, "query", ["product"]) is None
    assert [struck(faults, "mutation", ["productUpdate"]) for _ in range(4)] == [
        any_mutation, any_mutation, update, None,
    ]  # fmt: skip
    assert [strike.fault_id for strike in faults.struck] == [any_mutation, any_mutation, update]


def test_it_is_aimed_at_one_of_several_root_fields_and_at_what_the_variables_say():
    faults = Faults()
    armed = faults.arm(Fault(mutation="publishablePublish", match='"id":"gid://shopify/Product/7"', answer="error")).id
    both = ["productUpdate", "publishablePublish"]
    assert struck(faults, "mutation", both, {"id": "gid://shopify/Product/8"}) is None
    assert struck(faults, "mutation", ["productUpdate"], {"id": "gid://shopify/Product/7"}) is None
    assert struck(faults, "mutation", both, {"id": "gid://shopify/Product/7"}) == armed


def test_one_for_queries_leaves_mutations_alone():
    faults = Faults()
    armed = faults.arm(Fault(query="product", effect="none", answer="error")).id
    assert struck(faults, "mutation", ["product"]) is None
    assert struck(faults, "query", ["product"]) == armed


def test_so_many_are_armed_and_no_more():
    faults = Faults()
    for _ in range(ARMED):
        faults.arm(Fault(answer="error"))
    with pytest.raises(TooManyFaults):
        faults.arm(Fault(answer="error"))
    assert (faults.clear(), faults.clear()) == (ARMED, 0)


def test_an_answer_before_an_effect_makes_no_sense():
    for wanted in ({"effect": "none"}, {"effect": "late", "effect_after": 1}, {"answer": "throttled"}):
        with pytest.raises(ValidationError):
            Fault(**wanted)
