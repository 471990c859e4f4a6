"""A report of a bench: ratios, targets, and that what was missed says so."""

import pytest

from ops.bench import pages
from ops.bench.percentiles import median_of, milliseconds, percentile
from ops.bench.report import Report, Row, Target, number

HOT = "hot GET"
MACHINE = {"CPU": "two cores", "kernel": "6.1"}


def report(ours: float, nginx: float | None, *targets: Target) -> Report:
    rows = [Row(HOT, "understudy", {"requests/s": ours, "errors": 0}, targets, "one worker")]
    if nginx is not None:
        rows.append(Row(HOT, "nginx", {"requests/s": nginx, "errors": 2}))
    rows.append(Row("something else", "nginx", {"requests/s": 1.0}))
    return Report("read", "2026-11-23T10:00:00+00:00", MACHINE, rows, notes=["provisional"], plots=["load.png"])


def test_a_ratio_is_ours_divided_by_the_peers_of_the_same_row() -> None:
    ratios = list(report(60, 100).ratios())
    assert [(each.what, each.figure, each.peer, each.times) for each in ratios] == [(HOT, "requests/s", "nginx", 0.6)]


@pytest.mark.parametrize(
    ("ours", "nginx", "word"), [(60.0, 100.0, "met"), (50.0, 100.0, "MISSED"), (60.0, None, "not measured")]
)
def test_a_target_beside_a_peer_is_about_the_ratio(ours: float, nginx: float | None, word: str) -> None:
    (verdict,) = report(ours, nginx, Target("requests/s", over=0.5, beside="nginx")).verdicts()
    assert (verdict.word, verdict.target) == (word, "requests/s over 0.50 x nginx")


@pytest.mark.parametrize(
    ("target", "word"),
    [
        (Target("requests/s", over=59), "met"),
        (Target("requests/s", over=60), "MISSED"),
        (Target("requests/s", under=60), "MISSED"),
        (Target("errors", under=1), "met"),
        (Target("p99 ms", under=50), "not measured"),
    ],
)
def test_a_target_alone_is_about_the_figure(target: Target, word: str) -> None:
    (verdict,) = report(60, None, target).verdicts()
    assert verdict.word == word


def test_a_report_comes_back_from_its_file_as_it_was() -> None:
    made = report(60, 100, Target("requests/s", over=0.5, beside="nginx"))
    again = Report.of_document(made.document())
    assert again == made
    assert again.document() == made.document()


def test_the_page_says_date_machine_ratios_and_what_was_missed(tmp_path) -> None:
    pages.save(report(40, 100, Target("requests/s", over=0.5, beside="nginx")), tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "| hot GET | requests/s over 0.50 x nginx | 0.40 | MISSED |" in page
    assert "| requests/s | nginx | 0.40 |" in page
    for said in ("2026-11-23T10:00:00+00:00", "CPU two cores", "- provisional", "![load.png](load.png)", "one worker"):
        assert said in page


def test_a_page_keeps_what_other_benches_wrote(tmp_path) -> None:
    pages.save(report(40, 100), tmp_path)
    later = Report("freshness", "2026-11-24T10:00:00+00:00", MACHINE, [Row("visible", "understudy", {"p50 ms": 8.5})])
    pages.save(later, tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert page.index("## read") < page.index("## freshness") < page.index("| understudy | 8.50 |")


def test_a_percentile_is_a_value_that_occurred() -> None:
    assert [percentile(range(1, 101), part) for part in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    assert percentile([7.0], 0.999) == 7.0
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_times_are_shown_in_milliseconds() -> None:
    assert milliseconds([0.003, 0.001, 0.002]) == {"p50 ms": 2.0, "p99 ms": 3.0, "p99.9 ms": 3.0}
    assert milliseconds([]) == {}


def test_rounds_become_their_median() -> None:
    rounds = [{"rate": 1.0, "p99": 5.0}, {"rate": 9.0}, {"rate": 3.0, "p99": 1.0}]
    assert median_of(rounds) == {"rate": 3.0}


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (7, "7"), (0.25, "0.25"), (12.34, "12.3"), (0.004, "0.004"), (0.0, "0")]
)
def test_a_number_is_shown_with_three_digits_that_matter(value: float, text: str) -> None:
    assert number(value) == text
