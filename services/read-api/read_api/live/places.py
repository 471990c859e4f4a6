"""How many may listen at once: a place is taken before the first byte is sent, and held until the client has gone."""

from collections import Counter

from read_api.live import metrics
from read_api.live.settings import LiveSettings
from shared.problems import Problem

RETRY_AFTER = 5  # seconds, of a 503


class Places:
    """A stream that we ended keeps its place until its connection is over: it still costs what it costs."""

    def __init__(self, settings: LiveSettings) -> None:
        self._most = settings.sse_max_streams
        self._most_per_client = settings.sse_max_streams_per_client  # 0: any number
        self._taken = 0
        self._per_client: Counter[str] = Counter()
        self._closed = False

    def close(self) -> None:
        """From now on, there is none."""
        self._closed = True

    def take(self, client: str) -> None:
        """`client`: its address. Whoever takes a place gives it back. Raises Problem (503): there is none."""
        limit = self._limit(client)
        if limit is not None:
            metrics.REFUSED.labels(limit).inc()
            detail = "There are too many live streams; documents can still be read, and revalidated."
            raise Problem(503, detail, headers={"Retry-After": str(RETRY_AFTER)})
        self._taken += 1
        self._per_client[client] += 1

    def give_back(self, client: str) -> None:
        self._taken -= 1
        self._per_client[client] -= 1
        if not self._per_client[client]:
            del self._per_client[client]

    def _limit(self, client: str) -> str | None:
        """The one that is reached."""
        if self._closed:
            return "stopping"
        if self._taken >= self._most:
            return "process"
        if self._most_per_client and self._per_client[client] >= self._most_per_client:
            return "client"
        return None
