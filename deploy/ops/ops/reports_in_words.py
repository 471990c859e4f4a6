"""What came of a run, as people read it. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from ops.spans import span

STYLES = {"ok": "green", "repaired": "cyan", "warning": "yellow", "failed": "bold red"}
# What is counted, and the word for one of it.
COUNTED = {
    "products": "product", "tickets": "ticket", "levels": "level", "operations": "operation", "refetched": "refetched",
    "deleted": "deleted", "events": "event", "equal": "equal", "changed": "changed",
}  # fmt: skip
PHASES = {"shopify": "Shopify", "download": "download"}  # that an operator can do something about; the rest is ours
MEGABYTE = 1_000_000


def sentence(kind: str, report: Mapping[str, Any]) -> str:
    """Without the run's name and time: `10,000 products, 50,000 tickets`. Empty when there is nothing to say."""
    match kind:
        case "reconcile":
            return _reconciled(report)
        case "doctor":
            return _examined(findings(report))
    said = [
        f"{report[name]:,} {one if report[name] == 1 else name}"
        for name, one in COUNTED.items()
        if isinstance(report.get(name), int)
    ]
    if isinstance(locked := report.get("locked_ms"), int | float):
        said.append(f"locked {locked:.0f} ms")
    if size := report.get("bytes"):
        said.append(f"{size / MEGABYTE:,.1f} MB")
    return ", ".join(said) + _phases(report.get("seconds"))


def findings(report: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The doctor's, as `{"check", "state", "says", "todo"}`; those that need somebody come last, next to the prompt."""
    found = [each for each in (report or {}).get("findings") or [] if isinstance(each, dict)]
    order = list(STYLES)
    return sorted(found, key=lambda each: order.index(each["state"]) if each.get("state") in order else len(order))


def has_failed(report: Mapping[str, Any] | None) -> bool:
    """Whether the doctor found something that it could not repair."""
    return any(each.get("state") == "failed" for each in findings(report))


def _reconciled(report: Mapping[str, Any]) -> str:
    said = [f"{report.get('checked') or 0:,} checked, {report.get('repaired') or 0:,} repaired"]
    if report.get("deleted"):
        said.append(f"{report['deleted']:,} of them deleted in Shopify")
    causes = [f"{count:,} {cause}" for cause, count in (report.get("drift") or {}).items() if count]
    if causes:
        said.append(f"fields by cause: {', '.join(causes)}")
    if window := report.get("window"):
        said.append(f"window {window[0]} to {window[1]}")
    return "; ".join(said)


def _examined(found: Iterable[Mapping[str, Any]]) -> str:
    states = [each.get("state") for each in found]
    return ", ".join(f"{states.count(state)} {state}" for state in STYLES if state in states)


def _phases(seconds: Any) -> str:
    """Of seconds by phase, `{"shopify": 8.1, "download": 4.2}`: ` (Shopify 8.1 s, download 4.2 s)`."""
    if not isinstance(seconds, Mapping):
        return ""
    said = [f"{word} {span(seconds[name])}" for name, word in PHASES.items() if name in seconds]
    return f" ({', '.join(said)})" if said else ""
