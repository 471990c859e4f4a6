"""Which content coding a reader is answered in."""

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from read_api import codings
from read_api.codings import Coding, accepted, encode

PLAIN = (Coding.IDENTITY,)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", PLAIN),
        ("gzip", (Coding.GZIP, Coding.IDENTITY)),
        ("gzip, deflate, br, zstd", (Coding.ZSTD, Coding.GZIP, Coding.IDENTITY)),
        ("gzip;q=1.0, zstd;q=0.5", (Coding.GZIP, Coding.ZSTD, Coding.IDENTITY)),
        ("GZip ; Q=0.5 , ", (Coding.GZIP, Coding.IDENTITY)),
        ("x-gzip", (Coding.GZIP, Coding.IDENTITY)),
        ("*", (Coding.GZIP, Coding.IDENTITY)),
        ("*;q=0.1, zstd;q=0", (Coding.GZIP, Coding.IDENTITY)),
        ("gzip;q=0", PLAIN),
        ("identity, gzip;q=0.5", PLAIN),
        ("identity;q=0.2, gzip;q=0.5", (Coding.GZIP, Coding.IDENTITY)),
        ("identity;q=0", PLAIN),  # better an answer than 406
        ("br", PLAIN),
        ("gzip;level=9", PLAIN),  # what can't be read asks for nothing
        ("gzip zstd", PLAIN),
        ("gzip, " * 100, PLAIN),
    ],
)
def test_the_reader_s_wish_comes_first_and_ours_decides_a_tie(header, expected):
    assert accepted(header) == expected


def test_a_header_of_any_length_is_remembered_by_nobody():
    known = codings._accepted.cache_info().currsize
    for number in range(10):
        assert accepted("gzip, " * 1000 + str(number)) == PLAIN
    assert codings._accepted.cache_info().currsize == known


@given(st.text(max_size=300))
def test_no_header_raises_and_plain_is_always_possible(header):
    assert accepted(header)[-1] is Coding.IDENTITY


@given(st.binary(max_size=5000))
def test_each_coding_gives_the_body_back_and_the_same_bytes_each_time(body):
    assert gzip.decompress(encode(Coding.GZIP, body)) == body
    assert zstandard.ZstdDecompressor().decompress(encode(Coding.ZSTD, body), max_output_size=6000) == body
    assert encode(Coding.IDENTITY, body) == body
    assert all(encode(coding, body) == encode(coding, body) for coding in Coding)
