"""`understudy status`: is everything there, and is the data live?"""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from nats.js import JetStreamContext

from ops import bus, data_in_words, jobs_in_words, output
from ops.commands.options import Json, NatsUrl, Port, PostgresDsn, nats_at, postgres_at, room_at
from ops.database import postgres as connected
from ops.failures import Exit, Refused, ServerDown, SettingMissing
from ops.job import Census, Dispatcher
from ops.jobs import Jobs
from ops.leaseholder import started_by
from ops.web import Http
from shared.postgres import NotMigrated
from shared.topology import CONSUMERS, PURGER, STREAMS


@dataclass(frozen=True)
class Commands:
    census: Census
    dispatcher: Dispatcher

    def document(self) -> dict[str, Any]:
        """For programs. `dispatcher`: who holds the lease now; `breaker_in`: seconds, null while it is closed."""
        told, closed = self.dispatcher, self.dispatcher.breaker_in <= 0
        return {
            **asdict(self.census),
            "dispatcher": told.owner if told.held else None,
            "breaker_in": None if closed else round(told.breaker_in, 1),
            "breaker_reason": None if closed else told.breaker_reason,
        }

    def rows(self) -> list[tuple[str, str]]:
        closed = jobs_in_words.breaker(self.dispatcher)
        holder = jobs_in_words.lease(self.dispatcher, started_by(self.dispatcher))
        said = [("commands", jobs_in_words.census(self.census)), ("dispatcher", holder.removeprefix("dispatched by "))]
        return [*said, *([("Shopify", closed)] if closed else [])]


def status(
    read_api: Annotated[str | None, typer.Option(envvar="READ_API_URL", help="Address of read-api.")] = None,
    webhook_ingest: Annotated[
        str | None, typer.Option(envvar="WEBHOOK_INGEST_URL", help="Address of webhook-ingest.")
    ] = None,
    writer: Annotated[str | None, typer.Option(envvar="WRITER_URL", help="Address of the writer.")] = None,
    syncer: Annotated[str | None, typer.Option(envvar="SYNCER_URL", help="Address of the syncer's probes.")] = None,
    nats: NatsUrl = None,
    postgres: PostgresDsn = None,
    port: Port = None,
    json: Json = False,
) -> None:
    """Ask each service whether it is ready, read-api for the state of the data, NATS for streams and consumers.

    PostgreSQL, where its address is known, is asked how many commands wait and whether they get through.
    Exit code 3 when a part does not answer or is not ready, or read-api has to do without one.
    """
    given = {"read_api": read_api, "webhook_ingest": webhook_ingest, "writer": writer, "syncer": syncer}
    addresses = {room: (address or room_at(room, port)).rstrip("/") for room, address in given.items()}
    http = Http()
    services = {room.replace("_", "-"): _ready(http, address) for room, address in addresses.items()}
    data = http.get(f"{addresses['read_api']}/v1/status")
    http.close()
    queue = bus.run(_bus(nats_at(nats, port)))
    commands = bus.run(_commands(postgres, port))
    ready = all(service["ready"] for service in services.values())
    well = ready and queue["error"] is None and isinstance(data, dict) and not data.get("degraded")
    if json:
        told = commands.document() if commands else None
        output.document({"ok": well, "services": services, "data": data, "nats": queue, "commands": told})
    else:
        _print(services, data, queue, commands)
    if not well:
        raise typer.Exit(Exit.UNAVAILABLE)


def _ready(http: Http, address: str) -> dict[str, Any]:
    code, body = http.probe(f"{address}/readyz")
    problems = {"": body} if code is None else (body or {}).get("problems") or {}
    return {"address": address, "ready": code == 200, "problems": problems}  # noqa: PLR2004  # HTTP's OK


