"""Run wrk: one thread, as many requests as the server will answer. For rates; its latencies wait for the server."""

import re
import subprocess
from collections.abc import Mapping

from ops.bench import cpu
from ops.bench.requirements import program
from ops.failures import Refused

CONNECTIONS = 64
SPARE = 15.0  # seconds for it to start and to end
RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
REQUESTS = re.compile(r"^\s*(\d+) requests in", re.MULTILINE)
LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$", re.MULTILINE)
WRONG = re.compile(r"^\s*Non-2xx or 3xx responses: (\d+)", re.MULTILINE)
SOCKET = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
IN_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def hammer(url: str, pid: int, seconds: float, headers: Mapping[str, str] | None = None) -> dict[str, float]:
    """Figures of the server of that process: rate, latencies, errors, its CPU. Raises NotInstalled, Refused."""
    named = [word for name, value in (headers or {}).items() for word in ("-H", f"{name}: {value}")]
    command = [str(program("wrk")), "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--latency", *named, url]
    before = cpu.seconds(pid)
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + SPARE, check=False)  # noqa: S603
    spent = cpu.seconds(pid) - before
    if done.returncode != 0:
        raise Refused(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return {**said(done.stdout), **_cost(done.stdout, spent)}


def said(text: str) -> dict[str, float]:
    """What wrk printed, in milliseconds. Raises Refused when there is no rate in it."""
    rate = RATE.search(text)
    if rate is None:
        raise Refused(f"wrk said nothing of a rate: {text.strip()}")
    wrong, broken = WRONG.search(text), SOCKET.search(text)
    errors = (int(wrong[1]) if wrong else 0) + (sum(map(int, broken.groups())) if broken else 0)
    latencies = {f"p{part} ms": float(value) * IN_MS[unit] for part, value, unit in LATENCY.findall(text)}
    return {"requests/s": float(rate[1]), **latencies, "errors": errors}


def _cost(text: str, spent: float) -> dict[str, float]:
    requests = REQUESTS.search(text)
    return {"CPU s per 1,000": spent / int(requests[1]) * 1000} if requests and int(requests[1]) else {}
