"""`understudy token`: hand out a key."""

import re
import secrets
from typing import Annotated

import typer

from ops import output
from ops.commands.options import Json
from shared.auth import Scope, mint

NAME = re.compile(r"[A-Za-z0-9-]{1,64}")


def token(
    scope: Annotated[
        list[Scope] | None, typer.Option("--scope", "-s", help="What it may do; repeat for more. Default: events:read.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--id", help="A name for whose it is, in logs too: letters, digits, -.")
    ] = None,
    json: Json = False,
) -> None:
    """Create a bearer token. It is shown this once; services know only its hash."""
    key_id = name or secrets.token_hex(4)
    if not NAME.fullmatch(key_id):
        raise typer.BadParameter("--id takes 1 to 64 letters, digits and -")
    scopes = sorted({each.value for each in scope or [Scope.EVENTS_READ]})
    secret, entry = mint(key_id, scopes)
    if json:
        output.document({"id": key_id, "scopes": scopes, "token": secret, "entry": entry})
        return
    output.line(f"token   {secret}")
    output.line(f"entry   {entry}")
    output.note("Keep the token: it can't be shown again. Add the entry to AUTH_STATIC_KEYS, separated by a comma.")
    output.note(
        "To rotate: create another with the same --id, add its entry beside the old one, remove that one later."
    )
