"""Run `understudy` as an operator does: another process, its exit code and what it said."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

WITHIN = 30.0  # seconds for a command that is not `up`


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The one line of --json."""
        return orjson.loads(self.out)


async def understudy(*words: str, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> Said:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops", *words, stdin=PIPE, stdout=PIPE, stderr=PIPE, env={**os.environ, **(env or {})}
    )
    try:
        async with asyncio.timeout(WITHIN):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())
