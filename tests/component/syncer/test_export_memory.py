"""Memory does not grow with the shop, wherever the children are: here all of them come at the very end."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import orjson
from databases import fresh_database

from shared.postgres import connect
from shared.settings import PostgresSettings
from syncer.export.assembly import assemble
from syncer.export.download import Results
from syncer.export.parts import Part
from syncer.export.staging import Staging

TESTS = Path(__file__).parents[2]
PRODUCTS, VARIANTS, LEVELS = 6_000, 4, 2
TEXT = "<p>" + "x" * 6_000 + "</p>"  # of each product
LIMIT = 16  # MB that may be needed for a result of some 45 MB
AT = "2026-11-01T10:00:00Z"
BATCH = 1 << 20  # bytes, as the carrier has it


def written() -> Iterator[bytes]:
    """All products, then all variants, then all stock levels."""
    for product in range(1, PRODUCTS + 1):
        counts = {"variantsCount": {"count": VARIANTS}, "mediaCount": {"count": 0}}
        yield _line({"id": f"gid://shopify/Product/{product}", "descriptionHtml": TEXT, **counts})
    for variant in range(PRODUCTS * VARIANTS):
        item = {"locationsCount": {"count": LEVELS}}
        parent = f"gid://shopify/Product/{variant % PRODUCTS + 1}"
        yield _line({"id": f"gid://shopify/ProductVariant/{variant}", "inventoryItem": item, "__parentId": parent})
    for level in range(PRODUCTS * VARIANTS * LEVELS):
        parent = f"gid://shopify/ProductVariant/{level % (PRODUCTS * VARIANTS)}"
        yield _line({"id": f"gid://shopify/InventoryLevel/{level}", "updatedAt": AT, "__parentId": parent})


def _line(node: dict[str, object]) -> bytes:
    return orjson.dumps(node) + b"\n"


class Stream(httpx2.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        piece = bytearray()
        for line in written():
            piece += line
            if len(piece) > 1 << 16:
                yield bytes(piece)
                piece.clear()
        yield bytes(piece)


async def answer(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, stream=Stream())


async def read(dsn: str) -> tuple[int, int]:
    """Stage it all, check it, put it together. Returns products, and bytes."""
    part = Part(1, None, None, "", 0, "running", None, None, None, 1, 1, 0, 0, None, None, 0, 0, 0, 0, 0, 0)
    async with (
        await connect(PostgresSettings(postgres_dsn=dsn), "test") as pool,
        httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http,
    ):
        staging, batch, held = Staging(pool), [], 0
        async for lines in Results(http, ["https://results"]).lines("https://results/1", 0, None):
            batch += lines
            held += sum(len(line) for _, line in lines)
            if held > BATCH:
                await staging.put(part, batch)
                batch, held = [], 0
        await staging.put(part, batch)
        total, after, whole = await staging.add_up(part), 0, 0
        while chunk := assemble(await staging.next(part, after)):
            whole += sum(each.missing is None for each in chunk)
            after = chunk[-1].product_id
        assert total.differing == 0
    return whole, part.bytes


def peak() -> float:
    """MB. Not `ru_maxrss`: that remembers whom this process was forked from."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def main(dsn: str) -> None:
    before = peak()
    whole, size = asyncio.run(read(dsn))
    print(whole, size, peak() - before)  # noqa: T201


async def test_memory_is_bounded_whatever_the_size(postgres_dsn: str, migrated_database: str) -> None:
    async with fresh_database(postgres_dsn, migrated_database) as dsn:
        command = [sys.executable, __file__, dsn]
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        ended = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=120, env=environment
        )
    assert ended.returncode == 0, ended.stderr
    whole, size, grown = ended.stdout.split()
    assert int(whole) == PRODUCTS
    assert int(size) > 40_000_000
    assert float(grown) < LIMIT


if __name__ == "__main__":
    main(sys.argv[1])
