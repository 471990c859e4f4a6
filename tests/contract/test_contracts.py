"""What was once said on the bus is understood for ever: stored messages for each version of each contract.

A sample is never edited. A contract that can't read its sample any more has changed its meaning: that
needs a new version.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared import contracts, topology
from shared.contracts import CONTRACTS, Contract, EventProjectedV1, JobChangedV1, UnknownContract, parse

SAMPLES = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "samples").glob("*.json")}


def parsed(sample, **headers):
    """With headers replaced or added, and those that are None left out."""
    said = {name: value for name, value in (sample["headers"] | headers).items() if value is not None}
    return parse(said, sample["body"].encode())


@pytest.fixture(params=sorted(SAMPLES))
def sample(request):
    return SAMPLES[request.param]


def test_every_version_of_every_contract_has_a_sample():
    assert {each["headers"]["ce-type"] for each in SAMPLES.values()} == set(CONTRACTS)


def test_every_contract_is_in_the_table_and_bears_its_version_in_both_names():
    def heirs(kind):
        return {heir for each in kind.__subclasses__() for heir in {each, *heirs(each)}}

    final = {each for each in heirs(Contract) if not each.__subclasses__()}
    assert final == set(CONTRACTS.values())
    for type_, contract in CONTRACTS.items():
        assert contract.__name__[-2:].lower() == type_.rpartition(".")[2]


def test_a_sample_says_today_what_it_said_when_it_was_stored(sample):
    message = parsed(sample)
    said = message.model_dump(mode="json", exclude={"body"})
    assert {name: said.get(name) for name in sample["says"]} == sample["says"]
    assert message.body == sample["body"].encode()


def test_a_sample_is_spelled_today_as_it_was_stored(sample):
    message = parsed(sample)
    spelled = message.headers()
    assert {name: spelled.get(name) for name in sample["headers"]} == sample["headers"]
    assert parse(spelled, message.body) == message


def test_headers_are_plain_text_on_one_line(sample):
    for name, value in parsed(sample).headers().items():
        assert isinstance(value, str)
        assert (name + value).isascii()
        assert "\n" not in name + value
        assert "\r" not in name + value


def test_header_names_are_lower_case_letters_and_digits_as_cloudevents_wants(sample):
    names = [name.removeprefix("ce-") for name in sample["headers"] if name != "Nats-Msg-Id"]
    assert all(name.isalnum() and name == name.lower() for name in names)
    assert {"id", "source", "subject", "time", "specversion", "type"} <= set(names)


def test_the_id_is_what_the_bus_deduplicates_by(sample):
    assert sample["headers"]["Nats-Msg-Id"] == sample["headers"]["ce-id"]


def test_an_attribute_that_we_do_not_know_is_ignored(sample):
    assert parsed(sample, **{"ce-brandnew": "1", "traceparent": "00-1-2-01"}) == parsed(sample)


def test_header_names_may_come_in_any_case(sample):
    shouted = {name.upper(): value for name, value in sample["headers"].items()}
    assert parse(shouted, sample["body"].encode()) == parsed(sample)


@pytest.mark.parametrize("missing", ["id", "source", "subject", "time"])
def test_a_message_without_what_every_message_bears_names_what_is_missing(sample, missing):
    with pytest.raises(UnknownContract, match=f"{missing}: Field required"):
        parsed(sample, **{f"ce-{missing}": None})


def test_every_attribute_of_its_own_that_is_required_is_asked_for(sample):
    contract = CONTRACTS[sample["headers"]["ce-type"]]
    for name, field in contract.model_fields.items():
        if field.is_required():
            with pytest.raises(UnknownContract, match="Field required"):
                parsed(sample, **{f"ce-{field.alias or name}": None})


@pytest.mark.parametrize("version", ["0.3", "2.0", "", "1"])
def test_another_version_of_cloudevents_is_refused(sample, version):
    with pytest.raises(UnknownContract, match="specversion"):
        parsed(sample, **{"ce-specversion": version})


@pytest.mark.parametrize("kind", ["understudy.product.changed.v9", "", "UNDERSTUDY.PRODUCT.CHANGED.V1", None])
def test_a_type_that_we_do_not_know_is_refused_by_name(sample, kind):
    with pytest.raises(UnknownContract, match="no contract is called"):
        parsed(sample, **{"ce-type": kind})


@pytest.mark.parametrize("headers", [None, {}, {"Nats-Msg-Id": "1"}])
def test_a_message_of_somebody_else_is_refused(headers):
    with pytest.raises(UnknownContract):
        parse(headers, b"{}")


def test_a_refusal_does_not_repeat_what_was_sent(sample):
    with pytest.raises(UnknownContract) as caught:
        parsed(sample, **{"ce-time": "canary-secret"})
    assert "canary" not in str(caught.value)
    assert "time: " in str(caught.value)


def test_a_header_cannot_pass_for_the_body(sample):
    assert parsed(sample, **{"ce-body": "forged"}).body == sample["body"].encode()


@pytest.mark.parametrize("naive", ["2026-11-05T09:11:12", "yesterday", ""])
def test_a_time_without_an_offset_is_refused(sample, naive):
    with pytest.raises(UnknownContract, match="time"):
        parsed(sample, **{"ce-time": naive})


def test_nanoseconds_are_cut_not_refused(sample):
    assert parsed(sample, **{"ce-time": "2026-11-05T09:11:12.123456789Z"}).time.microsecond == 123456


def test_messages_do_not_change(sample):
    with pytest.raises(ValidationError, match="frozen"):
        parsed(sample).id = "other"


def test_no_message_shows_its_body_in_a_log(sample):
    assert "body" not in repr(parsed(sample))


def test_every_contract_has_its_place_on_the_bus(sample):
    message = parsed(sample)
    stream, subject = topology.address(message)
    others = {EventProjectedV1: topology.PROJECTIONS, JobChangedV1: topology.JOBS}
    assert stream is others.get(type(message), topology.CHANGES)
    assert subject.split(".")[0] == stream.subjects[0].split(".")[0]


@given(
    st.booleans(), st.booleans(), st.none() | st.integers(1, 2**53), st.integers(1, 2**63 - 1),
    st.datetimes(timezones=st.just(UTC)),
)  # fmt: skip
def test_whatever_we_say_is_heard_as_it_was_said(visible, deleted, events_revision, event_id, moment):
    said = EventProjectedV1(
        id="1", source="syncer", subject="event/1", time=moment, event_id=event_id, revision=1,
        events_revision=events_revision, visible=visible, deleted=deleted, seen_at=moment,
    )  # fmt: skip
    assert contracts.parse(said.headers(), b"") == said


@given(st.text(min_size=1, max_size=200))
def test_whatever_a_token_calls_its_subject_is_heard_as_it_was_said(owner):
    said = JobChangedV1(
        id="job:1:1",
        source="writer",
        subject="job/1",
        time=datetime(2026, 11, 23, tzinfo=UTC),
        job_id="0199a0b0-7d6e-7000-8000-000000000001",
        owner=owner,
        state="queued",
        version=1,
    )
    spelled = said.headers()
    assert spelled["ce-owner"].isascii()
    assert spelled["ce-owner"].isprintable()
    assert parse(spelled, b"") == said
