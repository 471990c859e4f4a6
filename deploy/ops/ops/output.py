"""What a command says: for people on a terminal, for programs as JSON. Answers go to stdout, all else to stderr."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text


def document(answer: Any) -> None:
    """One line of JSON."""
    sys.stdout.write(orjson.dumps(answer, default=str).decode() + "\n")
    sys.stdout.flush()


def line(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Progress, warnings: what a pipe should not carry."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def warn(text: str) -> None:
    """A note that programs get, too: as JSON where the command was asked to speak JSON."""
    note(orjson.dumps({"warning": text}).decode() if "--json" in sys.argv else text)


def fail(text: str) -> None:
    """As people read it, or as JSON where the command was asked to speak JSON."""
    if "--json" in sys.argv:
        note(orjson.dumps({"error": text}).decode())
        return
    note(f"understudy: {text}")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table as wide as the terminal, or as wide as it takes where there is none."""
    drawn = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*("-" if value is None else value if isinstance(value, Text) else str(value) for value in row))
    console().print(drawn)


def console() -> Console:
    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "200"))
    return Console(width=width, soft_wrap=False, highlight=False, markup=False)


def errors() -> Console:
    """stderr, for what is drawn while a command works."""
    return Console(stderr=True, highlight=False)
