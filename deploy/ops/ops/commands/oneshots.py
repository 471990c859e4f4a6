"""`understudy migrate` and `understudy provision`: run what comes before the services, with this environment."""

import os
import subprocess
import sys

from ops import output
from ops.commands.options import Json
from ops.failures import Exit, Refused, SettingMissing, SettingWrong

WITHIN = 600.0  # seconds; a migration that rewrites a table takes its time
MIGRATE = (("-m", "syncer", "migrate"), ("-m", "writer", "migrate"))
PROVISION = (("-m", "shared.provision"),)


def migrate(json: Json = False) -> None:
    """Bring the tables up to date (POSTGRES_DSN). Running it again changes nothing."""
    _run("migrate", MIGRATE, "POSTGRES_DSN", json)


def provision(json: Json = False) -> None:
    """Create or update every stream and consumer (NATS_URL). Running it again changes nothing."""
    _run("provision", PROVISION, "NATS_URL", json)


def _run(name: str, modules: tuple[tuple[str, ...], ...], setting: str, json: bool) -> None:
    if not os.environ.get(setting):
        raise SettingMissing(f"{setting} is not set; `understudy {name}` needs it")
    lines = [line for module in modules for line in _lines(name, module)]
    if json:
        output.document({"command": name, "done": True, "log": lines})
        return
    for text in lines:
        output.line(text)
    output.line(f"{name}: done")


def _lines(name: str, module: tuple[str, ...]) -> list[str]:
    """What it said. Raises Refused, SettingWrong when it failed."""
    try:
        done = subprocess.run(  # noqa: S603  # our own module, no shell
            [sys.executable, *module],
            check=False,
            timeout=WITHIN,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"{name} did not end within {WITHIN:g} s") from None
    lines = done.stdout.strip().splitlines()
    if done.returncode == Exit.USAGE:  # as shared.settings.load leaves
        raise SettingWrong("\n".join(lines))
    if done.returncode != 0:
        raise Refused(f"{name} failed with exit code {done.returncode}\n" + "\n".join(lines[-20:]))
    return lines
