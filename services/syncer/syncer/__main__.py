"""`python -m syncer` runs the service; `python -m syncer migrate` brings its tables up to date, and ends."""

import sys

from shared.migrations import run_migrations
from shared.serving import serve
from shared.settings import load
from syncer.settings import SyncerSettings


def main() -> None:
    match sys.argv[1:]:
        case []:
            serve("syncer.app:create_app", load(SyncerSettings))
        case ["migrate"]:
            run_migrations("syncer")
        case _:
            sys.exit("usage: python -m syncer [migrate]")


if __name__ == "__main__":
    main()
