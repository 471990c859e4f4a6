"""Keep a shop over restarts: one file, written at once and whole, whenever the journal has moved on.

A demo that keeps its projections needs a Shopify that remembers too: a shop that was seeded anew would be older than
what was projected from it, and nothing could ever bring the two together.
"""

import asyncio
import logging
import os
import pickle
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.shopify.seeding import define_metafields
from sandbox.shopify.shop import Shop
from sandbox.shopify.subscriptions import Subscriptions

log = logging.getLogger(__name__)

FORMAT = 1  # raise it when the shapes change; an older file is not read
INTERVAL = 1.0  # seconds between looks: what a killed process can forget
AT_MOST = 20  # a big shop takes long to write and nothing is answered meanwhile: one part in 20 of the time

KEPT = (
    "numbers", "products", "handles", "variants", "items", "levels", "locations", "publications", "definitions",
    "destroyed", "created_at",
)  # fmt: skip


class WrongFormat(Exception):
    """The file was written by another version of the simulation; remove it to start anew."""


@dataclass(slots=True)
class Keeper:
    """`load` before the shop is used, `run` while it is, `save` at the end."""

    path: Path
    shop: Shop
    subscriptions: Subscriptions
    _saved: int = -1

    def load(self) -> bool:
        """False when there is no file yet.

        Raises:
            WrongFormat: the file is of another version.

        """
        if not self.path.is_file():
            return False
        kept: dict[str, Any] = pickle.loads(self.path.read_bytes())  # noqa: S301 - our own file, beside our own data
        if kept.pop("format") != FORMAT:
            raise WrongFormat(str(self.path))
        self.subscriptions.restore(kept.pop("subscriptions"), kept["numbers"])
        for name, value in kept.items():
            setattr(self.shop, name, value)
        if "definitions" not in kept:  # kept before there were any
            define_metafields(self.shop)
        return True

    def save(self) -> None:
        """Write beside, then rename: a crash leaves the old file or the new one."""
        kept = {name: getattr(self.shop, name) for name in KEPT}
        raw = pickle.dumps({"format": FORMAT, "subscriptions": self.subscriptions.all, **kept})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        with beside.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)

    def step(self) -> bool:
        """Save when something was done since; whether it did."""
        if self._saved == self.shop.entries:
            return False
        self._saved = self.shop.entries
        self.save()
        return True

    async def run(self) -> None:
        pause = INTERVAL
        while True:
            await asyncio.sleep(pause)
            started = time.monotonic()
            try:
                self.step()
            except OSError:
                log.exception("shop.not_kept path=%s", self.path)
            pause = max(INTERVAL, AT_MOST * (time.monotonic() - started))
