"""A real Varnish or nginx with the configuration of `deploy/edge`, and an origin that answers as a test wants it to."""

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest
from packages import ROOT

from sandbox.processes import Process
from sandbox.servers import free_port

EDGE = ROOT / "deploy" / "edge"
LOOPBACK = "127.0.0.1"
PUBLIC = {
    "Content-Type": "application/json",
    "Cache-Control": "public, max-age=0, stale-if-error=86400",
    "CDN-Cache-Control": "public, s-maxage=60, stale-if-error=86400",
}


@dataclass(frozen=True)
class Edge:
    url: str
    purges: str  # where it takes them; empty where it takes none
    process: Process


def program(name: str) -> str:
    """Where it is, or why the test is skipped."""
    found = shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"{name} is not installed (Debian's package of that server)")
    return found


@contextmanager
def varnish(directory: Path, origin: str) -> Iterator[Edge]:
    """Before `origin`, as `host:port`."""
    port, purges = free_port(), free_port()
    (directory / "vcl").mkdir()
    shutil.copy(EDGE / "varnish" / "default.vcl", directory / "vcl")
    host, _, origin_port = origin.rpartition(":")
    backend = (EDGE / "varnish" / "backend.vcl").read_text()
    backend = backend.replace('"read-api"', f'"{host}"').replace('"8000"', f'"{origin_port}"')
    (directory / "vcl" / "backend.vcl").write_text(backend)
    command = [
        program("varnishd"), "-F", "-j", "none", "-n", str(directory / "work"), "-s", "malloc,32M", "-T", "none",
        "-f", str(directory / "vcl" / "default.vcl"),
        "-a", f"http={LOOPBACK}:{port},HTTP", "-a", f"purge={LOOPBACK}:{purges},HTTP",
        "-p", "thread_pool_min=10", "-p", "thread_pools=1",
    ]  # fmt: skip
    with _running("varnish", command, directory, port) as process:
        yield Edge(f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{purges}", process)


@contextmanager
def nginx(directory: Path, origin: str) -> Iterator[Edge]:
    """Before `origin`, as `host:port`."""
    port = free_port()
    config = (EDGE / "nginx" / "nginx.conf").read_text()
    (directory / "nginx.conf").write_text(f"daemon off;\nuser root;\n{config}")
    (directory / "origin.conf").write_text(f"upstream origin {{ server {origin}; keepalive 4; }}\n")
    (directory / "listen.conf").write_text(f"listen {LOOPBACK}:{port};\n")
    command = [program("nginx"), "-p", str(directory), "-c", "nginx.conf", "-e", "stderr"]
    with _running("nginx", command, directory, port) as process:
        yield Edge(f"http://{LOOPBACK}:{port}", "", process)


@contextmanager
def _running(name: str, command: list[str], directory: Path, port: int) -> Iterator[Process]:
    """Ready when it lets somebody in; what it answers is the origin's business."""

    def listens() -> bool:
        with socket.socket() as client:
            client.settimeout(0.2)
            return client.connect_ex((LOOPBACK, port)) == 0

    process = Process(name, command, log=directory / f"{name}.log", ready=listens)
    try:
        process.start()
        yield process
    finally:
        process.stop()


@dataclass
class Page:
    """What the origin answers at an address. `held`: it comes to an answer at once, and sends it when it is let go."""

    body: str = "{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(PUBLIC))
    held: threading.Event | None = None


class Origin:
    """Stands in for read-api where a test needs one that fails, dawdles or leaves a header out."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {"/v1/status": Page(headers={"Cache-Control": "no-store"})}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._server.daemon_threads = True
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._server.server_port}"

    def serve(self, path: str, body: str = "{}", tags: str | None = "understudy", **changes: object) -> Page:
        """Public and kept for a minute, unless `headers` say otherwise."""
        headers = PUBLIC | ({} if tags is None else {"Surrogate-Key": tags, "Cache-Tag": tags.replace(" ", ",")})
        made = Page(body, headers=headers)
        for name, value in changes.items():
            setattr(made, name, value if name != "headers" else headers | value)  # type: ignore[operator]
        self.pages[path] = made
        return made

    def times(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nobody answers any more, over kept connections neither. May be called twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(5)
        self._server.server_close()
        for connection in list(self._connections):
            with suppress(OSError):  # the other side was first
                connection.shutdown(socket.SHUT_RDWR)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                origin._connections.add(self.connection)

            def finish(self) -> None:
                origin._connections.discard(self.connection)
                super().finish()

            def do_GET(self) -> None:
                path = self.path.removesuffix("?")
                origin.asked.append((path, {name.lower(): value for name, value in self.headers.items()}))
                page = origin.pages.get(path, Page(status=404, headers={"Cache-Control": "no-store"}))
                body = page.body.encode()
                if page.held is not None:
                    page.held.wait(20)
                self.send_response(page.status)
                for name, value in page.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_HEAD = do_POST = do_GET  # noqa: N815 (the names that http.server looks for)

            def log_message(self, *_: object) -> None:
                """Tests look at `asked`."""

        return Handler
