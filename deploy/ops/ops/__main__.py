"""The command line's entry point: every failure that has a name is one line, never a traceback."""

import sys

from ops import output
from ops.cli import app
from ops.failures import Exit, exit_code
from sandbox.processes import ProcessError
from sandbox.servers import ServerMissing
from shared.errors import UnderstudyError


def main() -> None:
    try:
        app(prog_name="understudy")
    except (UnderstudyError, ProcessError, ServerMissing) as error:
        output.fail(str(error))
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


if __name__ == "__main__":
    main()
