"""What `understudy status` says of the data."""

from typing import Any

import pytest

from ops.data_in_words import rows

L1 = {"documents": 1812, "bytes": 12_300_000, "max_bytes": 268_435_456, "hits": 978, "misses": 22, "hit_ratio": 0.978}


def said(**data: Any) -> dict[str, str]:
    return dict(rows(data))


def test_what_is_unknown_is_left_out():
    assert said() == {"does without": "nothing"}


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (0.978, "1,812 documents in 12.3 of 268.4 MB, 97.8 % hits"),
        (None, "1,812 documents in 12.3 of 268.4 MB"),
    ],
)
def test_the_memory_of_the_process_that_answered_is_one_line(ratio, words):
    assert said(process={"l1": {**L1, "hit_ratio": ratio}, "live_streams": None})["read-api's memory"] == words


def test_live_streams_are_counted_where_there_are_any_to_count():
    assert said(process={"l1": None, "live_streams": 10_000})["live streams"] == "10,000"
    assert said(process={"l1": None, "live_streams": 0})["live streams"] == "0"
