"""What becomes of an event when new tables take the place of the old ones: never an older revision, never a loss."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.rebuild.alignment import Decision, Pair, Side, decide, lacks, too_many
from syncer.source import SourceVersion

START = datetime(2026, 11, 5, 9, 0, tzinfo=UTC)


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def version(updated: int, seen: int | None = None) -> SourceVersion:
    return SourceVersion(at(updated), at(updated if seen is None else seen))


LIVE = Side(17, deleted=False, version=version(10), complete=True)
SHADOW = Side(3, deleted=False, version=version(10, 20), complete=True)
PAIR = Pair(42, LIVE, SHADOW)

sides = st.builds(
    Side,
    st.integers(1, 50),
    st.booleans(),
    st.builds(version, st.integers(0, 5), st.integers(0, 9)),
    st.booleans(),
)
pairs = st.builds(
    Pair,
    st.just(42),
    st.none() | sides,
    st.none() | sides,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.none() | st.builds(at, st.integers(0, 9)),
).filter(lambda pair: pair.live or pair.shadow)


@given(pairs, st.booleans())
def test_no_revision_ever_goes_back_and_every_difference_has_a_new_one(pair: Pair, patient: bool) -> None:
    decision = decide(pair, patient=patient)
    before = pair.live.revision if pair.live else 0
    after = decision.revision(pair)
    assert after >= before
    assert (after > before) == decision.announced


@given(pairs, st.booleans())
def test_an_event_that_readers_see_only_goes_when_something_newer_says_so(pair: Pair, patient: bool) -> None:
    decision = decide(pair, patient=patient)
    if decision is Decision.BURY:
        assert pair.live
        assert pair.shadow
        assert pair.shadow.deleted
        assert pair.shadow.version > pair.live.version


@given(pairs)
def test_who_may_not_ask_leaves_nothing_open(pair: Pair) -> None:
    assert not decide(pair, patient=False).open


@given(pairs)
def test_what_was_asked_for_once_is_not_asked_for_again(pair: Pair) -> None:
    assert decide(replace(pair, asked_at=at(0))) is not Decision.ASK


@given(pairs)
def test_what_differs_and_is_older_than_what_readers_see_never_wins_unasked(pair: Pair) -> None:
    if decide(pair) is Decision.REVISE and pair.live and pair.shadow and not pair.live.deleted:
        newer = pair.shadow.version.updated_at >= pair.live.version.updated_at and not pair.outdated
        assert newer or (pair.asked_at and pair.shadow.version.seen_at > pair.asked_at)


@pytest.mark.parametrize(
    ("pair", "decision"),
    [
        (replace(PAIR, same=True), Decision.ADOPT),
        (PAIR, Decision.REVISE),
        (replace(PAIR, live=None), Decision.NEW),
        (replace(PAIR, shadow=None), Decision.ASK),
        (replace(PAIR, shadow=None, asked_at=at(1)), Decision.WAIT),
        (replace(PAIR, outdated=True), Decision.ASK),
        (replace(PAIR, outdated=True, asked_at=at(30)), Decision.WAIT),
        (replace(PAIR, outdated=True, asked_at=at(15)), Decision.REVISE),  # that is its answer
        (replace(PAIR, forgotten=True), Decision.KEEP),
        (replace(PAIR, shadow=replace(SHADOW, complete=False)), Decision.ASK),
        (replace(PAIR, shadow=replace(SHADOW, version=version(9, 20))), Decision.ASK),
        (replace(PAIR, shadow=replace(SHADOW, version=version(9, 20)), same=True), Decision.ADOPT),
        (replace(PAIR, shadow=replace(SHADOW, deleted=True)), Decision.BURY),
        (replace(PAIR, shadow=replace(SHADOW, deleted=True, version=version(1))), Decision.ASK),
        (replace(PAIR, live=replace(LIVE, deleted=True)), Decision.REVISE),  # Shopify has it again
        (replace(PAIR, live=replace(LIVE, deleted=True), shadow=None), Decision.COPY),
        (replace(PAIR, live=replace(LIVE, deleted=True), shadow=replace(SHADOW, complete=False)), Decision.ASK),
    ],
)
def test_it_becomes_what_the_newer_of_both_says(pair: Pair, decision: Decision) -> None:
    assert decide(pair) is decision


def test_an_event_is_missing_where_readers_see_it_and_nobody_has_read_it() -> None:
    assert lacks(replace(PAIR, shadow=None))
    assert not lacks(replace(PAIR, shadow=None, live=replace(LIVE, deleted=True)))
    assert not lacks(PAIR)


@pytest.mark.parametrize(
    ("missing", "living", "doubtful"), [(20, 50, False), (21, 50, True), (99, 10_000, False), (101, 10_000, True)]
)
def test_too_much_that_is_missing_casts_doubt_on_what_was_read(missing: int, living: int, doubtful: bool) -> None:
    assert too_many(missing, living) is doubtful
