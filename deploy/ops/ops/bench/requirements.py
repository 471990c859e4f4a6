"""What only a bench needs, and the command that installs it: programs of the system, and the extra `ops[bench]`."""

import resource
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

from ops.failures import Refused, SettingMissing

EXTRA = "uv sync --all-packages --extra bench"
PACKAGES = {"wrk": "wrk", "nginx": "nginx-light"}  # Debian's
BESIDE = ("/usr/sbin", "/usr/local/sbin")  # not on everybody's path


class NotInstalled(SettingMissing):
    """A program or a library that a bench needs is not there."""


def program(name: str) -> Path:
    """Where it is. Raises NotInstalled."""
    found = shutil.which(name) or next(filter(None, (shutil.which(name, path=path) for path in BESIDE)), None)
    if found is None:
        raise NotInstalled(f"{name} is not installed: apt-get install {PACKAGES[name]}")
    return Path(found)


def library(name: str) -> Any:
    """A module of the extra `ops[bench]`. Raises NotInstalled."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise NotInstalled(f"{error.name} is not installed: {EXTRA}") from error


def open_files(wanted: int) -> None:
    """Let this process and those that it starts open so many files, connections included. Raises Refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Refused(f"a process may open {hard} files here, and this takes {wanted}: raise it with ulimit -Hn")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
