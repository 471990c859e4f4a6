"""The statements of `acceptance.sql`, their pieces filled in."""

import re
from types import SimpleNamespace
from typing import Any

from shared.postgres import queries

_RAW = queries("writer.api", "acceptance.sql")
PIECES = ("job", "queue", "place", "on_its_way")
CONDITIONS = ("of_owner", "of_event", "in_state", "before")


def _filled(text: str) -> str:
    """Only the pieces' own names: `'{}'` is JSON."""
    return re.sub(r"\{(" + "|".join(PIECES) + r")\}", lambda piece: getattr(_RAW, piece[1]), text)


SQL = SimpleNamespace(
    **{name: _filled(text) for name, text in vars(_RAW).items() if name not in (*PIECES, *CONDITIONS)}
)


def list_jobs(limit: int, **wanted: Any) -> tuple[str, list[Any]]:
    """The statement and its values. `wanted`: a value for some of CONDITIONS; None asks for nothing."""
    named = {name: value for name, value in wanted.items() if value is not None}
    conditions = [getattr(_RAW, name).replace("{parameter}", f"${number}") for number, name in enumerate(named, 2)]
    text = SQL.list_jobs.replace("{conditions}", " AND ".join(conditions) or "true")
    return text, [limit, *named.values()]
