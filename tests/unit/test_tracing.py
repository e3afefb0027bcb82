"""The spans of a call: their times and outcomes, and what is asked for before there are any."""

from __future__ import annotations

import sys
import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from agent.tracing import Traces
from appointments.errors import ConfigError
from appointments.model import CallSid
from appointments.store.records import CallTimes, TurnTimes

CALL = CallSid("CA1")
TIMES = TurnTimes(at_ms=3000, voice_to_voice_ms=900, turn_end_ms=500, llm_ms=300)


def test_a_call_is_a_trace_of_its_answers_and_tools() -> None:
    exporter = InMemorySpanExporter()
    traces = Traces.by(exporter)
    began_ns = time.time_ns()

    call = traces.call(CALL)
    call.answer(TIMES)
    call.tool("find_slots", "available", 250)
    call.end("completed", CallTimes(greeting_ms=20, turns=(TIMES,)))
    traces.close()

    spans = {span.name: span for span in exporter.get_finished_spans()}
    whole, turn, tool = spans["call"], spans["turn"], spans["tool"]
    assert dict(whole.attributes or {}) == {"call_sid": CALL, "outcome": "completed", "turns": 1, "greeting_ms": 20}
    assert dict(turn.attributes or {}) == {
        "at_ms": 3000, "voice_to_voice_ms": 900, "turn_end_ms": 500, "llm_ms": 300,
    }  # fmt: skip
    assert dict(tool.attributes or {}) == {"tool": "find_slots", "status": "available"}
    assert turn.end_time is not None
    assert turn.start_time is not None
    assert turn.end_time - turn.start_time == 900_000_000
    assert turn.start_time - began_ns >= 3_000_000_000
    for child in (turn, tool):
        assert child.parent is not None
        assert whole.context is not None
        assert child.parent.span_id == whole.context.span_id


@pytest.mark.parametrize(("outcome", "code"), [("completed", StatusCode.OK), ("crashed", StatusCode.ERROR)])
def test_a_call_that_broke_has_failed(outcome: str, code: StatusCode) -> None:
    exporter = InMemorySpanExporter()
    traces = Traces.by(exporter)

    traces.call(CALL).end(outcome, CallTimes())
    traces.close()

    assert [span.status.status_code for span in exporter.get_finished_spans()] == [code]


@pytest.mark.parametrize(("status", "code"), [("taken", StatusCode.OK), ("unavailable", StatusCode.ERROR)])
def test_a_tool_that_did_not_work_has_failed_and_one_that_said_no_has_not(status: str, code: StatusCode) -> None:
    exporter = InMemorySpanExporter()
    traces = Traces.by(exporter)

    traces.call(CALL).tool("book", status, 10)
    traces.close()

    assert [span.status.status_code for span in exporter.get_finished_spans()] == [code]


def test_no_other_part_of_the_process_sends_its_spans_by_ours() -> None:
    exporter = InMemorySpanExporter()
    traces = Traces.by(exporter)

    trace.get_tracer("somebody else").start_span("GET /").end()
    traces.close()

    assert exporter.get_finished_spans() == ()


def test_by_default_nothing_is_traced_and_nothing_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    traces = Traces.to("")

    call = traces.call(CALL)
    call.answer(TIMES)
    call.tool("find_slots", "available", 250)
    call.end("completed", CallTimes())

    traces.close()


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with pytest.raises(ConfigError, match="uv sync --group traces"):
        Traces.to("http://127.0.0.1:4318/v1/traces")
