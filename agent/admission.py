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
ASKED_WITHIN_SECS: Final = 3.0
"""How soon Twilio asks what follows a stream that has ended. It may ask another process."""
DIALLED_WITHIN_SECS: Final = 60.0
"""How long a person's phone may ring and they be told who is on the line, before the caller is theirs or ours again."""


class Refusal(StrEnum):
    """Why a call is not taken here and now."""

    STARTING = "starting"
    """The fixed sentences are not there yet: nobody could be greeted."""
    DRAINING = "draining"
    FULL = "full"
    LATE = "late"
    """The event loop is behind: one call more would be heard by all the others."""


class LiveCall:
    """One call that is being carried."""

    def __init__(self, call_sid: str) -> None:
        self.call_sid = call_sid
        self.is_asked_about = False
        """Whether Twilio has asked what follows the stream: it may do so before we have put everything away."""
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
        self._unasked: dict[str, float] = {}
        self._dialling: dict[str, float] = {}
        self._is_closing = False
        self.is_draining = False
        """Whether no new calls are taken any more."""

    def __len__(self) -> int:
        self._expected = self._still(self._expected)
        return len(self._live) + len(self._expected)

    @property
    def carried(self) -> int:
        """How many have a stream."""
        return len(self._live)

    @property
    def followed_up(self) -> int:
        """How many have left us and still need an answer: their stream has just ended, or a person's phone rings."""
        self._unasked, self._dialling = self._still(self._unasked), self._still(self._dialling)
        return len(self._unasked) + len(self._dialling)

    def expect(self, call_sid: str) -> None:
        """Keep a place for the stream of a call that has just been answered."""
        self._expected[call_sid] = self._monotonic() + STREAM_WITHIN_SECS

    def is_expected(self, call_sid: str) -> bool:
        """Whether a place is kept for the stream of this call."""
        return self._expected.get(call_sid, 0.0) > self._monotonic()

    def forget(self, call_sid: str) -> None:
        """Expect no stream of a call any more."""
        self._expected.pop(call_sid, None)

    def asked(self, call_sid: str) -> None:
        """Take note that Twilio was told what follows the stream of a call."""
        self._unasked.pop(call_sid, None)
        for live in self._live:
            if live.call_sid == call_sid:
                live.is_asked_about = True

    def dials(self, call_sid: str) -> None:
        """Take note that a person's phone rings for the caller: Twilio will ask what they hear, and what follows."""
        self._dialling[call_sid] = self._monotonic() + DIALLED_WITHIN_SECS

    def dialled(self, call_sid: str) -> None:
        """Take note that it rings no more."""
        self._dialling.pop(call_sid, None)

    def over(self, call_sid: str) -> None:
        """Expect nothing more of a call: Twilio has ended it."""
        self.forget(call_sid)
        self.asked(call_sid)
        self.dialled(call_sid)

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
            if not live.is_asked_about:
                self._unasked[call_sid] = self._monotonic() + ASKED_WITHIN_SECS

    def close(self) -> None:
        """Say goodbye in every call."""
        self._is_closing = True
        for live in self._live:
            live.close()

    def _still(self, until: dict[str, float]) -> dict[str, float]:
        now = self._monotonic()
        return {call_sid: end for call_sid, end in until.items() if end > now}


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
