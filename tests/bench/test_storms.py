"""The storms of tests/component/read_api/test_fence_storms.py, many of them, and longer ones.

UNDERSTUDY_STORM_SEEDS="7 8 9" uv run pytest -m bench tests/bench/test_storms.py -s
"""

import gc
import os
from pathlib import Path

import pytest
from databases import fresh_database
from lightning import strike
from storms import Servers, Weather, storm

from sandbox.servers import Nats, Valkey
from shared.migrations import migrate
from shared.provision import provision
from shared.settings import NatsSettings

SEEDS = [int(seed) for seed in os.environ.get("UNDERSTUDY_STORM_SEEDS", "").split()] or range(100, 112)


@pytest.mark.bench
@pytest.mark.timeout(180)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as in the short ones
@pytest.mark.parametrize("seed", SEEDS)
async def test_no_reader_sees_an_older_revision_in_a_long_storm(seed: int, tmp_path: Path, postgres_dsn: str):
    weather = Weather(seed, seconds=8.0, processes=4, readers=8)
    async with fresh_database(postgres_dsn) as dsn:
        await migrate(dsn, "syncer")
        with Nats(tmp_path / "nats") as nats, Valkey(tmp_path / "valkey") as valkey:
            await provision(NatsSettings(nats_url=nats.url))
            async with storm(weather, Servers(nats, valkey, dsn)) as raging:
                await raging.rage(strike)
                found = await raging.verdict()
                print(raging)  # noqa: T201 (figures, and what a failure is read from)
    gc.collect()
    assert found == [], "\n".join(map(str, found[:5]))