async def _commands(dsn: str | None, port: int | None) -> Commands | None:
    """None: nobody has said where PostgreSQL is. Where it is known and doesn't answer, None and a warning."""
    try:
        found = postgres_at(dsn, port)
    except SettingMissing:
        return None
    try:
        async with connected(found) as database:
            jobs = Jobs(database)
            return Commands(await jobs.census(), await jobs.dispatcher())
    except (ServerDown, Refused, NotMigrated) as error:
        output.warn(f"nothing is known of commands: {error}")
        return None


async def _bus(url: str) -> dict[str, Any]:
    try:
        async with bus.jetstream(url) as jetstream:
            streams = [await _stream(jetstream, stream.name) for stream in STREAMS]
            consumers = [await _consumer(jetstream, each.stream.name, each.durable) for each in CONSUMERS]
    except (ServerDown, Refused) as error:
        return {"error": _words(error), "streams": [], "consumers": []}
    return {"error": None, "streams": streams, "consumers": consumers}


def _words(error: ServerDown | Refused) -> str:
    """The client's own exception, which ends the message, becomes what it means."""
    cause = error.__cause__
    if not isinstance(error, ServerDown) or cause is None:
        return str(error)
    meaning = "no answer in time" if isinstance(cause, TimeoutError) else "nobody listens there"
    return str(error).removesuffix(repr(cause)) + meaning


async def _stream(jetstream: JetStreamContext, name: str) -> dict[str, Any]:
    state = (await jetstream.stream_info(name)).state
    return {"name": name, "messages": state.messages, "bytes": state.bytes, "last_sequence": state.last_seq}


async def _consumer(jetstream: JetStreamContext, stream: str, name: str) -> dict[str, Any]:
    """`waiting`: not delivered yet. `unacknowledged`: delivered, not answered; `redelivered`: of these, more than once.

    `idle_fetches`: requests for messages that wait for one now. `used`: somebody waits for one now, or was given one
    once (and is missed, if they are away).
    """
    info = await jetstream.consumer_info(stream, name)
    return {
        "stream": stream,
        "name": name,
        "waiting": info.num_pending,
        "unacknowledged": info.num_ack_pending,
        "redelivered": info.num_redelivered,
        "idle_fetches": info.num_waiting,
        # Deliveries are counted in `consumer_seq`; `stream_seq` moves by itself when messages expire.
        "used": bool(info.num_waiting or (info.delivered and info.delivered.consumer_seq)),
    }


def _print(services: dict[str, dict[str, Any]], data: Any, queue: dict[str, Any], commands: Commands | None) -> None:
    rows = [
        (name, service["address"], "ready" if service["ready"] else "not ready", _problems(service["problems"]))
        for name, service in services.items()
    ]
    output.table("Services", ("service", "address", "state", "problems"), rows)
    if queue["error"]:
        output.line(f"\n{queue['error']}")
    else:
        output.table(
            "\nStreams",
            ("name", "messages", "bytes"),
            [_values(s, "name", "messages", "bytes") for s in queue["streams"]],
        )
        columns = ("name", "stream", "waiting", "unacknowledged", "redelivered")
        output.table("\nConsumers", columns, [_values(_shown(each), *columns) for each in queue["consumers"]])
    if commands:
        output.table("\nCommands", ("what", "value"), commands.rows())
    if isinstance(data, dict):
        output.table("\nData", ("what", "value"), data_in_words.rows(data))
    else:
        output.line("\nread-api does not answer /v1/status")


def _shown(consumer: dict[str, Any]) -> dict[str, Any]:
    """Without a CDN nobody reads for it, and what waits there means nothing. Nobody else may be away in silence."""
    unread = consumer["name"] == PURGER.durable and not consumer["used"]
    return {**consumer, "waiting": "no CDN", "unacknowledged": None, "redelivered": None} if unread else consumer


def _values(row: dict[str, Any], *columns: str) -> list[Any]:
    return [row[column] for column in columns]


def _problems(problems: dict[str, str]) -> str:
    return "; ".join(f"{name}: {problem}" if name else problem for name, problem in problems.items())
