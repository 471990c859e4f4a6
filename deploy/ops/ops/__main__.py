"""The command line's entry point: every failure that has a name is one line, never a traceback."""

import sys

from typer import Abort
from typer._click.exceptions import ClickException, NoArgsIsHelpError

from ops import output
from ops.cli import app
from ops.failures import Exit, exit_code
from sandbox.processes import ProcessError
from sandbox.servers import ServerMissing
from shared.errors import UnderstudyError


def main() -> None:
    try:
        # Not standalone: typer would draw its own box around a wrong usage, with --json, too.
        sys.exit(app(prog_name="understudy", standalone_mode=False))
    except ClickException as error:
        _wrong_usage(error)
        sys.exit(error.exit_code)
    except Abort:
        output.fail("given up: not confirmed")
        sys.exit(Exit.FAILED)
    except (UnderstudyError, ProcessError, ServerMissing) as error:
        output.fail(str(error))
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


def _wrong_usage(error: ClickException) -> None:
    """In one line; the help that was asked for by saying nothing is printed already."""
    if isinstance(error, NoArgsIsHelpError):
        return
    context = getattr(error, "ctx", None)
    hint = f" (try `{context.command_path} --help`)" if context else ""
    output.fail(" ".join(error.format_message().split()) + hint)


if __name__ == "__main__":
    main()
