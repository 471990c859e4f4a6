"""Pictures: latency over load, and progress over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.bench.requirements import library

INCHES = (8.0, 5.0)
DPI = 110
STYLES = {"p50": "-", "p99": "--"}


@dataclass(frozen=True)
class Series:
    """One line: `x` a rate, `y` milliseconds."""

    who: str
    part: str  # p50 or p99
    x: Sequence[float]
    y: Sequence[float]


def check() -> None:
    """Raises NotInstalled, before anything was measured in vain."""
    library("matplotlib")


def draw(file: Path, title: str, over: str, series: Sequence[Series], lines: Mapping[str, float] | None = None) -> None:
    """Both axes logarithmic; `lines` are targets, by what they are called. Raises NotInstalled."""
    matplotlib = library("matplotlib")
    matplotlib.use("agg")  # no window
    figure, axes = library("matplotlib.pyplot").subplots(figsize=INCHES, layout="constrained")
    names = list(dict.fromkeys(each.who for each in series))
    for each in series:
        colour = f"C{names.index(each.who)}"
        axes.plot(each.x, each.y, STYLES[each.part], color=colour, marker=".", label=f"{each.who} {each.part}")
    for name, height in (lines or {}).items():
        axes.axhline(height, color="grey", linewidth=0.8, linestyle=":", label=name)
    axes.set(title=title, xlabel=over, ylabel="latency, ms", xscale="log", yscale="log")
    axes.grid(visible=True, which="both", linewidth=0.3)
    axes.legend(fontsize="small")
    figure.savefig(file, dpi=DPI)
    library("matplotlib.pyplot").close(figure)


def draw_progress(file: Path, title: str, lines: Sequence[tuple[str, Sequence[float], Sequence[float]]]) -> None:
    """How many after how many seconds: who, x, y. Both axes linear. Raises NotInstalled."""
    matplotlib = library("matplotlib")
    matplotlib.use("agg")  # no window
    figure, axes = library("matplotlib.pyplot").subplots(figsize=INCHES, layout="constrained")
    for who, x, y in lines:
        axes.plot(x, y, label=who)
    axes.set(title=title, xlabel="seconds", ylabel="mutations")
    axes.grid(visible=True, linewidth=0.3)
    axes.legend(fontsize="small")
    figure.savefig(file, dpi=DPI)
    library("matplotlib.pyplot").close(figure)
