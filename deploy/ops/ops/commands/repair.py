"""`understudy backfill`, `reconcile`, `doctor`, `rebuild`: ask the syncer for it, and see it through."""

from typing import Annotated

import typer

from ops.commands.following import Manner, Wish, ask_and_follow
from ops.commands.options import Detach, Json, PostgresDsn, Within


def backfill(postgres: PostgresDsn = None, within: Within = None, detach: Detach = False, json: Json = False) -> None:
    """Read the whole shop, and project what is newer than what we have. Deletes are what `reconcile --whole` finds.

    Exit code 5 when the run fails or is cancelled.
    """
    ask_and_follow(Wish("backfill"), Manner(postgres, json, detach, within))


def reconcile(
    *,
    whole: Annotated[
        bool, typer.Option("--whole", help="Compare everything, not only what was edited lately.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(help="Edited since: 2026-11-22T20:00 (UTC), or 2h; in any case since the last time."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="… and before this. Default: now.")] = None,
    postgres: PostgresDsn = None,
    within: Within = None,
    detach: Detach = False,
    json: Json = False,
) -> None:
    """Compare with Shopify, repair what differs, and write down what it was: `understudy drift` shows it.

    Exit code 5 when the run fails or is cancelled.
    """
    if whole and (since or until):
        raise typer.BadParameter("--whole compares everything: it goes without --since and --until")
    if until and not since:
        raise typer.BadParameter("--until goes with --since")
    times = {name: text for name, text in (("since", since), ("until", until)) if text}
    ask_and_follow(Wish("reconcile", "whole" if whole else "window", times), Manner(postgres, json, detach, within))


def doctor(
    *,
    canary: Annotated[
        bool,
        typer.Option("--canary", help="Also make a draft product in the shop, wait for its webhook, delete it again."),
    ] = False,
    postgres: PostgresDsn = None,
    within: Within = None,
    detach: Detach = False,
    json: Json = False,
) -> None:
    """Examine what keeps us in step: subscriptions, scopes, API version, clocks; repair what may be repaired.

    Exit code 5 when a finding is `failed`, or the run itself.
    """
    ask_and_follow(Wish("doctor", "canary" if canary else "check"), Manner(postgres, json, detach, within))


def rebuild(postgres: PostgresDsn = None, within: Within = None, detach: Detach = False, json: Json = False) -> None:
    """Make all projections anew beside the live ones, compare, and switch at once; readers notice nothing.

    Exit code 5 when the run fails or is cancelled; the live projections are as they were then.
    """
    ask_and_follow(Wish("rebuild"), Manner(postgres, json, detach, within))
