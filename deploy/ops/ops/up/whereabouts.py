"""Where PostgreSQL of a running `understudy up` is, password and all: told to the same user's commands, to nobody else.

A file below a directory of the user's own, by the first port of `up`. It goes with `up`, also when that is killed.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops import output
from sandbox import reaper


@contextmanager
def told(port: int, dsn: str) -> Iterator[None]:
    """As long as it is open, commands find `dsn` by `port`; where it can't be kept safe it is not, with a warning."""
    place = _home() / str(port)
    try:
        _write(place, dsn)
    except OSError as error:
        output.warn(f"other commands have to be told --postgres: {place} can't be used: {error}")
        yield
        return
    try:
        yield
    finally:
        shutil.rmtree(place, ignore_errors=True)
        reaper.removed(place)


def postgres_of(port: int) -> str | None:
    """The DSN of the `up` of this user that has this first port. None: there is none."""
    try:
        _check(_home())
        return (_home() / str(port) / "postgres").read_text()
    except OSError:
        return None


def _write(place: Path, dsn: str) -> None:
    """Raises OSError."""
    place.parent.mkdir(mode=0o700, exist_ok=True)
    _check(place.parent)
    place.mkdir(mode=0o700, exist_ok=True)
    reaper.remove_at_end(place)
    with os.fdopen(os.open(place / "postgres", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(dsn)


def _home() -> Path:
    return Path(tempfile.gettempdir()) / f"understudy-of-{os.getuid()}"


def _check(directory: Path) -> None:
    """In a place where anyone may make directories, only one that is ours alone is believed. Raises OSError."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{directory} is open to others, or somebody else's")
