"""Ids of jobs: UUIDs of version 7 (RFC 9562), which begin with their time: new ones lie together in an index."""

import secrets
import time
from uuid import UUID


def new_job_id() -> UUID:
    milliseconds = time.time_ns() // 1_000_000
    chance = secrets.randbits(74)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (chance >> 62) << 64 | 0b10 << 62 | chance & (1 << 62) - 1)
