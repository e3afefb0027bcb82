"""A collector of traces on loopback, as OpenTelemetry's exporter sends them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from simulator.world import run_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATH = "/v1/traces"


@dataclass(frozen=True, slots=True)
class Collected:
    """One span."""

    name: str
    attributes: dict[str, Any]
    span_id: bytes
    parent_id: bytes
    trace_id: bytes
    took_ms: int
    has_failed: bool


@dataclass(slots=True)
class TraceCollector:
    """Keeps the spans it was sent, and all the bytes of the requests."""

    url: str = ""
    spans: list[Collected] = field(default_factory=list)
    received: bytes = b""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[TraceCollector]:
        app = web.Application()
        app.add_routes([web.post(PATH, self._take)])
        runner, url = await run_app(app, 0)
        self.url = f"{url}{PATH}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def named(self, name: str) -> list[Collected]:
        return [span for span in self.spans if span.name == name]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.received += body
        told = ExportTraceServiceRequest.FromString(body)
        for resource in told.resource_spans:
            for scope in resource.scope_spans:
                self.spans += [_collected(span) for span in scope.spans]
        return web.Response(content_type="application/x-protobuf")


def _collected(span: Any) -> Collected:
    attributes = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
    return Collected(
        name=span.name,
        attributes=attributes,
        span_id=span.span_id,
        parent_id=span.parent_span_id,
        trace_id=span.trace_id,
        took_ms=round((span.end_time_unix_nano - span.start_time_unix_nano) / 1_000_000),
        has_failed=span.status.code == span.status.STATUS_CODE_ERROR,
    )
