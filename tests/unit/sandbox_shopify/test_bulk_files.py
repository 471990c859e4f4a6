"""A result's lines: where children come, what is missing, which bytes are asked for."""

import json
import random

import pytest

from sandbox.shopify.bulk.running import encoded, truncate
from sandbox.shopify.bulk.spreading import spread
from sandbox.shopify.bulk.storage import Window, window_of


def lines_of(grouped, scatter, folder):
    """20 roots with 5 children each, and 2 below each of those."""
    chance = random.Random(1)  # noqa: S311 - luck, not secrets
    made, out = spread(grouped, scatter, folder, chance), []
    for root in range(20):
        at = made.put(b"0,%d" % root, 0, 0)
        for child in range(5):
            inner = made.put(b"1,%d" % (root * 5 + child), 1, at)
            for leaf in range(2):
                made.put(b"2,%d" % (root * 10 + child * 2 + leaf), 2, inner)
        out += made.ready()
    for piece in made.rest():
        out += piece.split(b"\n")
    return [tuple(map(int, line.split(b","))) for line in out]


@pytest.mark.parametrize(("grouped", "scatter"), [(False, 40), (False, 1), (False, "end"), (False, 0), (True, "end")])
def test_parents_come_first_and_each_connection_keeps_its_order(tmp_path, grouped, scatter):
    lines = lines_of(grouped, scatter, tmp_path)
    assert len(lines) == 20 + 100 + 200
    for branch in range(3):
        numbers = [number for of, number in lines if of == branch]
        assert numbers == sorted(numbers)
    where = {line: at for at, line in enumerate(lines)}
    assert all(where[1, number] > where[0, number // 5] for number in range(100))
    assert all(where[2, number] > where[1, number // 2] for number in range(200))


def test_a_scattered_child_is_far_from_its_parent_and_a_grouped_one_near(tmp_path):
    grouped, scattered = lines_of(True, 40, tmp_path), lines_of(False, 40, tmp_path)
    assert grouped[:4] == [(0, 0), (1, 0), (2, 0), (2, 1)]
    assert max(scattered.index((1, number)) - scattered.index((0, number // 5)) for number in range(100)) > 20
    at_the_end = lines_of(False, "end", tmp_path)
    assert [of for of, _ in at_the_end] == [0] * 20 + [1] * 100 + [2] * 200


def test_slashes_and_html_are_escaped_and_read_back():
    raw = encoded([json.dumps({"id": "gid://shopify/Product/1", "title": "A & <B>"}).encode()])
    assert raw.endswith(b"\n")
    assert rb"gid:\/\/shopify\/Product\/1" in raw
    assert rb"A \u0026 \u003cB\u003e" in raw
    assert json.loads(raw) == {"id": "gid://shopify/Product/1", "title": "A & <B>"}


def test_lines_are_cut_off_the_end(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"".join(b'{"n":%d}\n' % n for n in range(10)))
    truncate(file, 3, mid_line=False)
    assert file.read_bytes().splitlines()[-1] == b'{"n":6}'
    truncate(file, 1, mid_line=True)
    assert file.read_bytes().endswith(b'{"n":4}\n{"n"')
    truncate(file, 100, mid_line=False)
    assert file.read_bytes() == b""


@pytest.mark.parametrize(
    ("header", "window"),
    [
        (None, Window(0, 100)),
        ("bytes=0-9", Window(0, 10)),
        ("bytes=90-", Window(90, 100)),
        ("bytes=90-200", Window(90, 100)),
        ("bytes=-10", Window(90, 100)),
        ("bytes=100-", None),
        ("lines=1-2", Window(0, 100)),
    ],
)
def test_a_range_is_a_window(header, window):
    assert window_of(header, 100) == window
