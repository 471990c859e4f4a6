"""On what was measured: the machine, the interpreter, the versions."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ops.bench.requirements import NotInstalled, program
from sandbox.servers.nats import nats_server
from sandbox.servers.postgres import postgres_bin

LIBRARIES = (
    "granian", "fastapi", "starlette", "uvloop", "orjson", "asyncpg", "redis", "hiredis", "nats-py", "faststream",
    "cashews", "fastapi-cache2", "rq",
)  # fmt: skip
LOAD = "load before"  # of one, five and fifteen minutes
QUIET = 0.5  # of a core, on average of the last minute
ASK_WITHIN = 5.0  # seconds


def facts() -> Mapping[str, str]:
    """By what is said of it, in the order in which it is printed. A peer that is not installed is left out."""
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    said = {
        "CPU": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        LOAD: load,
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "PostgreSQL": _version(str(postgres_bin() / "postgres"), "--version"),
        "NATS": _version(str(nats_server()), "--version"),
        "nginx": _of_system("nginx", "-v"),
        "wrk": _of_system("wrk", "-v"),
        **{name: _library(name) for name in LIBRARIES},
    }
    return {name: value for name, value in said.items() if value}


def warnings(said: Mapping[str, str]) -> list[str]:
    """What makes these figures provisional, in words."""
    busy = float(said[LOAD].partition(" ")[0])
    return [f"Provisional: the machine was busy before the run began (load {busy:g})."] if busy > QUIET else []


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return " ".join(value.split())
    return platform.machine()


def _library(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _of_system(name: str, flag: str) -> str:
    try:
        return _version(str(program(name)), flag)
    except NotInstalled:
        return ""


def _version(executable: str, flag: str) -> str:
    """The first line that it says, wherever and with whatever exit code it says it (wrk: 1, nginx: on stderr)."""
    done = subprocess.run([executable, flag], capture_output=True, text=True, timeout=ASK_WITHIN, check=False)  # noqa: S603
    line = (done.stdout + done.stderr).strip().partition("\n")[0]
    return line.partition(" Copyright")[0].removeprefix("nginx version: ")
