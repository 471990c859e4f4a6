"""The packages of the workspace: where their sources are, what they import, what they declare."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Package:
    """`folder` holds its pyproject.toml and, below `module`, its sources."""

    folder: Path
    module: str

    @property
    def sources(self) -> list[Path]:
        return sorted((self.folder / self.module).rglob("*.py"))

    @property
    def project(self) -> dict[str, object]:
        table: dict[str, object] = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]
        return table

    @property
    def declared(self) -> set[str]:
        """Its dependencies, by normalised distribution name, extras and versions left out."""
        return requirements(self.project["dependencies"])

    def name_of(self, source: Path) -> str:
        """syncer/syncer/store.py is syncer.store."""
        parts = source.relative_to(self.folder).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PACKAGES = (
    Package(ROOT / "shared", "shared"),
    Package(ROOT / "services/webhook-ingest", "webhook_ingest"),
    Package(ROOT / "services/syncer", "syncer"),
    Package(ROOT / "services/read-api", "read_api"),
    Package(ROOT / "services/writer", "writer"),
    Package(ROOT / "deploy/sandbox", "sandbox"),
    Package(ROOT / "deploy/ops", "ops"),
)
ROOMS = {package.module: package.module.replace("_", "-") for package in PACKAGES}  # installed from their sources


def imported_distributions(sources: list[Path], but: set[str]) -> set[str]:
    """The distributions that these files import from, without the standard library and the top-level names in `but`."""
    modules = {module for source in sources for module in _imports(source)}
    foreign = {module for module in modules if module.partition(".")[0] not in sys.stdlib_module_names | but}
    return {ROOMS.get(module.partition(".")[0]) or _provider(module) for module in foreign}


def requirements(listed: object) -> set[str]:
    assert isinstance(listed, list)
    return {_normalised(match[0]) for entry in listed if (match := REQUIREMENT.match(entry))}


def tree(source: Path) -> ast.Module:
    return ast.parse(source.read_text("utf-8"), str(source))


def _imports(source: Path) -> Iterator[str]:
    """`from a.b import c` may mean the module a.b.c as well as the name c in a.b: both are said as a.b.c."""
    for node in ast.walk(tree(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from (f"{module}.{name.name}" for name in names)


@cache
def _provider(module: str) -> str:
    """The distribution that brings a module; several may share a top-level name (opentelemetry)."""
    top = module.partition(".")[0]
    candidates = sorted({_normalised(name) for name in _distributions().get(top, [])})
    assert candidates, f"nothing that is installed provides {module}"
    if len(candidates) == 1:
        return candidates[0]
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        path = "/".join(parts[:length])
        for candidate in candidates:
            if {f"{path}.py", f"{path}/__init__.py"} & _files(candidate):
                return candidate
    raise AssertionError(f"none of {candidates} provides {module}")


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


@cache
def _files(name: str) -> frozenset[str]:
    return frozenset(file.as_posix() for file in distribution(name).files or [])


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
