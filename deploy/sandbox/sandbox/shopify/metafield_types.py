"""Which values each metafield type takes, in Shopify's words. Pure."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

MAX_INTEGER = 9_999_999_999_999
MAX_LIST = 128


def value_problem(type_: str, value: str) -> str | None:
    """Why the value won't do for the type; None when it will."""
    if not value.strip():
        return "Value can't be blank."
    if type_.startswith("list."):
        return _list(type_.removeprefix("list."), value)
    check = CHECKS.get(type_)
    return check(value) if check else f"Type '{type_}' is not one of the simulated types."


def known_type(type_: str) -> bool:
    return type_.removeprefix("list.") in CHECKS


def normalised(type_: str, value: str) -> str:
    """As it is stored: times with their offset, numbers without leading zeros."""
    match type_:
        case "number_integer":
            return str(int(value))
        case "date_time":
            at = datetime.fromisoformat(value)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
        case _:
            return value


def _integer(value: str) -> str | None:
    if not re.fullmatch(r"-?\d+", value):
        return "Value must be an integer."
    return f"Value can't exceed {MAX_INTEGER}." if abs(int(value)) > MAX_INTEGER else None


def _decimal(value: str) -> str | None:
    try:
        return None if Decimal(value).is_finite() else "Value must be a number."
    except InvalidOperation:
        return "Value must be a number."


def _boolean(value: str) -> str | None:
    return None if value in {"true", "false"} else "Value must be true or false."


def _time(value: str) -> str | None:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return "Value must be in “YYYY-MM-DDTHH:MM:SS” format. For example: 2022-06-01T15:30:00"
    return None


def _date(value: str) -> str | None:
    try:
        date.fromisoformat(value)
    except ValueError:
        return "Value must be in YYYY-MM-DD format."
    return None


def _line(value: str) -> str | None:
    return "Value must be a single line text string." if "\n" in value else None


def _url(value: str) -> str | None:
    if re.match(r"(https?://|mailto:|sms:|tel:)", value):
        return None
    if ":" not in value:
        return (
            "Value cannot have an empty scheme (protocol), must include one of the following URL schemes:"
            ' ["http", "https", "mailto", "sms", "tel"].\''
        )
    return "Value must be one of the following URL schemes: http, https, mailto, sms, tel."


def _json(value: str) -> str | None:
    try:
        json.loads(value)
    except json.JSONDecodeError as error:
        return f"Value is invalid JSON: {error.msg} at line {error.lineno} column {error.colno}."
    return None


def _color(value: str) -> str | None:
    return None if re.fullmatch(r"#[0-9a-fA-F]{6}", value) else "Value must be a hex color code."


def _list(type_: str, value: str) -> str | None:
    try:
        found = json.loads(value)
    except json.JSONDecodeError as error:
        return f"Value is invalid JSON: {error.msg} at line {error.lineno} column {error.colno}."
    if not isinstance(found, list):
        return "Value must be an array."
    if len(found) > MAX_LIST:
        return f"Value has more than {MAX_LIST} elements."
    return next((problem for one in found if (problem := value_problem(type_, str(one)))), None)


CHECKS: dict[str, Callable[[str], str | None]] = {
    "single_line_text_field": _line,
    "multi_line_text_field": lambda _: None,
    "number_integer": _integer,
    "number_decimal": _decimal,
    "boolean": _boolean,
    "date": _date,
    "date_time": _time,
    "url": _url,
    "json": _json,
    "color": _color,
    "id": _line,
}
