"""Which calls a process carries, and whether it takes another."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from agent.loop_lag import LoopLag

log = structlog.get_logger(__name__)

STREAM_WITHIN_SECS: Final = 10.0
"""How long a place is kept for the stream of a call that was answered. It may come to another process."""


class Refusal(StrEnum):
    """Why a call is not taken here and now."""

    DRAINING = "draining"
    FULL = "full"
    LATE = "late"
    """The event loop is behind: one call more would be heard by all the others."""


class LiveCall:
    """One call that is being carried."""

    def __init__(self, call_sid: str) -> None:
        self.call_sid = call_sid
        self._say_goodbye: Callable[[], Awaitable[None]] | None = None
        self._is_closing = False
        self._closing: asyncio.Task[None] | None = None

    def attach(self, say_goodbye: Callable[[], Awaitable[None]]) -> None:
        """Tell how the caller is told that the call ends now."""
        self._say_goodbye = say_goodbye
        if self._is_closing:
            self.close()

    def close(self) -> None:
        """Say goodbye, as soon as there is somebody who can."""
        self._is_closing = True
        if self._say_goodbye is not None and self._closing is None:
            self._closing = asyncio.create_task(_close(self.call_sid, self._say_goodbye))


async def _close(call_sid: str, say_goodbye: Callable[[], Awaitable[None]]) -> None:
    log.warning("call_closed_by_shutdown", call_sid=call_sid)
    await say_goodbye()


class LiveCalls:
    """The calls of this process: those being carried, and those that were answered and whose stream is to come."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._live: list[LiveCall] = []
        self._expected: dict[str, float] = {}
        self._is_closing = False
        self.is_draining = False
        """Whether no new calls are taken any more."""

    def __len__(self) -> int:
        now = self._monotonic()
        self._expected = {call_sid: until for call_sid, until in self._expected.items() if until > now}
        return len(self._live) + len(self._expected)

    @property
    def carried(self) -> int:
        """How many have a stream."""
        return len(self._live)

    def expect(self, call_sid: str) -> None:
        """Keep a place for the stream of a call that has just been answered."""
        self._expected[call_sid] = self._monotonic() + STREAM_WITHIN_SECS

    def is_expected(self, call_sid: str) -> bool:
        """Whether a place is kept for the stream of this call."""
        return self._expected.get(call_sid, 0.0) > self._monotonic()

    def forget(self, call_sid: str) -> None:
        """Expect no stream of a call any more: it is over."""
        self._expected.pop(call_sid, None)

    @contextmanager
    def carrying(self, call_sid: str) -> Iterator[LiveCall]:
        """Count a call for as long as its stream is open."""
        self.forget(call_sid)
        live = LiveCall(call_sid)
        self._live.append(live)
        if self._is_closing:
            live.close()
        try:
            yield live
        finally:
            self._live.remove(live)

    def close(self) -> None:
        """Say goodbye in every call."""
        self._is_closing = True
        for live in self._live:
            live.close()


class Admission:
    """Whether this process takes one more call. A stream that Twilio has opened is never turned away."""

    def __init__(self, calls: LiveCalls, lag: LoopLag, *, most_calls: int, most_lag_ms: int) -> None:
        self._calls = calls
        self._lag = lag
        self._most_calls = most_calls
        self._most_lag_ms = most_lag_ms

    @property
    def free_places(self) -> int:
        """How many more calls would be taken now."""
        return 0 if self.refusal() else self._most_calls - len(self._calls)

    def refusal(self) -> Refusal | None:
        """Return why a call would not be taken now, None when it would."""
        if self._calls.is_draining:
            return Refusal.DRAINING
        if len(self._calls) >= self._most_calls:
            return Refusal.FULL
        if self._lag.p95_ms >= self._most_lag_ms:
            return Refusal.LATE
        return None
