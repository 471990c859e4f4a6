"""What README.md, ARCHITECTURE.md and the tooling say of the project is so."""

import ast
import itertools
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from environment import SERVICES, page
from packages import PACKAGES, ROOT, tree

from ops.cli import app as command_line
from read_api.app import create_app as create_read_api
from read_api.settings import ReadApiSettings
from writer.app import create_app as create_writer
from writer.settings import WriterSettings

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/shopify.md")
README = (ROOT / "README.md").read_text("utf-8")
OURS = ("shared", "services", "deploy", "tests", ".ci")
NOWHERE: dict[str, Any] = {
    "nats_url": "nats://nowhere",
    "postgres_dsn": "postgresql://nowhere",
    "redis_url": "redis://none",
}
PROBES = {"/livez", "/readyz", "/metrics"}
SOURCES = {".py", ".sql", ".lua", ".graphql", ".md", ".toml", ".yaml", ".conf"}
THIS = "tests/unit/test_project.py"  # spells out what it looks for
SECTION = r"\d(?:\.\d)?"


def test_env_example_is_what_the_settings_classes_say() -> None:
    """Otherwise: uv run python tests/environment.py > .env.example"""
    assert (ROOT / ".env.example").read_text("utf-8") == page()


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_is_described_and_no_secret_has_a_default(service: str) -> None:
    for name, field in SERVICES[service].model_fields.items():
        assert field.description, name
        assert "Secret" not in str(field.annotation) or field.default is None or field.is_required(), name


def test_every_setting_is_read_by_somebody() -> None:
    read = {
        node.attr
        for package in PACKAGES
        for source in package.sources
        for node in ast.walk(tree(source))
        if isinstance(node, ast.Attribute)
    }
    assert {name for settings in SERVICES.values() for name in settings.model_fields} - read == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_only_files_that_exist(document: str) -> None:
    files = {file.relative_to(ROOT).as_posix() for top in OURS for file in (ROOT / top).rglob("*") if file.is_file()}
    text = (ROOT / document).read_text("utf-8")
    for named in re.findall(r"`([\w./-]+\.(?:py|sql|lua|graphql|conf|sh))`", text):
        assert any(f"/{file}".endswith(f"/{named}") for file in files), named
    for named in re.findall(r"`((?:shared|services|deploy|tests)/[\w./-]*/)`", text):
        assert any(f"/{named}" in f"/{file}" for file in files), named
    for linked in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / linked).exists(), linked


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_only_tests_that_exist(document: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / document).read_text("utf-8")))
    assert named <= set(defined_tests())


def test_every_section_of_the_facts_about_shopify_that_is_cited_exists() -> None:
    facts = (ROOT / "docs/shopify.md").read_text("utf-8")
    sections = set(re.findall(rf"^##+ ({SECTION})\.? ", facts, re.MULTILINE))
    cited = {
        (name, section)
        for name, text in texts()
        for several in re.findall(rf"docs/shopify\.md\s+({SECTION}(?:(?:, | and ){SECTION})*)", text)
        for section in re.findall(SECTION, several)
    }
    assert cited
    assert {(name, section) for name, section in cited if section not in sections} == set()


def test_nothing_points_to_a_document_that_is_not_in_the_repository() -> None:
    elsewhere = re.compile(r"\bFACTS(?:\.md| \d)|\bDESIGN\.md|\bDESIGN section")
    assert [name for name, text in texts() if name != THIS and elsewhere.search(text)] == []


def test_every_promise_is_kept_by_a_named_test_or_not_yet() -> None:
    promises = {row[0]: row[2] for row in table_rows("What you can rely on")}
    assert list(promises) == [f"P{number}" for number in range(1, 12)]
    assert [number for number, kept in promises.items() if "`test_" not in kept and "Not yet" not in kept] == []


def test_the_readme_lists_every_address_of_read_api() -> None:
    listed = [row[0].strip("`") for row in table_rows("The API")]
    assert sorted(listed) == sorted(create_read_api(ReadApiSettings(**NOWHERE)).openapi()["paths"].keys() - PROBES)


def test_the_readme_lists_every_command_that_the_writer_takes() -> None:
    shop = {"shopify_shop": "nowhere", "shopify_access_token": "none"}
    paths = create_writer(WriterSettings(**NOWHERE, **shop)).openapi()["paths"]
    taken = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods if path not in PROBES]
    assert sorted(row[0].strip("`") for row in table_rows("Commands")) == sorted(taken)


def test_the_readme_lists_every_command() -> None:
    listed = {name for row in table_rows("Command line") for name in re.findall(r"`([a-z -]+)`", row[0])}
    assert listed == set(commands_of(typer.main.get_command(command_line)))


ALL_TESTS = "uv run pytest -n 3 --dist loadfile"


def test_ci_and_the_justfile_run_what_the_documents_say() -> None:
    ci, just = (ROOT / ".ci/run").read_text(), (ROOT / "justfile").read_text()
    assert ci.rstrip().endswith(f"\n{ALL_TESTS}"), "the last thing that CI prints is pytest's own summary"
    for said in (README, just, (ROOT / "CONTRIBUTING.md").read_text()):
        assert f"{ALL_TESTS}\n" in said or f"{ALL_TESTS} " in said
    for command in ("ruff check", "ruff format --check", "mypy"):
        assert f"uv run --no-sync {command}\n" in ci
        assert f"uv run {command}\n" in just
        assert f"uv run {command}" in (ROOT / "CONTRIBUTING.md").read_text()
    assert (ROOT / ".ci/run").stat().st_mode & 0o111 == 0o111


def test_all_packages_have_the_version_of_the_changelog() -> None:
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    newest = re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert {newest[1]} == {whole["version"], *(package.project["version"] for package in PACKAGES)}
    assert {"MIT"} == {whole["license"], *(package.project["license"] for package in PACKAGES)}


def commands_of(command: Any) -> Iterator[str]:
    """`up`, `dead list` …, whether they are loaded already or only when they are called."""
    context = typer.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        yield from (f"{name} {each}" for each in commands_of(inner)) if hasattr(inner, "list_commands") else [name]


def defined_tests() -> Iterator[str]:
    for source in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(tree(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name


def texts() -> Iterator[tuple[str, str]]:
    """Every source and document, by its place in the repository."""
    files = [ROOT / document for document in DOCUMENTS]
    files += [file for top in OURS for file in sorted((ROOT / top).rglob("*")) if file.suffix in SOURCES]
    for file in files:
        yield file.relative_to(ROOT).as_posix(), file.read_text("utf-8")


def table_rows(section: str) -> list[list[str]]:
    """The cells of the first table in a section of README.md, without its head."""
    text = re.split(rf"^#+ {section}$", README, maxsplit=1, flags=re.MULTILINE)[1]
    text = re.split(r"^#+ ", text, maxsplit=1, flags=re.MULTILINE)[0].strip()
    text = text[text.index("\n|") :].strip()
    lines = list(itertools.takewhile(lambda line: line.startswith("|"), text.splitlines()))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]
