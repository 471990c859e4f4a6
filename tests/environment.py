"""Write `.env.example` from the settings classes of all services: `uv run python tests/environment.py > .env.example`.

It lives with the tests because they alone may import every service.
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
from packages import ROOT
from pydantic.fields import FieldInfo

from read_api.settings import ReadApiSettings
from shared.settings import Settings
from syncer.settings import SyncerSettings
from webhook_ingest.settings import IngestSettings
from writer.settings import WriterSettings

SERVICES: dict[str, type[Settings]] = {
    "webhook-ingest": IngestSettings,
    "syncer": SyncerSettings,
    "read-api": ReadApiSettings,
    "writer": WriterSettings,
}

HEAD = """\
# Every setting of every service, as environment variables. Written by `just env` from the settings classes; a test
# holds it up to date, so change the classes, not this file.
#
# A line that is commented out shows the default. A line that is not must be given a value. What holds spaces is quoted,
# as a shell and Compose read it.
# The services read their environment, no file. Compose reads a copy of this one, called .env, for what compose.yaml
# hands on to them.
# `understudy up` needs none of it; it makes every value itself.
"""

# What compose.yaml reads for itself.
COMPOSE = {
    "POSTGRES_PASSWORD": "Of PostgreSQL's superuser.",
    "UNDERSTUDY_PASSWORD": "Of the role that owns the tables.",
    "READ_API_PASSWORD": "Of the role that may read them.",
    "READ_API_PORT": "Where read-api is published, on this machine.",
    "WEBHOOK_INGEST_PORT": "Where webhook-ingest is.",
    "WRITER_PORT": "Where the writer is.",
    "SHOPIFY_PORT": "Where the simulated Shopify is (profile demo).",
    "DEMO_EVENTS": "Size of its shop.",
    "EDGE_PORT": "Where the CDN of one's own is (profile edge).",
    "EDGE_MEMORY": "Memory of its cache.",
    "REDIS_MAXMEMORY": "Memory of the cache.",
}
VARIABLE = re.compile(r"\$\{(\w+):?-([^}]*)\}")


@dataclass
class Setting:
    """One environment variable: who reads it, and what each says of it."""

    readers: dict[str, FieldInfo]

    @property
    def required(self) -> bool:
        return any(field.is_required() for field in self.readers.values())

    def lines(self, name: str) -> Iterator[str]:
        said = {service: field.description or "" for service, field in self.readers.items()}
        if len(set(said.values())) == 1:
            yield from comment(next(iter(said.values())))
        else:
            for service, text in said.items():
                yield from comment(f"{service}: {text}")
        if self.required:
            optional = [service for service, field in self.readers.items() if not field.is_required()]
            if optional:
                yield f"# Optional for {', '.join(optional)}."
            yield f"{name.upper()}="
            return
        yield f"#{name.upper()}={spelled(next(iter(self.readers.values())))}"


def comment(text: str) -> list[str]:
    return textwrap.wrap(text, 120, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False) or ["#"]


def page() -> str:
    """The whole file."""
    lines = [HEAD]
    for readers, settings in sections().items():
        lines += [f"# ---- {', '.join(readers)} ----", ""]
        for name, setting in settings.items():
            lines += [*setting.lines(name), ""]
    lines += ["# ---- compose.yaml itself ----", ""]
    for name, default in compose_variables().items():
        lines += [f"# {COMPOSE[name]}", f"#{name}={default}", ""]
    return "\n".join(lines)


def sections() -> dict[tuple[str, ...], dict[str, Setting]]:
    """The settings by who reads them; those that most services read come first."""
    found: dict[str, Setting] = {}
    for service, settings in SERVICES.items():
        for name, field in settings.model_fields.items():
            found.setdefault(name, Setting({})).readers[service] = field
    grouped: dict[tuple[str, ...], dict[str, Setting]] = {}
    for name, setting in found.items():
        grouped.setdefault(tuple(setting.readers), {})[name] = setting
    return dict(sorted(grouped.items(), key=lambda group: -len(group[0])))


def compose_variables() -> dict[str, str]:
    """The variables of compose.yaml that are no settings, with their defaults."""
    settings = {name.upper() for service in SERVICES.values() for name in service.model_fields}
    found = VARIABLE.findall((ROOT / "compose.yaml").read_text("utf-8"))
    return {name: default for name, default in found if name not in settings}


def spelled(field: FieldInfo) -> str:
    """A default as the environment would say it; empty where there is none."""
    text = ""
    match field.default:
        case bool(value):
            text = str(value).lower()
        case tuple() | frozenset() as values:
            text = ",".join(values if isinstance(values, tuple) else sorted(values))
        case dict(value):
            text = orjson.dumps(value).decode()
        case value if value is not None:
            text = str(value)
    return f'"{text}"' if " " in text else text


if __name__ == "__main__":
    sys.stdout.write(page())
