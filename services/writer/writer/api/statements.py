"""The statements of `acceptance.sql`, their pieces filled in."""

import re
from types import SimpleNamespace

from shared.postgres import queries

_RAW = queries("writer.api", "acceptance.sql")
PIECES = ("job", "queue", "place")


def _filled(text: str) -> str:
    """Only the pieces' own names: `'{}'` is JSON."""
    return re.sub(r"\{(\w+)\}", lambda piece: getattr(_RAW, piece[1]), text)


SQL = SimpleNamespace(**{name: _filled(text) for name, text in vars(_RAW).items() if name not in PIECES})
