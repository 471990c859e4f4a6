"""A report on the terminal, and as files: one JSON and its plots for each bench, and a page with the tables of all."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from ops import output
from ops.bench.report import Report, Row, number

PAGE = "README.md"
ORDER = ("read", "freshness", "live", "write")
INTRODUCTION = """\
# Measured

Made by `understudy bench read|freshness|live|write --out docs/bench`; not edited by hand. Everything in one table ran
on the same machine in the same run, the peers beside ours. A ratio is ours divided by the peer's. Targets that were
missed say so.
"""


def show(report: Report) -> None:
    for what in whats(report.rows):
        rows = [row for row in report.rows if row.what == what]
        names = columns(rows)
        output.table(what, ["", *names, ""], [[row.who, *_cells(row, names), row.note] for row in rows])
        output.line("")
    verdicts = [(each.what, each.target, _or_dash(each.measured), each.word) for each in report.verdicts()]
    output.table("Targets", ("what", "target", "measured", ""), verdicts)
    output.line("")
    ratios = [(each.what, each.figure, each.peer, number(each.times)) for each in report.ratios()]
    output.table("Ratios: ours / the peer's", ("what", "figure", "peer", "times"), ratios)


def save(report: Report, out: Path) -> None:
    """`out`/read.json, and `out`/README.md anew from all that is there."""
    out.mkdir(parents=True, exist_ok=True)
    document = orjson.dumps(report.document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    (out / f"{report.command}.json").write_bytes(document)
    there = [out / f"{name}.json" for name in ORDER if (out / f"{name}.json").exists()]
    reports = [Report.of_document(orjson.loads(file.read_bytes())) for file in there]
    (out / PAGE).write_text(page(reports), "utf-8")


def page(reports: Sequence[Report]) -> str:
    return "\n".join([INTRODUCTION, *("\n".join(_section(report)) for report in reports)])


def _section(report: Report) -> Iterator[str]:
    yield f"## {report.command}\n"
    yield f"{report.date}. " + "; ".join(f"{name} {value}" for name, value in report.machine.items()) + ".\n"
    yield from (f"- {note}" for note in report.notes)
    yield "\n### Targets\n"
    verdicts = [(each.what, each.target, _or_dash(each.measured), each.word) for each in report.verdicts()]
    yield from _table(("what", "target", "measured", "verdict"), verdicts)
    for what in whats(report.rows):
        rows = [row for row in report.rows if row.what == what]
        names = columns(rows)
        yield f"\n### {what}\n"
        yield from _table(("", *names, "note"), [(row.who, *_cells(row, names), row.note) for row in rows])
        ratios = [(each.figure, each.peer, number(each.times)) for each in report.ratios() if each.what == what]
        if ratios:
            yield ""
            yield from _table(("ours / the peer's", "peer", "ratio"), ratios)
    yield from (f"\n![{plot}]({plot})" for plot in report.plots)
    yield ""


def whats(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.what for row in rows))


def columns(rows: Sequence[Row]) -> list[str]:
    """Every figure that one of them has."""
    return list(dict.fromkeys(name for row in rows for name in row.figures))


def _cells(row: Row, names: Sequence[str]) -> list[str]:
    return [_or_dash(row.figures.get(name)) for name in names]


def _or_dash(value: float | None) -> str:
    return "-" if value is None else number(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    yield from ("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows)
