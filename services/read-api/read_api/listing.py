"""Put a list's SQL together from the named pieces of queries.sql.

Each question gets a statement of its own, without `OR … IS NULL` around a filter that was not asked for, so PostgreSQL
can use the index that fits. Only pieces of that file and parameter numbers make up the text; what was asked travels
as parameters.
"""

import re
from collections.abc import Iterator
from typing import Any

from read_api.audience import Audience
from read_api.parameters import ListParameters, Question, Sort
from shared.postgres import queries

SQL = queries("read_api")
PLACES = {"starts_at": "starts_at", "title": 'title COLLATE "C"', "updated_at": "listed_at"}
ITEMS = {Audience.PUBLIC: "item", Audience.ORGANIZER: "manage_item"}
NO_FILTERS = {"q", "sort", "limit", "cursor", "min_revision"}
FILTERS = tuple(name for name in ListParameters.model_fields if name not in NO_FILTERS)
PLAIN_WORDS = re.compile(r"\w+( \w+)*")
PARAMETER = re.compile(r"(?<!:):([a-z_]+)")


def numbered(text: str, values: dict[str, Any]) -> tuple[str, list[Any]]:
    """`:name` to `$1`, and the values in that order."""
    names = list(dict.fromkeys(PARAMETER.findall(text)))
    return PARAMETER.sub(lambda match: f"${names.index(match[1]) + 1}", text), [values[name] for name in names]


def page_query(question: Question) -> tuple[str, list[Any]]:
    """The statement and its arguments. One row more than a page, so that its end is known."""
    asked = question.parameters
    values = asked.model_dump(include={*FILTERS, "q"}) | {"status": question.status, "rows": asked.limit + 1}
    if question.after is not None:
        values |= {"after_place": question.after.place, "after_id": question.after.id}
    pieces = {
        "item": ITEMS[question.audience],
        "place": PLACES[asked.sort.by],
        "direction": "DESC" if asked.sort.descending else "ASC",
    }
    parts = SQL.union.join(_fill(SQL.part, pieces | {"conditions": part}) for part in _parts(question, pieces))
    return numbered(_fill(SQL.page, pieces | {"parts": parts}), values)


def _parts(question: Question, pieces: dict[str, str]) -> Iterator[str]:
    """The conditions of each part of the list: events without a start come last, whichever the direction."""
    conditions = list(_conditions(question))
    descending = question.parameters.sort.descending
    after = question.after
    if question.parameters.sort.by != Sort.STARTS_AT:
        place = [] if after is None else [_fill(SQL.before if descending else SQL.after, pieces)]
        yield " AND ".join([*conditions, *place])
        return
    if after is None or after.place is not None:
        place = [] if after is None else [_fill(SQL.before if descending else SQL.after, pieces)]
        yield " AND ".join([*conditions, SQL.is_dated, *place])
    if question.parameters.starts_after is None and question.parameters.starts_before is None:
        undated = after is not None and after.place is None
        place = [SQL.before_id if descending else SQL.after_id] if undated else []
        yield " AND ".join([*conditions, SQL.is_undated, *place])


def _conditions(question: Question) -> Iterator[str]:
    yield getattr(SQL, f"is_{question.audience}")
    if question.status is not None:
        yield SQL.has_status
    for name in FILTERS:
        if getattr(question.parameters, name) is not None:
            yield getattr(SQL, f"has_{name}")
    if question.parameters.q is not None:
        yield SQL.matches_words if PLAIN_WORDS.fullmatch(question.parameters.q) else SQL.matches_query


def _fill(text: str, pieces: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: pieces[match[1]], text)
