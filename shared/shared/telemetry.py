"""What a process says of itself: one wide structured log line for each unit of work, and traces."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import Counter

from shared.settings import ServiceSettings

QUIET = ("nats", "httpx2", "httpcore2", "faststream", "asyncio", "opentelemetry")  # they log what we log ourselves

LIMIT = 5  # lines a second of one name: an outage, or a stranger's requests, must not write 5 KB each, 750 times
LIMITED = frozenset({"warning", "error", "critical"})  # info lines are one for each unit of work: all are wanted
NAMES = 256  # told apart; names are literals, and some 30
OTHER = "other"  # stands for every name beyond those

# By event; where another library logged, by logger.
SUPPRESSED = Counter("understudy_log_lines_suppressed_total", "Log lines that went unwritten", ["event"])


class LogLimit:
    """At most LIMIT lines a second of each name; counts the rest. For any number of threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` in seconds, never going back."""
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._lock = threading.RLock()  # the collector may run in there, and asyncio logs from __del__

    def known(self, name: str) -> str:
        """The name, or OTHER when there are too many to tell apart."""
        return name if name in self._windows or len(self._windows) < NAMES else OTHER

    def admit(self, name: str) -> int | None:
        """None: drop this line. Otherwise how many were dropped since the last one that was written."""
        second = int(self._clock())
        with self._lock:
            window = self._windows.setdefault(self.known(name), _Window(second))
            return window.admit(second)


class _Window:
    """One name in one second."""

    def __init__(self, second: int) -> None:
        self._second = second
        self._written = 0
        self._dropped = 0

    def admit(self, second: int) -> int | None:
        if second > self._second:
            self._second, self._written = second, 0
        if self._written >= LIMIT:
            self._dropped += 1
            return None
        dropped, self._dropped = self._dropped, 0
        self._written += 1
        return dropped


def configure(settings: ServiceSettings, service: str) -> None:
    """Logs to standard error; traces to the OTLP collector, where one is set."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if settings.log_format == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    limit = LogLimit(time.monotonic)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_service(service),
        _name_trace,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[limited(limit), *shared, renderer],  # what is dropped costs nothing: no time, no traceback
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(limited_records(limit))
    foreign = [_tell_suppressed, *shared]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=foreign))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    if settings.otel_exporter_otlp_endpoint is not None:
        _export_traces(settings.otel_exporter_otlp_endpoint, service)


def instrument(app: FastAPI, settings: ServiceSettings) -> None:
    """A span for each request where traces are exported (it costs 0.2 ms each); probes and metrics left out."""
    if settings.otel_exporter_otlp_endpoint is None:
        return
    FastAPIInstrumentor.instrument_app(app, excluded_urls="livez,readyz,metrics")


def traces_leave() -> bool:
    """Whether `configure` was given a collector. Where it was not, spans would cost 0.1 ms each and go nowhere."""
    return isinstance(trace.get_tracer_provider(), TracerProvider)


def _export_traces(endpoint: str, service: str) -> None:
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def limited(limit: LogLimit) -> structlog.typing.Processor:
    def drop(_logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if method not in LIMITED:
            return event
        name = str(event.get("event"))
        suppressed = limit.admit(name)
        if suppressed is None:
            SUPPRESSED.labels(limit.known(name)).inc()
            raise structlog.DropEvent
        if suppressed:
            event["suppressed"] = suppressed
        return event

    return drop


def limited_records(limit: LogLimit) -> Callable[[logging.LogRecord], bool]:
    """The same for other libraries, before anything is formatted. Their texts hold values, so their loggers count."""

    def keep(record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        suppressed = limit.admit(record.name)
        if suppressed is None:
            SUPPRESSED.labels(limit.known(record.name)).inc()
        record.suppressed = suppressed
        return suppressed is not None

    return keep


def _tell_suppressed(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if suppressed := getattr(event["_record"], "suppressed", 0):
        event["suppressed"] = suppressed
    return event


def _name_service(service: str) -> structlog.typing.Processor:
    def add(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    return add


def _name_trace(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = trace.format_trace_id(span.trace_id)
    return event
