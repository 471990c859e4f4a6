"""Whatever somebody may ask of read-api: sensible questions, odd spellings of them, nonsense. The same in every run."""

import random
import string
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import httpx2

WORDS = (
    "music", "jazz", "Berlin", "Paris", "title", "-title", "starts_at", "-starts_at", "updated_at", "-updated_at",
    "true", "false", "1", "0", "-1", "10", "50", "250", "251", "1e3", "2026-12-01T19:00:00Z", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z", "jazz night", '"jazz"', "-jazz", "or", "", " ", "\x00", "\u202e", "🎷", "é" * 90,
    "%", "';--", "x" * 300, "null", "{}",
)  # fmt: skip
NAMES = (
    "category", "tag", "city", "q", "starts_after", "starts_before", "available", "sort", "limit", "cursor", "status",
    "min_revision", "page", "utm_source", "LIMIT", "",
)  # fmt: skip
SENSIBLE = {
    "category": ("music", "film", "nothing"), "tag": ("jazz", "late"), "city": ("Berlin", "Paris"),
    "available": ("true", "false", "True", "1"), "limit": ("10", "12", "50", "7", "010"),
    "q": ("jazz", "nigh", "event 7"),
    "sort": ("title", "-title", "starts_at", "-updated_at"), "starts_after": ("2026-01-01T00:00:00Z",),
}  # fmt: skip
CODINGS = ("gzip", "zstd", "br", "identity", "*", "gzip;q=0", "gzip, zstd", "identity;q=0", "gzip;q=nonsense", "")
REMEMBERED = 64  # cursors and entity tags of answers before


@dataclass(frozen=True)
class Asked:
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]


class Crawler:
    def __init__(self, seed: int, ids: Sequence[int], handles: Sequence[str]) -> None:
        self._chance = random.Random(seed)  # noqa: S311 (the same questions in every run)
        self._ids, self._handles = ids, handles
        self._cursors: deque[str] = deque(["bm90aGluZw"], REMEMBERED)
        self._tags: deque[str] = deque(['"0-none"'], REMEMBERED)

    def ask(self) -> Asked:
        chance = self._chance
        method = chance.choices(["GET", "HEAD", "OPTIONS", "POST", "DELETE", "PURGE"], [80, 10, 2, 2, 1, 1])[0]
        url = self._path()
        query = self._query()
        return Asked(method, f"{url}?{query}" if query else url, tuple(self._headers()))

    def learn(self, answer: httpx2.Response) -> None:
        """Its entity tag, and the cursor of the page after it."""
        if "ETag" in answer.headers:
            self._tags.append(answer.headers["ETag"])
        if answer.status_code == httpx2.codes.OK and answer.content.startswith(b'{"events"'):
            cursor = answer.json()["next_cursor"]
            if cursor:
                self._cursors.append(cursor)

    def _path(self) -> str:
        chance = self._chance
        number = chance.choice(
            [str(chance.choice(self._ids)), str(chance.getrandbits(70)), f"0{chance.choice(self._ids)}"]
        )
        handle = chance.choice([chance.choice(self._handles), chance.choice(WORDS), self._text()])
        segment = chance.choice([number, number, number, quote(handle, safe="")])
        forms = ("/v1/events", "/v1/events/{}", "/v1/events/{}/tickets", "/v1/events/by-handle/{}", "/v1/categories",
                 "/v1/manage/events", "/v1/manage/events/{}", "/v1/events/{}/", "/v1/{}", "//v1/events")  # fmt: skip
        path = chance.choices(forms, [40, 25, 8, 10, 5, 3, 3, 2, 2, 1])[0]
        return path.format(quote(handle, safe="") if "handle" in path else segment)

    def _query(self) -> str:
        chance = self._chance
        pairs: list[tuple[str, str]] = []
        for _ in range(chance.choices([0, 1, 2, 3, 6], [40, 25, 20, 10, 5])[0]):
            if chance.random() < 0.7:
                name = chance.choice(tuple(SENSIBLE))
                pairs.append((name, chance.choice(SENSIBLE[name])))
            elif chance.random() < 0.5:
                pairs.append(("cursor", self._cursor()))
            else:
                pairs.append((chance.choice(NAMES), chance.choice([*WORDS, self._text()])))
        joined = "&".join(f"{quote(name)}={self._spelled(value)}" for name, value in pairs)
        return chance.choices([joined, f"{joined}&", f"&{joined}", joined.replace("=", "", 1)], [90, 4, 3, 3])[0]

    def _spelled(self, value: str) -> str:
        """Percent-encoded: as one does, or every byte of it."""
        if self._chance.random() < 0.9:
            return quote(value, safe=self._chance.choice(["", "/:", "-"]))
        return "".join(f"%{byte:02x}" for byte in value.encode())

    def _cursor(self) -> str:
        chance = self._chance
        cursor = chance.choice(self._cursors)
        place = chance.randrange(len(cursor))
        other = chance.choice(string.ascii_letters)
        return chance.choices([cursor, cursor[:place], f"{cursor[:place]}{other}{cursor[place + 1 :]}"], [60, 20, 20])[
            0
        ]

    def _headers(self) -> list[tuple[str, str]]:
        chance = self._chance
        possible = [
            ("Accept-Encoding", chance.choice(CODINGS)),
            ("If-None-Match", chance.choice(["*", "nonsense", *self._tags])),
            ("If-None-Match", ", ".join(["W/" + chance.choice(self._tags), chance.choice(self._tags)])),
            ("X-Min-Revision", chance.choice(["0", "1", "-1", "nonsense", "1" * 30])),
            ("X-Forwarded-Host", "elsewhere.example"),
            ("Cookie", f"session={self._text()}"),
            ("Cache-Control", "no-cache"),
            ("Range", "bytes=0-10"),
            ("Accept", "text/html"),
            ("X-Original-URL", "/v1/manage/events"),
        ]
        return [header for header in possible if chance.random() < 0.2]

    def _text(self) -> str:
        return "".join(self._chance.choices(string.ascii_lowercase + string.digits, k=self._chance.randint(1, 40)))
