"""Ask before something is done that can't be undone; where nobody can be asked, it has to be said beforehand."""

import sys

import typer

from ops.failures import Exit, Unconfirmed


def confirm(question: str) -> None:
    """Raises Unconfirmed: there is no terminal. Leaves with Exit.FAILED when the answer is no."""
    if not sys.stdin.isatty():
        raise Unconfirmed("nobody is here to be asked: say --yes")
    if not typer.confirm(question, err=True):
        raise typer.Exit(Exit.FAILED)
