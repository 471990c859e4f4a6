"""The purge APIs of Cloudflare and Fastly, simulated on loopback. What the real ones refuse, they refuse.

Cloudflare, as developers.cloudflare.com/api/resources/cache/methods/purge, …/cache/how-to/purge-cache (100 tags in a
call; a token bucket for the account; 429) and …/purge-by-tags (printable ASCII without spaces, 1,024 characters) say.
Fastly, as docs.fastly.com/api says of purging (256 keys in a batch, `purge_all` never soft, Fastly-Key), of surrogate
keys (bytes 0x21-0x7E, 1,024 of them) and of rate limiting (429 and Fastly-RateLimit-Reset).
"""

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

LOOPBACK = "127.0.0.1"
MAX_TAG = 1024  # characters
Answer = tuple[int, dict[str, Any], dict[str, str]]  # status, body, headers


@dataclass(frozen=True)
class Purge:
    """One that was accepted. `tags` is None: everything."""

    at: float  # by the monotonic clock
    tags: frozenset[str] | None
    soft: bool = False


class Api:
    """`purges` are what it did; `refusals` the status of what it did not. `away`, `says`, `rate`, `burst` are knobs."""

    token = "canary-token-5f1c"
    account = "0123456789abcdef0123456789abcdef"

    def __init__(self, rate: float = 1000.0, burst: int = 1000) -> None:
        self.purges: list[Purge] = []
        self.refusals: list[int] = []
        self.asked: list[float] = []
        self.rate, self.burst = rate, burst
        self.away = False  # it hangs up on everyone
        self.says: Answer | None = None  # instead of doing anything
        self.refuses_tags = False
        self._level, self._filled_at = float(burst), time.monotonic()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def settings(self) -> dict[str, Any]:
        """What names it to a purger."""
        raise NotImplementedError

    def purged(self, tag: str | None) -> list[float]:
        """When."""
        return [purge.at for purge in self.purges if (purge.tags is None if tag is None else tag in (purge.tags or ()))]

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        with self._lock:
            self.asked.append(time.monotonic())
            answer = self.says or self._judge(path, headers, body)
            if answer[0] != 200:
                self.refusals.append(answer[0])
            return answer

    def _judge(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        raise NotImplementedError

    def _takes_one_more(self) -> float:
        """0, or the seconds until it does."""
        now = time.monotonic()
        self._level = min(float(self.burst), self._level + self.rate * (now - self._filled_at))
        self._filled_at = now
        if self._level < 1:
            return (1 - self._level) / self.rate
        self._level -= 1
        return 0.0

    def _accept(self, tags: list[str] | None, *, soft: bool = False) -> None:
        self.purges.append(Purge(time.monotonic(), None if tags is None else frozenset(tags), soft))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if api.away:
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, answer, extra = api.answer(self.path, headers, body)
                encoded = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **extra}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            def log_message(self, *_: object) -> None:
                """Tests look at `purges` and `refusals`."""

        return Handler


class Cloudflare(Api):
    MOST = 100  # tags in a call

    def settings(self) -> dict[str, Any]:
        return {
            "cdn_provider": "cloudflare", "cdn_api_token": self.token, "cdn_zone_id": self.account,
            "cdn_api_url": f"{self.url}/client/v4",
        }  # fmt: skip

    def _judge(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Bearer {self.token}":
            return self._refuse(403, 10000, "Authentication error")
        if path != f"/client/v4/zones/{self.account}/purge_cache":
            return self._refuse(404, 7003, "Could not route to the path")
        if (seconds := self._takes_one_more()) > 0:
            return *self._refuse(429, 971, "Please wait")[:2], {"Retry-After": str(int(seconds) + 1)}
        try:
            return self._purge(json.loads(body))
        except ValueError:
            return self._refuse(400, 1012, "Request must contain one of files, tags, …")

    def _purge(self, asked: Any) -> Answer:
        if asked == {"purge_everything": True}:
            self._accept(None)
            return 200, {"success": True, "errors": [], "messages": [], "result": {"id": self.account}}, {}
        tags = asked.get("tags") if isinstance(asked, dict) and len(asked) == 1 else None
        fit = isinstance(tags, list) and 0 < len(tags) <= self.MOST and all(is_tag(tag) for tag in tags)
        if not fit or self.refuses_tags:
            return self._refuse(400, 1094, "Unable to purge by tag")
        self._accept(tags)
        return 200, {"success": True, "errors": [], "messages": [], "result": {"id": self.account}}, {}

    @staticmethod
    def _refuse(status: int, code: int, words: str) -> Answer:
        """With the words that real ones are wordy with: nothing of them may come out of a purger."""
        return status, {"success": False, "errors": [{"code": code, "message": words}], "result": None}, {}


class Fastly(Api):
    MOST = 256  # keys in a batch

    def settings(self) -> dict[str, Any]:
        return {
            "cdn_provider": "fastly", "cdn_api_token": self.token, "cdn_service_id": self.account,
            "cdn_api_url": self.url,
        }  # fmt: skip

    def _judge(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if headers.get("fastly-key") != self.token:
            return 401, {"msg": "Provided credentials are missing or invalid"}, {}
        if (seconds := self._takes_one_more()) > 0:
            reset = str(int(time.time() + seconds) + 1)
            return (
                429,
                {"msg": "Too many requests"},
                {"Fastly-RateLimit-Remaining": "0", "Fastly-RateLimit-Reset": reset},
            )
        soft = headers.get("fastly-soft-purge") == "1"
        if path == f"/service/{self.account}/purge_all" and not soft:
            self._accept(None)
            return 200, {"status": "ok"}, {}
        if path != f"/service/{self.account}/purge":
            return 404, {"msg": "Record not found"}, {}
        try:
            return self._purge(json.loads(body)["surrogate_keys"], soft=soft)
        except (ValueError, KeyError, TypeError):
            return 400, {"msg": "Bad request"}, {}

    def _purge(self, keys: list[str], *, soft: bool) -> Answer:
        if not 0 < len(keys) <= self.MOST or not all(is_tag(key) for key in keys) or self.refuses_tags:
            return 400, {"msg": "Bad request", "detail": "surrogate_keys"}, {}
        self._accept(keys, soft=soft)
        return 200, {key: f"108-{number}-974124" for number, key in enumerate(keys)}, {}


def is_tag(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= MAX_TAG and all("!" <= letter <= "~" for letter in text)
