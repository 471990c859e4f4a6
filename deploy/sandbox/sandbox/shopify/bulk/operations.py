"""Bulk operations of the one app: which there are, how many run, what became of each. Nothing survives a restart."""

import asyncio
import random
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.shopify.bulk.operation import BulkOperation
from sandbox.shopify.knobs import Knobs
from sandbox.shopify.refusals import refuse
from sandbox.shopify.shop import Shop

KEPT = 500  # operations remembered, the oldest finished ones go first
FILES_KEPT = 20  # results on disk; an older one is EXPIRED
RUNNING = frozenset({"CREATED", "RUNNING", "CANCELING"})


@dataclass(slots=True)
class BulkOperations:
    """Starts, remembers, cancels. `faults_left` operations more are ill-fated as the knobs say; None: all."""

    shop: Shop
    knobs: Callable[[], Knobs]
    chance: random.Random
    all: dict[int, BulkOperation] = field(default_factory=dict)
    faults_left: int | None = None
    tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _folder: Path | None = None

    @property
    def folder(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="bulk-operations-"))
        return self._folder

    @property
    def running(self) -> list[BulkOperation]:
        return [operation for operation in self.all.values() if operation.status in RUNNING]

    def start(
        self,
        query: str,
        grouped: bool,
        carry_out: Callable[[BulkOperation], "asyncio.Task[None]"],
    ) -> BulkOperation:
        """A new operation under way.

        Raises:
            Refused: OPERATION_IN_PROGRESS, as many as are allowed run already.

        """
        running = self.running
        if len(running) >= self.knobs().bulk_concurrency:
            named = ", ".join(operation.gid for operation in running)
            message = f"A bulk query operation for this app and shop is already in progress: {named}."
            raise refuse(None, message, "OPERATION_IN_PROGRESS")
        operation = BulkOperation(
            id=self.shop.numbers.next("BulkOperation"),
            query=query,
            group_objects=grouped,
            created_at=self.shop.now(),
            name=f"{secrets.token_hex(14)}-final",
        )
        self.all[operation.id] = operation
        self._forget_old()
        task = carry_out(operation)
        self.tasks[operation.id] = task
        task.add_done_callback(lambda _: self.tasks.pop(operation.id, None))
        return operation

    def cancel(self, number: int) -> BulkOperation:
        """CANCELING, and CANCELED as soon as the running one notices.

        Raises:
            Refused: there is none, or it has ended.

        """
        operation = self.all.get(number)
        if operation is None:
            raise refuse(["id"], "Bulk operation does not exist")
        if operation.status not in {"CREATED", "RUNNING"}:
            message = f"A bulk operation cannot be canceled when it is {self.status(operation).lower()}"
            raise refuse(None, message)
        operation.status = "CANCELING"
        operation.wake()
        return operation

    def take_fault(self) -> bool:
        """Whether the next operation is one of the ill-fated."""
        if self.faults_left is None:
            return True
        self.faults_left, unlucky = max(0, self.faults_left - 1), self.faults_left > 0
        return unlucky

    def keep(self, operation: BulkOperation, file: Path) -> None:
        """A result that can be fetched from now on, for as long as the knobs say."""
        operation.result, operation.file_size = file, file.stat().st_size
        operation.expires_at = time.time() + self.knobs().bulk_url_seconds
        with_files = [one for one in self.all.values() if one.result]
        for old in with_files[:-FILES_KEPT]:
            self._drop(old)

    def status(self, operation: BulkOperation) -> str:
        """EXPIRED is a completed one whose URL has expired."""
        return "EXPIRED" if operation.status == "COMPLETED" and self.expired(operation) else operation.status

    def expired(self, operation: BulkOperation) -> bool:
        return operation.expires_at is not None and operation.expires_at <= time.time()

    def expire(self) -> int:
        """The time of every result there is, is over; how many there were."""
        results = [operation for operation in self.all.values() if operation.result]
        for operation in results:
            self._drop(operation)
        return len(results)

    def named(self, name: str) -> BulkOperation | None:
        """The operation whose result bears this name in its URL."""
        return next((one for one in self.all.values() if one.name == name), None)

    async def stop(self) -> None:
        """Ends at once; what was written is gone."""
        tasks = list(self.tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _forget_old(self) -> None:
        ended = [one for one in self.all.values() if one.status not in RUNNING]
        for old in ended[: max(0, len(self.all) - KEPT)]:
            self._drop(old)
            del self.all[old.id]

    def _drop(self, operation: BulkOperation) -> None:
        if operation.result:
            operation.result.unlink(missing_ok=True)
            operation.result, operation.expires_at = None, 0.0
