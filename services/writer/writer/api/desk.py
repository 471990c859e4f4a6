"""What the command API lives on; the application puts it together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from writer.api.eta import Level
from writer.api.settings import WriterApiSettings
from writer.wakeups import Wakeups

if TYPE_CHECKING:  # generic in the stubs only
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Pool = asyncpg.Pool


@dataclass(frozen=True)
class Desk:
    """`pool` raises Unavailable before there is one. `level` says Shopify's points, None when nobody knows; whatever it
    raises, and whenever it is slow, commands are accepted. `slots`: calls that the dispatcher has under way at most.
    """

    pool: Callable[[], Pool]
    wakeups: Wakeups
    settings: WriterApiSettings
    level: Callable[[], Awaitable[Level | None]]
    slots: int
