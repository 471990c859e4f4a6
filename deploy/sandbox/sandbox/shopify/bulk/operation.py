"""One bulk operation, as far as anyone but its runner knows: a plain record."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sandbox.shopify.gids import gid


@dataclass(slots=True)
class BulkOperation:
    """One query and its result. `status` never says EXPIRED: that is a matter of the hour, see `BulkOperations`."""

    id: int
    query: str
    group_objects: bool
    created_at: datetime
    name: str  # of the result, in its URL
    status: str = "CREATED"
    error_code: str | None = None
    completed_at: datetime | None = None
    object_count: int = 0
    root_object_count: int = 0
    file_size: int | None = None
    result: Path | None = None  # whole when COMPLETED, partial when FAILED
    expires_at: float | None = None  # seconds since the epoch
    wake: Callable[[], None] = lambda: None  # whoever carries it out looks at the status at once

    @property
    def gid(self) -> str:
        return gid("BulkOperation", self.id)
