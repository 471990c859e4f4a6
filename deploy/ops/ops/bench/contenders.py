"""Who is measured beside us: FastAPI apps and nginx, each a process of its own on a free port."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ops.bench.peers.shop import CROWD, POSTGRES, REDIS
from ops.bench.requirements import library, program
from ops.bench.subject import Subject, place
from sandbox.processes import Process, answers, stop_all
from sandbox.servers import free_port
from sandbox.servers.ports import LOOPBACK

CACHE_ASIDE, CASHEWS, CASHEWS_LOCK, FASTAPI_CACHE, NGINX = (
    "FastAPI + Redis",
    "cashews",
    "cashews, lock=True",
    "fastapi-cache",
    "nginx",
)
MODULES = {CACHE_ASIDE: "cache_aside", CASHEWS: "cashews_decorator", FASTAPI_CACHE: "fastapi_cache_decorator"}
NEEDS = {CASHEWS: ("cashews",), FASTAPI_CACHE: ("fastapi_cache", "fastapi_cache.decorator")}
READY_WITHIN = 30.0  # seconds
STOP_WITHIN = 10.0  # seconds
DATABASES = {name: number for number, name in enumerate(MODULES, 1)}  # of Valkey: `event:42` is not one thing

# Debian's own choices (sendfile, tcp_nopush), one worker, and no log because we write none either.
CONFIGURATION = """\
{user}
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log crit;
events {{ worker_connections 18000; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  gzip_static on;
  gzip_vary on;
  default_type application/json;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen {address}:{port} backlog=4096;
    root {directory}/files;
{headers}
  }}
}}
"""
AS_ROOT = "user root;"  # else its worker is nobody, who may not pass through our directories
SET_BY_NGINX = {"content-type", "content-length", "content-encoding", "date", "server", "connection", "etag", "vary"}


@dataclass(frozen=True)
class Contender:
    """`url` is where its paths begin; the CPU that it takes is that of process `pid` and its children."""

    who: str
    url: str
    pid: int

    @property
    def place(self) -> tuple[str, int]:
        return place(self.url)


def check_installed(names: tuple[str, ...]) -> None:
    """Raises NotInstalled for the first library that one of these peers lacks."""
    for module in (module for name in names for module in NEEDS.get(name, ())):
        library(module)


@contextmanager
def peers(
    names: tuple[str, ...], subject: Subject, logs: Path, processes: int = 1, *, crowd: bool = False
) -> Iterator[dict[str, list[Contender]]]:
    """Each of these so many times, by name; `crowd`: thousands will ask at once. All of them are ended.

    Raises NotInstalled, ProcessError.
    """
    check_installed(names)
    started: list[tuple[str, str, Process]] = []
    try:
        for name in names:
            for _ in range(processes):
                started.append((name, *_peer(name, subject, logs, crowd=crowd)))
                started[-1][-1].launch()
        for _, _, process in started:
            process.wait_ready(READY_WITHIN)
        yield {
            name: [Contender(name, url, process.pid) for who, url, process in started if who == name] for name in names
        }
    finally:
        stop_all((process for _, _, process in started), STOP_WITHIN)


def _peer(name: str, subject: Subject, logs: Path, *, crowd: bool) -> tuple[str, Process]:
    port, module = free_port(), MODULES[name]
    redis = urlsplit(subject.redis)._replace(path=f"/{DATABASES[name]}").geturl()
    url = f"http://{LOOPBACK}:{port}"
    process = Process(
        f"{module} {port}",
        [sys.executable, "-m", "ops.bench.peers", module, str(port)],
        log=logs / f"{module}-{port}.log",
        env={POSTGRES: subject.postgres, REDIS: redis, CROWD: "1" if crowd else None},
        ready=answers(f"{url}/openapi.json"),
    )
    return url, process


@contextmanager
def nginx(files: Mapping[str, bytes], headers: Mapping[str, str], directory: Path) -> Iterator[Contender]:
    """Serves `files` by path from disk (one that ends in .gz where gzip is taken), with these headers.

    Raises NotInstalled, ProcessError.
    """
    for path, body in files.items():
        file = directory / "files" / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    port = free_port()
    told = [f"    add_header {name} '{value}';" for name, value in headers.items() if name.lower() not in SET_BY_NGINX]
    configuration = directory / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(
            user=AS_ROOT if os.geteuid() == 0 else "",
            directory=directory,
            address=LOOPBACK,
            port=port,
            headers="\n".join(told),
        )
    )
    url = f"http://{LOOPBACK}:{port}"
    process = Process(
        "nginx",
        [str(program("nginx")), "-c", str(configuration), "-p", str(directory), "-e", str(directory / "error.log")],
        log=directory / "nginx.log",
        ready=answers(url + next(iter(files))),
    )
    try:
        process.start(READY_WITHIN)
        yield Contender(NGINX, url, process.pid)
    finally:
        stop_all([process], STOP_WITHIN)
