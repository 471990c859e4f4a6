"""Every command of `understudy`. One is loaded when it is called: together they import a second's worth."""

from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ops import output

# name -> module and function (or, for a group, its app)
COMMANDS = {
    "up": ("up", "up"),
    "status": ("status", "status"),
    "migrate": ("oneshots", "migrate"),
    "provision": ("oneshots", "provision"),
    "backfill": ("repair", "backfill"),
    "reconcile": ("repair", "reconcile"),
    "doctor": ("repair", "doctor"),
    "rebuild": ("repair", "rebuild"),
    "runs": ("runs", "app"),
    "drift": ("drift", "drift"),
    "jobs": ("jobs", "app"),
    "token": ("token", "token"),
    "dead": ("dead", "app"),
    "bench": ("bench", "app"),
}


class Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  # the signature is click's
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  # the signature is click's
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        found = getattr(import_module(f"ops.commands.{module}"), name)
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            single.command(name=cmd_name)(found)
            found = single
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    name="understudy",
    cls=Commands,
    help="Takes Shopify's place for everyone who reads, and lines up everyone who writes.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a server does not answer, 4 not found, "
    "5 a run or a job failed, was cancelled or is in doubt, or the doctor found what it can't repair, 130 interrupted. "
    "With --json, stdout is one line of JSON; progress and errors are lines of JSON on stderr.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        output.line(f"understudy {version('ops')}")
        raise typer.Exit


@app.callback()
def understudy(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass
