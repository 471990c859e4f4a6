"""Commands first, and whoever comes after them leaves something."""

import pytest

from shared.shopify.bucket import Bucket
from shared.shopify.shares import BEHIND_COMMANDS, HEAD_ROOM, Share, places, urgency

LOWER = [Share.REFETCH, Share.RECONCILE, Share.BACKFILL]


def wait(share, cost, bucket):
    left = max(HEAD_ROOM, share.left.points(cost, bucket.maximum, bucket.held))
    return bucket.wait_for(cost, bucket.at, left)


def test_the_order_is_that_of_the_enumeration():
    assert sorted(Share, key=lambda share: share.rank) == list(Share)
    assert Share.COMMANDS.rank == 0


@pytest.mark.parametrize("share", Share)
@pytest.mark.parametrize("maximum", [1000, 2000])
@pytest.mark.parametrize("cost", [13, 191, 709])
def test_every_request_passes_a_full_bucket(share, maximum, cost):
    assert wait(share, cost, Bucket.full(maximum, 50, 0.0)) == 0


@pytest.mark.parametrize("share", LOWER)
def test_where_a_lower_share_has_to_wait_all_above_it_pass(share):
    level = share.left.most * 2000 - 1
    bucket = Bucket(2000, 100, level, 0.0)
    assert wait(share, 13, bucket) > 0
    assert all(wait(above, 13, bucket) == 0 for above in list(Share)[: share.rank])


@pytest.mark.parametrize("share", LOWER)
def test_more_than_half_of_the_bucket_stays_so_that_a_limit_may_be_cut_in_half(share):
    assert wait(share, 13, Bucket(2000, 100, 1000, 0.0)) > 0


@pytest.mark.parametrize("share", LOWER)
def test_what_is_under_way_keeps_nobody_waiting_while_there_is_enough_beside_it(share):
    """1,500 of 2,000 points are held and nothing was used yet."""
    assert wait(share, 100, Bucket(2000, 100, 500, 0.0, held=1500)) == 0


@pytest.mark.parametrize("share", LOWER)
def test_some_points_are_left_whatever_is_expected_back(share):
    bucket = Bucket(2000, 100, 2000, 0.0)
    while wait(share, 191, bucket) == 0:
        bucket, _ = bucket.take(191, 0.0)
    assert bucket.available >= share.left.least * (2000 - 191)


@pytest.mark.parametrize("share", LOWER)
def test_whoever_waits_goes_before_other_shares_soon_and_before_commands_late(share):
    assert urgency(share, 100, 3.9) is None
    assert urgency(share, 100, 4.1) == BEHIND_COMMANDS
    assert urgency(share, 100, 49) == BEHIND_COMMANDS
    assert urgency(share, 100, 51) == Share.COMMANDS.rank
    assert urgency(share, 1000, 61) == Share.COMMANDS.rank  # well within a call's deadline


def test_a_command_never_changes_its_place():
    assert urgency(Share.COMMANDS, 10, 1000) is None


def test_half_of_the_slots_are_for_commands_alone():
    assert [places(64, share.rank) for share in Share] == [64, 32, 31, 30]
    assert places(64, BEHIND_COMMANDS) == 32
    assert [places(1, share.rank) for share in Share] == [1, 1, 1, 1]
