"""What was measured, beside whom, and whether that is what was promised. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

OURS = "understudy"
# Of these, a ratio says nothing.
NO_RATIO = (
    "errors", "never seen", "samples", "generator late p99 ms", "mutations", "mutations/s", "THROTTLED", "lost",
    "out of order", "not done",
)  # fmt: skip
MET, MISSED, UNKNOWN = "met", "MISSED", "not measured"


@dataclass(frozen=True)
class Target:
    """`figure` is to be `over` or `under` so much; with `beside`, so many times the same figure of that peer."""

    figure: str
    over: float | None = None
    under: float | None = None
    beside: str | None = None

    def words(self) -> str:
        bounds = (("over", self.over), ("under", self.under))
        said = " and ".join(f"{word} {number(bound)}" for word, bound in bounds if bound is not None)
        return f"{self.figure} {said}" + (f" x {self.beside}" if self.beside else "")


@dataclass(frozen=True)
class Row:
    """One program doing one thing. `figures` by name and unit, as in {"requests/s": 9800.0, "p99 ms": 12.5}.

    `targets` stand on our own row; a peer is a row with the same `what`. `note`: whatever else a reader must know.
    """

    what: str
    who: str
    figures: Mapping[str, float]
    targets: tuple[Target, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """`measured` is what the target is about: the figure, or how many times the peer's; None when there is none."""

    what: str
    target: str
    measured: float | None
    met: bool | None

    @property
    def word(self) -> str:
        return UNKNOWN if self.met is None else MET if self.met else MISSED


@dataclass(frozen=True)
class Ratio:
    """Ours divided by the peer's."""

    what: str
    figure: str
    peer: str
    times: float


@dataclass(frozen=True)
class Report:
    """`command` as in "read"; `date` ISO 8601; `machine` by what is said of it; `plots` are files beside it."""

    command: str
    date: str
    machine: Mapping[str, str]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    plots: Sequence[str] = field(default=())

    def ratios(self) -> Iterator[Ratio]:
        for ours in self._ours():
            for peer in self.rows:
                if (peer.what, peer.who == OURS) == (ours.what, False):
                    yield from (
                        Ratio(ours.what, figure, peer.who, ours.figures[figure] / peer.figures[figure])
                        for figure in ours.figures
                        if figure not in NO_RATIO and peer.figures.get(figure)
                    )

    def verdicts(self) -> Iterator[Verdict]:
        for ours in self._ours():
            for target in ours.targets:
                measured = self._measured(ours, target)
                yield Verdict(
                    ours.what, target.words(), measured, None if measured is None else holds(target, measured)
                )

    def document(self) -> dict[str, Any]:
        """For --json and the file beside the plots; `of_document` reads it back."""
        return {
            **asdict(self),
            "verdicts": [{**asdict(verdict), "verdict": verdict.word} for verdict in self.verdicts()],
            "ratios": [asdict(ratio) for ratio in self.ratios()],
        }

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Self:
        rows = [
            Row(**{**row, "targets": tuple(Target(**target) for target in row["targets"])}) for row in document["rows"]
        ]
        kept = {name: document[name] for name in ("command", "date", "machine", "notes", "plots")}
        return cls(rows=rows, **kept)

    def _ours(self) -> list[Row]:
        return [row for row in self.rows if row.who == OURS]

    def _measured(self, ours: Row, target: Target) -> float | None:
        mine = ours.figures.get(target.figure)
        if mine is None or target.beside is None:
            return mine
        for row in self.rows:
            if (row.what, row.who) == (ours.what, target.beside) and row.figures.get(target.figure):
                return mine / row.figures[target.figure]
        return None


def holds(target: Target, measured: float) -> bool:
    above = target.over is None or measured > target.over
    return above and (target.under is None or measured < target.under)


def number(value: float) -> str:
    """As people read it: 12,345 or 12.3 or 0.25 or 0.0041."""
    size = abs(value)
    if value == round(value) or size >= 100:  # noqa: PLR2004  # decimals say nothing there
        return f"{value:,.0f}"
    return f"{value:.2g}" if size < 0.1 else f"{value:#.3g}" if size >= 1 else f"{value:.2f}"  # noqa: PLR2004
