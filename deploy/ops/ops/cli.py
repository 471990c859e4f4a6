"""Every command of `understudy`."""

from importlib.metadata import version
from typing import Annotated

import typer

from ops import output
from ops.commands import dead, oneshots, status, token
from ops.commands.up import up

app = typer.Typer(
    name="understudy",
    help="Takes Shopify's place for everyone who reads, and lines up everyone who writes.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a server does not answer, 4 not found, 130 interrupted. "
    "With --json, stdout is one line of JSON and an error is one line of JSON on stderr.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(up)
app.command()(status.status)
app.command()(oneshots.migrate)
app.command()(oneshots.provision)
app.command()(token.token)
app.add_typer(dead.app, name="dead")


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
