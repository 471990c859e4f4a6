"""Options that several commands take. Defaults are the addresses of `understudy up` on its default ports."""

from typing import Annotated

import typer

from ops.up.layout import DEFAULT_PORT, Layout

_here = Layout.of(DEFAULT_PORT)
NATS = _here.url("nats", "nats")
READ_API = _here.url("read_api")
WEBHOOK_INGEST = _here.url("webhook_ingest")
SYNCER = _here.url("syncer")

Json = Annotated[bool, typer.Option("--json", help="One line of JSON instead of text.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
NatsUrl = Annotated[str, typer.Option("--nats", envvar="NATS_URL", help="NATS, nats://user:password@host:port.")]
