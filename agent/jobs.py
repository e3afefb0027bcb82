"""What a worker does beside its calls: sends messages and settles bookings and calls that a dead process left open."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import structlog

from agent import metrics
from agent.loop_lag import LoopLag
from appointments.errors import MessageDeferred, MessageRefused, MessageUnclear
from appointments.outbox import OPTED_OUT
from telephony.errors import TwilioNotDone, TwilioRefused, TwilioUnclear

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Sequence
    from types import TracebackType

    from appointments.outbox import OutboxWorker
    from appointments.service import BookingService
    from appointments.store.store import Store
    from telephony.messages import Messages

log = structlog.get_logger(__name__)

BROKEN_OFF = "broken_off"
"""The outcome of a call whose worker died."""
KEY_REFUSED = 401
"""The HTTP status of a login that Twilio does not take. 403 may be about the text, such as a country that is not on."""
QUEUE_FULL = 21611
"""Twilio's code for a number whose queue of texts is full: https://www.twilio.com/docs/api/errors/21611"""
QUEUE_SECS = 30.0
GOODBYE_SECS = 60
SETTLE_EVERY_SECS = 5.0
LOOP_TICK_SECS = 0.02
"""As long as one frame of audio."""
LATE_MS = 80
"""Pipecat keeps that much audio in hand: a longer stall is a gap in somebody's sentence."""
START_SECS = 5.0
"""So long stalls are part of starting, when there is no call yet to stutter."""
LAST_TEXTS_SECS = 15.0
"""How long texts that are due may still be sent when all else has ended: longer than Twilio is waited for."""


class TwilioSender:
    """Twilio's texts as the outbox wants them."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages

    async def send(self, *, to: str, body: str, outbox_id: str) -> str:
        try:
            return await self._messages.send(to, body, outbox_id)
        except TwilioRefused as error:
            _check_moment(error)
            raise MessageRefused(str(error), code=error.code, is_opt_out=error.code == OPTED_OUT) from error
        except TwilioUnclear as error:
            raise MessageUnclear(str(error)) from error
        except TwilioNotDone as error:
            raise MessageDeferred(str(error), retry_after_secs=error.retry_after_secs) from error

    async def find(self, *, to: str, body: str, since: datetime, other_than: Collection[str] = ()) -> str | None:
        try:
            return await self._messages.find(to, body, since, other_than=other_than)
        except TwilioRefused as error:
            _check_moment(error)
            raise MessageRefused(str(error), code=error.code) from error
        except (TwilioUnclear, TwilioNotDone) as error:
            raise MessageDeferred(str(error)) from error


def _check_moment(error: TwilioRefused) -> None:
    """Raise `MessageDeferred` when it is not the text that is refused, but our key or a queue that is full."""
    if error.code == QUEUE_FULL:
        raise MessageDeferred(str(error), retry_after_secs=QUEUE_SECS) from error
    if error.status == KEY_REFUSED:
        log.error("twilio_key_refused", hint="texts wait for a day: put the key right and restart the worker")
        raise MessageDeferred(str(error)) from error


class Jobs:
    """Runs the outboxes, the settling, the watch over the event loop and what is added, for as long as it is open."""

    def __init__(
        self, service: BookingService, outboxes: Sequence[OutboxWorker], store: Store, *, max_call_secs: int
    ) -> None:
        self._service = service
        self._outboxes = outboxes
        self._store = store
        self._longest_call = longest_call(max_call_secs)
        self._tasks: list[asyncio.Task[None]] = []
        self.lag = LoopLag()
        """How late the event loop is."""

    async def __aenter__(self) -> Self:
        self._sending = {self.add(f"outbox_{each.channel}", each.run()) for each in self._outboxes}
        self.add("settling", self._settle())
        self.add("event_loop_watch", watch_event_loop(self.lag))
        return self

    def add(self, name: str, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `job`, which has no end of its own, until this is closed."""
        task = asyncio.create_task(job, name=name)
        task.add_done_callback(_tell_death)
        self._tasks.append(task)
        return task

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for outbox in self._outboxes:
            outbox.finish()
        # What is not sent by then stays in the outbox for the next process.
        await asyncio.wait(self._sending, timeout=LAST_TEXTS_SECS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _settle(self) -> None:
        while True:
            for settle in (self._service.settle_unfinished, self._end_stale_calls):
                try:
                    await settle()
                except Exception:
                    log.exception("settling_failed")
            await asyncio.sleep(SETTLE_EVERY_SECS)

    async def _end_stale_calls(self) -> None:
        now = datetime.now(UTC)
        for call_sid in await self._store.end_stale_calls(now - self._longest_call, outcome=BROKEN_OFF, at=now):
            log.warning("call_broke_off", call_sid=call_sid)


def _tell_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.critical("job_died", job=task.get_name(), hint="restart the worker", exc_info=error)


def longest_call(max_call_secs: int) -> timedelta:
    """Return how long a call may be open, its goodbye included: one that is open for longer has lost its worker."""
    return timedelta(seconds=max_call_secs + GOODBYE_SECS)


async def watch_event_loop(lag: LoopLag, *, start_secs: float = START_SECS) -> None:
    """Log when something kept the event loop waiting: every live call hears it as a stutter."""
    loop = asyncio.get_running_loop()
    started_at = loop.time() + start_secs
    while True:
        due, cpu_secs = loop.time() + LOOP_TICK_SECS, time.thread_time()
        await asyncio.sleep(LOOP_TICK_SECS)
        late_ms = round((loop.time() - due) * 1000)
        if due >= started_at:
            lag.note(late_ms)
            metrics.LOOP_LAG.observe(late_ms / 1000)
        if late_ms >= LATE_MS:
            cpu_ms = round((time.thread_time() - cpu_secs) * 1000)
            tell = log.debug if due < started_at else log.warning
            tell("event_loop_late", late_ms=late_ms, cpu_ms=cpu_ms, hint=late_hint(late_ms, cpu_ms))


def late_hint(late_ms: int, cpu_ms: int) -> str:
    """Return what to do about a stall, of which the event loop itself computed for `cpu_ms`."""
    if cpu_ms * 2 > late_ms:
        return "live calls stuttered: the worker computed for so long in one piece, which is a mistake in it"
    return "live calls stuttered: the worker had to wait; give the machine more cores or a faster disk, or fewer calls"
