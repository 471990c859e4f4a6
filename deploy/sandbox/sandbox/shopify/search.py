"""Shopify's search syntax: terms, comparators, AND, OR, NOT, parentheses, quoted values. Pure.

Faithful in its trap (docs/shopify.md 2.6): timestamps must be quoted. Unquoted, colons end the value, what is left
is no date, the term filters nothing, and the only sign is a warning in `extensions.search`.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Predicate = Callable[[Any], bool]

TOKEN = re.compile(
    r"""\s*(?:
      (?P<open>\()|(?P<close>\))
     |(?P<not>-|NOT\b)
     |(?P<and>AND\b)|(?P<or>OR\b)
     |(?P<term>(?:(?P<name>[A-Za-z_][\w.]*):)?(?P<op>>=|<=|>|<)?(?:'(?P<single>(?:\\.|[^'\\])*)'|"(?P<double>(?:\\.|[^"\\])*)"|(?P<bare>[^\s()]+)))
    )""",
    re.VERBOSE,
)


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Field(Generic[Item]):
    """What a search field compares: `kind` is text, words, exact, time, number or flag."""

    kind: str
    read: Callable[[Item], Any]


@dataclass(frozen=True, slots=True)
class Warned:
    field: str
    message: str
    code: str

    def as_json(self) -> dict[str, str]:
        return {"field": self.field, "message": self.message, "code": self.code}


@dataclass(slots=True)
class Search:
    """A parsed query. `matches` is total: what was not understood filters nothing, and is in `warnings`."""

    query: str
    matches: Predicate
    warnings: list[Warned] = field(default_factory=list)


@dataclass(slots=True)
class _Parser:
    fields: Mapping[str, Field[Any]]
    default: Callable[[Any], str]
    now: datetime
    tokens: list[re.Match[str]]
    warnings: list[Warned] = field(default_factory=list)
    at: int = 0

    def peek(self) -> re.Match[str] | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def either(self) -> Predicate:
        options = [self.all()]
        while (token := self.peek()) and token["or"]:
            self.at += 1
            options.append(self.all())
        return options[0] if len(options) == 1 else lambda item: any(option(item) for option in options)

    def all(self) -> Predicate:
        parts: list[Predicate] = []
        while (token := self.peek()) and not token["or"] and not token["close"]:
            if token["and"]:
                self.at += 1
                continue
            parts.append(self.one())
        return _every(parts)

    def one(self) -> Predicate:
        token = self.tokens[self.at]
        self.at += 1
        if token["not"]:
            if self.peek() is None:
                return _anything
            inner = self.one()
            return lambda item: not inner(item)
        if token["open"]:
            inner = self.either()
            if (closing := self.peek()) and closing["close"]:
                self.at += 1
            return inner
        return self.term(token)

    def term(self, token: re.Match[str]) -> Predicate:
        quoted = token["single"] if token["single"] is not None else token["double"]
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else token["bare"]
        name = token["name"]
        if name is None:
            return self.anywhere(value.lower())
        known = self.fields.get(name)
        if known is None:
            self.warn(name, "Invalid search field for this query.", "invalid_field")
            return _anything
        if quoted is None and known.kind == "time":
            value = value.split(":", 1)[0]
        return self.compare(name, known, token["op"] or "", value)

    def anywhere(self, value: str) -> Predicate:
        prefix = value.rstrip("*")
        return lambda item: prefix in self.default(item).lower()

    def compare(self, name: str, known: Field[Any], op: str, value: str) -> Predicate:
        match known.kind:
            case "time":
                return self.ordered(name, known.read, op, parse_time(value, self.now), value)
            case "number":
                return self.ordered(name, known.read, op, parse_number(value), value)
            case "exact":
                return _exact(known.read, op, value)
            case "flag":
                return lambda item: known.read(item) == (value.lower() == "true")
            case "words":
                wanted = {part.strip().lower() for part in value.split(",")}
                return lambda item: any(found.lower() in wanted for found in known.read(item))
            case _:
                return _text(known.read, value.lower())

    def ordered(self, name: str, read: Callable[[Any], Any], op: str, bound: Any, value: str) -> Predicate:
        if bound is None:
            self.warn(name, f"Input `{value}` is not an accepted value.", "invalid_value")
            return _anything
        compare = COMPARISONS.get(op)
        if compare is None:
            return lambda item: bool(read(item) == bound)

        def compared(item: Any) -> bool:
            found = read(item)
            return found is not None and compare(found, bound)

        return compared

    def warn(self, name: str, message: str, code: str) -> None:
        self.warnings.append(Warned(name, message, code))


def parse_search(query: str, fields: Mapping[str, Field[Any]], default: Callable[[Any], str], now: datetime) -> Search:
    """Never raises: Shopify does not either.

    Args:
        query: `updated_at:>='2026-11-01T00:00:00Z' AND status:active,draft jazz`
        fields: what may stand before a colon.
        default: the text that a bare word is looked for in.
        now: what `now` means in a time term.

    """
    parser = _Parser(fields, default, now, list(TOKEN.finditer(query)))
    parts = [parser.either()]
    while parser.peek() is not None:  # a stray closing parenthesis
        parser.at += 1
        parts.append(parser.either())
    return Search(query, _every(parts), parser.warnings)


def parse_time(value: str, now: datetime) -> datetime | None:
    """ISO 8601 with or without a time, a bare year, or `now`; None for anything else."""
    if value == "now":
        return now
    if re.fullmatch(r"\d{4}", value):
        value += "-01-01"
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d", value):
        return None  # what is left of an unquoted timestamp
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def parse_number(value: str) -> float | None:
    try:
        return float(value.rsplit("/", 1)[-1])
    except ValueError:
        return None


def _exact(read: Callable[[Any], list[str]], op: str, wanted: str) -> Predicate:
    """Any of the texts, case and all; a comparison of numbers where both are, `*` for any value at all."""
    if op:
        bound = parse_number(wanted)

        def compared(text: str) -> bool:
            number = parse_number(text)
            left, right = (text, wanted) if number is None or bound is None else (number, bound)
            return bool(COMPARISONS[op](left, right))

        return lambda item: any(compared(text) for text in read(item))
    if wanted.endswith("*"):
        return lambda item: any(text.startswith(wanted[:-1]) for text in read(item))
    return lambda item: any(text == wanted for text in read(item))


def _text(read: Callable[[Any], str | None], wanted: str) -> Predicate:
    if wanted.endswith("*"):
        prefix = wanted[:-1]
        return lambda item: (read(item) or "").lower().startswith(prefix)
    return lambda item: wanted in (read(item) or "").lower()


def _every(parts: list[Predicate]) -> Predicate:
    """Few parts are the rule, and a hundred thousand items to ask."""
    if len(parts) == 1:
        return parts[0]
    return lambda item: all(part(item) for part in parts)


def _anything(_item: Any) -> bool:
    return True
