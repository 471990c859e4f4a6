"""`python -m syncer` runs the service; `python -m syncer migrate` brings its tables up to date, and ends."""

import asyncio
import sys

import structlog

from shared import telemetry
from shared.errors import UnderstudyError
from shared.migrations import migrate
from shared.serving import serve
from shared.settings import PostgresSettings, ServiceSettings, load
from syncer.settings import SyncerSettings


def main() -> None:
    match sys.argv[1:]:
        case []:
            serve("syncer.app:create_app", load(SyncerSettings))
        case ["migrate"]:
            _migrate()
        case _:
            sys.exit("usage: python -m syncer [migrate]")


def _migrate() -> None:
    telemetry.configure(ServiceSettings(), "migrate")
    settings = load(PostgresSettings)
    log = structlog.get_logger()
    try:
        applied = asyncio.run(migrate(settings.postgres_dsn.get_secret_value(), "syncer"))
    except UnderstudyError as error:
        log.error("migrate.failed", error=str(error))  # noqa: TRY400 (the message says it all)
        sys.exit(1)
    log.info("migrate.done", applied=len(applied))


if __name__ == "__main__":
    main()
