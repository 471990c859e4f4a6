"""`python -m writer` runs the service; `python -m writer migrate` brings its tables up to date, and ends."""

import sys

from shared.migrations import run_migrations
from shared.serving import serve
from shared.settings import load
from writer.settings import WriterSettings


def main() -> None:
    match sys.argv[1:]:
        case []:
            serve("writer.app:create_app", load(WriterSettings))
        case ["migrate"]:
            run_migrations("writer")
        case _:
            sys.exit("usage: python -m writer [migrate]")


if __name__ == "__main__":
    main()
