"""What is measured of one spoken call: counted, traced, and kept in the record when it has ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent import metrics
from appointments.store.records import CallTimes

if TYPE_CHECKING:
    from agent.latency import LatencyWatch
    from agent.tracing import Traces
    from agent.transcript import Turn
    from appointments.model import CallSid
    from appointments.store.records import TurnTimes
    from appointments.store.store import Store

log = structlog.get_logger(__name__)

KEEP_SECS: Final = 5.0
"""How long the record may take; the end of the call waits for it, and nothing of the call any more."""


class Measuring:
    """Passes on what happens in a call from its beginning to its end."""

    def __init__(self, call_sid: CallSid, *, store: Store, traces: Traces) -> None:
        self._call_sid = call_sid
        self._store = store
        self._trace = traces.call(call_sid)
        self._watch: LatencyWatch | None = None
        metrics.LIVE_CALLS.inc()

    def follow(self, watch: LatencyWatch) -> None:
        """Take the times of the call from `watch`."""
        self._watch = watch
        watch.on_answer = self._on_answer

    def turn(self, turn: Turn) -> None:
        """Take what was said or done; of what was said only that it was."""
        if turn.who == "caller":
            metrics.TURNS.inc()
        if turn.tool is not None and turn.took_ms is not None:
            status = turn.text
            metrics.TOOL.labels(turn.tool, status).observe(turn.took_ms / 1000)
            self._trace.tool(turn.tool, status, turn.took_ms)

    def end(self, outcome: str) -> None:
        """Conclude the call."""
        if self._watch is not None:
            self._watch.line_closed()
        metrics.LIVE_CALLS.dec()
        metrics.call_ended(outcome, self._times)
        self._trace.end(outcome, self._times)

    async def keep(self) -> None:
        """Write the numbers down. A record that cannot be written costs them and nothing else."""
        try:
            async with asyncio.timeout(KEEP_SECS):
                await self._store.keep_times(self._call_sid, self._times)
        except (SQLAlchemyError, TimeoutError) as error:
            log.warning("times_not_kept", error=type(error).__name__)

    @property
    def _times(self) -> CallTimes:
        return self._watch.times() if self._watch is not None else CallTimes()

    def _on_answer(self, times: TurnTimes) -> None:
        metrics.answer(times)
        self._trace.answer(times)
