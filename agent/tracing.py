"""Traces of calls for OpenTelemetry: a span for each call, answer and tool, with times and outcomes and no words."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import NoOpTracer, SpanKind, StatusCode, set_span_in_context

from appointments.errors import ConfigError
from tools.replies import Status

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

    from appointments.model import CallSid
    from appointments.store.records import CallTimes, TurnTimes

SERVICE: Final = "slotline"
EXPORT_SECS: Final = 3.0
"""How long a collector may take for some spans, all tries together; a worker that stops waits for as long."""
NOT_INSTALLED: Final = (
    "TRACES_URL is set, and what sends traces is not installed. Install it with `uv sync --group traces`, "
    "or leave TRACES_URL empty"
)
FAILED_OUTCOMES: Final = frozenset({"crashed", "failed", "flooded"})
FAILED_TOOLS: Final = frozenset({Status.INVALID, Status.REJECTED, Status.UNAVAILABLE, Status.UNCONFIRMED})


class Traces:
    """Where the spans of a worker go; without a `provider` nowhere.

    The provider is ours alone. If it were the process's, the libraries of the worker would add spans of their own,
    with addresses and words in them.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer(SERVICE) if provider else NoOpTracer()

    @classmethod
    def to(cls, url: str) -> Traces:
        """Return traces that are sent to `url` in OTLP over HTTP, to nobody when it is "".

        Raises:
            ConfigError: what sends them is not installed.
        """
        if not url:
            return cls()
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError:
            raise ConfigError(NOT_INSTALLED) from None
        return cls.by(OTLPSpanExporter(endpoint=url, timeout=EXPORT_SECS))

    @classmethod
    def by(cls, exporter: SpanExporter) -> Traces:
        """Return traces that `exporter` takes, some at a time, in a thread of its own."""
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=Resource({SERVICE_NAME: SERVICE}), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(provider)

    def call(self, call_sid: CallSid) -> CallTrace:
        """Begin the trace of a call."""
        return CallTrace(self._tracer, call_sid)

    def close(self) -> None:
        """Send what is left. It may wait for whoever takes it: not for the event loop."""
        if self._provider is not None:
            self._provider.shutdown()


class CallTrace:
    """The spans of one call. They are made when what they tell of is over."""

    def __init__(self, tracer: Tracer, call_sid: CallSid) -> None:
        self._tracer = tracer
        self._began_ns = time.time_ns()
        self._span = tracer.start_span(
            "call", kind=SpanKind.SERVER, attributes={"call_sid": call_sid}, start_time=self._began_ns
        )
        self._context = set_span_in_context(self._span)

    def answer(self, times: TurnTimes) -> None:
        """Add an answer: from the end of the caller's words to our first sound."""
        began_ns = self._began_ns + times.at_ms * 1_000_000
        span = self._tracer.start_span("turn", context=self._context, attributes=_known(times), start_time=began_ns)
        span.end(began_ns + times.voice_to_voice_ms * 1_000_000)

    def tool(self, name: str, status: str, took_ms: int) -> None:
        """Add a tool that has just answered."""
        ended_ns = time.time_ns()
        span = self._tracer.start_span(
            "tool",
            context=self._context,
            attributes={"tool": name, "status": status},
            start_time=ended_ns - took_ms * 1_000_000,
        )
        span.set_status(StatusCode.ERROR if status in FAILED_TOOLS else StatusCode.OK)
        span.end(ended_ns)

    def end(self, outcome: str, times: CallTimes) -> None:
        """End the trace."""
        figures = {"greeting_ms": times.greeting_ms, "worst_silence_ms": times.worst_silence_ms}
        known = {name: ms for name, ms in figures.items() if ms is not None}
        self._span.set_attributes({"outcome": outcome, "turns": len(times.turns), **known})
        self._span.set_status(StatusCode.ERROR if outcome in FAILED_OUTCOMES else StatusCode.OK)
        self._span.end()


def _known(times: TurnTimes) -> dict[str, int]:
    return {name: ms for name, ms in asdict(times).items() if ms is not None}
