"""What a worker counts and times for Prometheus: numbers only, under labels that have few values.

Everything here is told of what has happened, a call, an answer, a tool, and nothing of frames of audio.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from appointments.store.records import STAGES
from appointments.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appointments.store.records import CallTimes, TurnTimes
    from appointments.tally import BookingOutcome, HoldOutcome, TextState

log = structlog.get_logger(__name__)

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""By which the library knows, when it is imported, where processes share what they count."""

# What a caller notices lies between a tenth of a second and a few.
_WAITS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
_SILENCES: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0)
_STAGE_WAITS: Final = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 5.0, 10.0)
_TOOL_TIMES: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
_LAGS: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28)
_TEXT_STATUSES: Final = frozenset({"queued", "sending", "sent", "delivered", "undelivered", "failed", "read"})

# When each series was first seen says nothing here, and would double their number.
disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY: Final = CollectorRegistry()

CALLS: Final = Counter("slotline_calls", "Calls that have ended, by outcome.", ["outcome"], registry=REGISTRY)
LIVE_CALLS: Final = Gauge(
    "slotline_live_calls", "Calls that are being carried.", registry=REGISTRY, multiprocess_mode="livesum"
)
TURNS: Final = Counter("slotline_turns", "Turns of callers that had words or keys in them.", registry=REGISTRY)
GREETING: Final = Histogram(
    "slotline_greeting_seconds", "From the open stream to the greeting.", registry=REGISTRY, buckets=_WAITS
)
VOICE_TO_VOICE: Final = Histogram(
    "slotline_voice_to_voice_seconds",
    "From the end of the caller's words to our first sound.",
    registry=REGISTRY,
    buckets=_WAITS,
)
STAGE: Final = Histogram(
    "slotline_answer_stage_seconds",
    "How long each stage of an answer took.",
    ["stage"],
    registry=REGISTRY,
    buckets=_STAGE_WAITS,
)
WORST_SILENCE: Final = Histogram(
    "slotline_worst_silence_seconds",
    "The longest silence of each call in which an answer was owed.",
    registry=REGISTRY,
    buckets=_SILENCES,
)
TOOL: Final = Histogram(
    "slotline_tool_seconds",
    "How long tools took, by what they answered.",
    ["tool", "status"],
    registry=REGISTRY,
    buckets=_TOOL_TIMES,
)
HOLDS: Final = Counter("slotline_holds", "Slots that were to be held, by outcome.", ["outcome"], registry=REGISTRY)
BOOKINGS: Final = Counter("slotline_bookings", "Bookings, by what became of them.", ["status"], registry=REGISTRY)
TEXTS: Final = Counter("slotline_texts", "Texts, each time they reached a state.", ["state"], registry=REGISTRY)
PROVIDER_FAILURES: Final = Counter(
    "slotline_provider_failures",
    "Requests that a speech or language service did not answer.",
    ["part", "provider"],
    registry=REGISTRY,
)
PROVIDER_SWITCHES: Final = Counter(
    "slotline_provider_switches", "How often a fallback has taken over.", ["part"], registry=REGISTRY
)
LOOP_LAG: Final = Histogram(
    "slotline_event_loop_lag_seconds", "How late the event loop was.", registry=REGISTRY, buckets=_LAGS
)


class CountedTally(Tally):
    """Counts what the domain does."""

    def hold(self, outcome: HoldOutcome) -> None:
        HOLDS.labels(outcome).inc()

    def booking(self, outcome: BookingOutcome) -> None:
        BOOKINGS.labels(outcome).inc()

    def text(self, state: TextState) -> None:
        TEXTS.labels(state).inc()


def answer(times: TurnTimes) -> None:
    """Count an answer with the times that are known of it."""
    VOICE_TO_VOICE.observe(times.voice_to_voice_ms / 1000)
    for stage in STAGES:
        took_ms: int | None = getattr(times, f"{stage}_ms")
        if took_ms is not None:
            STAGE.labels(stage).observe(took_ms / 1000)


def call_ended(outcome: str, times: CallTimes) -> None:
    """Count a call that has ended."""
    CALLS.labels(outcome).inc()
    if times.greeting_ms is not None:
        GREETING.observe(times.greeting_ms / 1000)
    if times.worst_silence_ms is not None:
        WORST_SILENCE.observe(times.worst_silence_ms / 1000)


def text_status(status: str) -> None:
    """Count what the carrier tells of a text."""
    TEXTS.labels(status if status in _TEXT_STATUSES else "other").inc()


def exposition() -> bytes:
    """Return all of it as Prometheus reads it; what processes share is added up."""
    together = CollectorRegistry()
    try:
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    except ValueError:
        # This process shares with no other.
        together = REGISTRY
    return generate_latest(together)


@contextmanager
def shared_by_processes() -> Iterator[dict[str, str]]:
    """Make a folder for what processes count, and yield the environment that makes them share it.

    Where none can be made, each process tells of itself only.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="slotline-metrics-")
    except OSError as error:
        log.warning("metrics_not_shared", error=type(error).__name__)
        yield {}
        return
    with folder as path:
        yield {FOLDER_VARIABLE: path}


def process_died(pid: int, environment: dict[str, str]) -> None:
    """Take back the live calls of a process that has died; what it has counted stays."""
    if folder := environment.get(FOLDER_VARIABLE):
        mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
