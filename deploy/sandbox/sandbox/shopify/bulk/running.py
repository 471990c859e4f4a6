"""Carry a bulk operation out: in slices, so that the API and the webhooks are served meanwhile.

A product is read when the export comes by, not when it began: an edit made meanwhile may or may not be in the result.
"""

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson
from graphql import GraphQLError

from sandbox.shopify import shapes
from sandbox.shopify.bulk.operation import BulkOperation
from sandbox.shopify.bulk.operations import BulkOperations
from sandbox.shopify.bulk.plan import Branch, BulkInfo
from sandbox.shopify.bulk.spreading import Spread, spread
from sandbox.shopify.knobs import Knobs

log = logging.getLogger(__name__)

SLICE = 0.005  # seconds of the event loop at a time
ESCAPES = ((b"/", b"\\/"), (b"&", b"\\u0026"), (b"<", b"\\u003c"), (b">", b"\\u003e"))
TAIL = 1 << 16  # bytes looked at from the end at once


class Failing(Exception):
    """The operation fails here, as the knobs say."""


class Canceled(Exception):
    """Someone canceled the operation."""


@dataclass(slots=True)
class Running:
    """One operation under way. `root` is the query's first connection."""

    operation: BulkOperation
    operations: BulkOperations
    root: Branch
    info: BulkInfo
    faulty: bool
    _began: float = field(default_factory=time.monotonic)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _spread: Spread = field(init=False)
    _path: Path = field(init=False)

    def __post_init__(self) -> None:
        self.operation.wake = self._woken.set
        self._path = self.operations.folder / self.operation.name
        scatter = self.knobs.bulk_scatter
        self._spread = spread(self.operation.group_objects, scatter, self.operations.folder, self.operations.chance)

    @property
    def knobs(self) -> Knobs:
        return self.info.context.knobs

    async def carry_out(self) -> None:
        """Ends with a status, whatever happens, and tells subscribers."""
        operation = self.operation
        try:
            with self._path.open("wb") as file:
                await self._write(file)
            self._complete()
        except Canceled:
            self._path.unlink(missing_ok=True)
            operation.status = "CANCELED"
        except Failing:
            self._fail(self.knobs.bulk_error_code)
        except GraphQLError as error:
            code = (error.extensions or {}).get("code")
            log.warning("bulk.refused id=%d error=%s", operation.id, error.message)
            self._fail("ACCESS_DENIED" if code == "ACCESS_DENIED" else "INTERNAL_SERVER_ERROR")
        except Exception:
            log.exception("bulk.crashed id=%d", operation.id)
            self._fail("INTERNAL_SERVER_ERROR")
        operation.completed_at = self.operations.shop.now()
        if self.knobs.bulk_finish_webhook:
            self.operations.shop.announce("BULK_OPERATIONS_FINISH", operation)

    def _complete(self) -> None:
        if self.faulty:
            truncate(self._path, self.knobs.bulk_truncated_lines, mid_line=self.knobs.bulk_truncated_mid_line)
        if self.operation.object_count:
            self.operations.keep(self.operation, self._path)
        else:
            self._path.unlink()
        self.operation.status = "COMPLETED"

    def _fail(self, code: str) -> None:
        self.operation.status, self.operation.error_code = "FAILED", code
        if self.knobs.bulk_partial_data and self._path.stat().st_size:
            self.operations.keep(self.operation, self._path)
        else:
            self._path.unlink(missing_ok=True)

    async def _write(self, file: IO[bytes]) -> None:
        await self._breathe(0)
        self.operation.status = "RUNNING"
        roots = self.root.items(None, self.info)
        fail_at = self.knobs.bulk_fail_at if self.faulty else None
        pace = self.knobs.bulk_seconds / max(1, len(roots))
        until = time.perf_counter() + SLICE
        for done, root in enumerate(roots):
            if fail_at is not None and done >= fail_at * len(roots):
                break
            if self._is_there(root):
                self._put(root, self.root, None, 0)
            ahead = self._began + pace * (done + 1) - time.monotonic() if pace else 0
            if ahead > 0 or time.perf_counter() > until:
                file.write(encoded(self._spread.ready()))
                await self._breathe(max(0.0, ahead))
                until = time.perf_counter() + SLICE
        file.write(encoded(self._spread.ready()))
        if fail_at is not None:
            raise Failing
        await self._finish(file, self._spread.rest())

    async def _finish(self, file: IO[bytes], rest: Iterator[bytes]) -> None:
        until, lines = time.perf_counter() + SLICE, []
        for piece in rest:
            lines.append(piece)
            if time.perf_counter() > until or len(piece) > TAIL:
                file.write(encoded(lines))
                lines = []
                await self._breathe(0)
                until = time.perf_counter() + SLICE
        file.write(encoded(lines))
        await self._breathe(max(0.0, self._began + self.knobs.bulk_seconds - time.monotonic()))

    async def _breathe(self, seconds: float) -> None:
        """Let others run, or wait so long.

        Raises:
            Canceled: that is what someone asked for meanwhile.

        """
        if seconds:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._woken.wait()
        else:
            await asyncio.sleep(0)
        if self.operation.status == "CANCELING":
            raise Canceled

    def _is_there(self, root: Any) -> bool:
        """A product that was deleted while others were read is not in the result."""
        return not isinstance(root, shapes.Product) or root.id in self.operations.shop.products

    def _put(self, node: Any, branch: Branch, parent: str | None, after: int) -> None:
        """A node's line and all below it, depth first."""
        shape = branch.shape_of(node)
        line = shape.write(node, self.info)
        own_id: str | None = line.get("id")
        if parent is not None:
            line["__parentId"] = parent
        at = self._spread.put(orjson.dumps(line), branch.number, after)
        self.operation.object_count += 1
        self.operation.root_object_count += not branch.number
        for below in shape.branches:
            for child in below.items(node, self.info):
                self._put(child, below, own_id, at)


def encoded(lines: list[bytes]) -> bytes:
    r"""JSONL with Shopify's escapes: `\/`, `\u0026`."""
    if not lines:
        return b""
    text = b"\n".join(lines) + b"\n"
    for plain, escaped in ESCAPES:
        text = text.replace(plain, escaped)
    return text


def truncate(path: Path, lines: int, *, mid_line: bool) -> None:
    """Take the last lines off a file, and half of the one before."""
    with path.open("r+b") as file:
        for _ in range(lines):
            file.truncate(_last_line(file))
        if mid_line:
            start, end = _last_line(file), file.seek(0, os.SEEK_END)
            file.truncate(start + (end - start) // 2)


def _last_line(file: IO[bytes]) -> int:
    """Where the last line begins."""
    end = file.seek(0, os.SEEK_END)
    at = max(0, end - 1)  # before the newline that ends it
    while at > 0:
        start = max(0, at - TAIL)
        file.seek(start)
        found = file.read(at - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0
