"""Why PostgreSQL can't be reached is told to anyone, so it tells nothing of the DSN."""

import pytest
from pydantic import SecretStr

from read_api.database import Database
from shared.settings import PostgresSettings

CANARY = "CANARY"
DSNS = [
    f"postgresql://user:{CANARY}#x@127.0.0.1:1/projections",  # taken for a port
    f"postgresql://user:{CANARY}/x@127.0.0.1:1/projections",
    f"{CANARY}://user:secret@127.0.0.1:1/projections",  # a scheme, quoted by the driver
    f"postgresql://user:secret@[::1{CANARY}/projections",
    f"postgresql://user:secret@127.0.0.1:1/projections?sslmode={CANARY}",
    f"postgresql://user:secret@127.0.0.1:1/projections?target_session_attrs={CANARY}",
    f"postgresql://user:{CANARY}@127.0.0.1:1/projections",  # well formed, and nobody is there
]


def unchecked(dsn: str) -> PostgresSettings:
    """As if the settings had not refused it."""
    return PostgresSettings.model_construct(postgres_dsn=SecretStr(dsn), postgres_pool_size=1)


@pytest.mark.parametrize("dsn", DSNS)
async def test_what_is_said_of_a_dsn_that_does_not_work_holds_nothing_of_it(dsn: str):
    database = Database(unchecked(dsn))
    assert not await database.step()
    for told in (await database.problem(), await database.start_problem()):
        assert told
        assert CANARY.casefold() not in told.casefold()
        assert "secret" not in told


async def test_an_error_that_is_not_ours_is_told_by_its_name():
    database = Database(unchecked(DSNS[0]))
    await database.step()
    assert await database.problem() == "ValueError, see POSTGRES_DSN"
