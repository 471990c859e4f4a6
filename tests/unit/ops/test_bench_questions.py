"""What the readers of a bench ask, and what is read from the tools that measure."""

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.bench import letters, plots, requirements, wrk
from ops.bench.questions import HUNDREDTHS, mixture
from ops.bench.requirements import NotInstalled
from ops.bench.statements import PARAMETER
from ops.bench.subject import Subject
from ops.failures import Exit, Refused, exit_code
from sandbox.shopify.courier import sign

EVENTS = [
    {
        "id": str(number),
        "handle": f"night-{number}",
        "category": "Jazz & Blues",
        "tags": ["a b"],
        "venue": {"city": "Köln"},
    }
    for number in range(1, 21)
]
SAID = """\
Running 2s test @ http://127.0.0.1:8080/v1/events/1
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.80ms    1.63ms  31.70ms   91.20%
  Latency Distribution
     50%    2.44ms
     75%    3.01ms
     90%    4.00ms
     99%  900.00us
  47012 requests in 2.00s, 80.01MB read
  Socket errors: connect 0, read 1, write 0, timeout 2
  Non-2xx or 3xx responses: 7
Requests/sec:  23500.25
Transfer/sec:     40.00MB
"""


def test_the_mixture_is_in_the_proportions_that_it_names() -> None:
    drawn = mixture(EVENTS, "host", lambda _: '"3-abc"')
    kinds = Counter(kind(text) for text in drawn)
    assert kinds.keys() == HUNDREDTHS.keys()
    for name, hundredths in HUNDREDTHS.items():
        assert abs(kinds[name] * 100 / len(drawn) - hundredths) < 1, name


def test_every_request_of_the_mixture_is_ascii_and_whole() -> None:
    for text in mixture(EVENTS, "host", lambda _: None):
        assert text.isascii()
        assert text.startswith("GET /v1/")
        assert text.endswith(" HTTP/1.1\r\nHost: host\r\n\r\n"), "nothing is held where the server knows no tags"


def kind(text: str) -> str:
    path = text.split(" ")[1]
    if "If-None-Match" in text:
        return "held"
    for name in ("by-handle", "categories", "tickets"):
        if name in path:
            return name
    return "list" if "limit=" in path else "event"


def test_wrk_is_understood() -> None:
    assert wrk.said(SAID) == {"requests/s": 23500.25, "p50 ms": 2.44, "p99 ms": 0.9, "errors": 10}
    with pytest.raises(Refused, match="nothing of a rate"):
        wrk.said("unable to connect to 127.0.0.1:1 Connection refused")


def test_a_logged_statement_is_found_by_its_parameter() -> None:
    log = "LOG:  execute s1: SELECT 1 FROM events WHERE id = $1\nDETAIL:  Parameters: $1 = '42', $2 = 'x'\n"
    assert PARAMETER.findall(log) == ["42"]


def test_a_missing_program_or_library_is_named_with_the_command_that_brings_it(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(requirements, "BESIDE", ("/nowhere",))
    for name, package in requirements.PACKAGES.items():
        with pytest.raises(NotInstalled, match=f"{name} is not installed: apt-get install {package}"):
            requirements.program(name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        NotInstalled, match="matplotlib is not installed: uv sync --all-packages --extra bench"
    ) as missing:
        plots.check()
    assert exit_code(missing.value) == Exit.USAGE


def test_a_limit_of_open_files_that_is_too_low_is_said_before_anything_is_measured() -> None:
    with pytest.raises(Refused, match="ulimit"):
        requirements.open_files(2**40)


def test_a_letter_is_a_webhook_that_shopify_could_have_sent() -> None:
    subject = Subject([], "", "a secret", "", "", "", "", {}, Path())
    now = datetime(2026, 11, 23, 10, 0, 0, 123456, UTC)
    head, _, body = letters.letter(subject, {"id": 7, "title": "old", "body_html": "<p>"}, "new", now).partition(
        b"\r\n\r\n"
    )
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /webhooks/products/update HTTP/1.1"
    assert f"X-Shopify-Hmac-Sha256: {sign(b'a secret', body)}" in lines
    assert f"Content-Length: {len(body)}" in lines
    assert b'"title":"new"' in body
    assert b'"updated_at":"2026-11-23T10:00:00+00:00"' in body
