"""Booking: claim the slot in the record, book it in the calendar, record the outcome with its text."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar
from uuid import uuid4
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appointments.availability import Availability
from appointments.errors import CalendarRejected, CalendarUnavailable, ConfigError, SlotlineError, SlotTaken
from appointments.messages import render_sms
from appointments.model import Appointment, AppointmentId, AppointmentStatus, BookingStatus, EventType
from appointments.settling import SettleTimes, Settling
from appointments.store.database import utc_now
from appointments.store.records import NO_TEXTS, BookingTexts, OutgoingText

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from datetime import datetime

    from appointments.model import Action, Attendee, Booking, CallSid, Slot
    from appointments.ports import Calendar, Clock
    from appointments.store.store import Store

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BookingRequest:
    """What the caller agreed to."""

    call_sid: CallSid
    action: Action
    event_type: EventType
    slot: Slot
    attendee: Attendee
    notes: str = ""
    texts: BookingTexts = NO_TEXTS

    @property
    def idempotency_key(self) -> str:
        """The same for the same wish of the same call, however often it is asked."""
        return f"{self.call_sid}:{self.event_type.id}:{int(self.slot.start.timestamp())}"


@dataclass(slots=True, eq=False)
class _Job:
    """A booking to be carried out, whoever waits for it."""

    appointment: Appointment
    event_type: EventType
    texts: BookingTexts
    is_claimed: bool = False
    waiting: int = 0
    """How many callers of `book` will hear the outcome; when none will, it is texted."""


@dataclass(frozen=True, slots=True)
class _Running:
    job: _Job
    task: asyncio.Task[Appointment]


class BookingService:
    """Offers what is free and books it once, whatever becomes of the call that asked."""

    def __init__(
        self,
        *,
        calendar: Calendar,
        store: Store,
        clock: Clock,
        settle: SettleTimes,
        real_clock: Clock = utc_now,
        on_text: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_text` is called when a text was added to the outbox."""
        self._store = store
        self._times = settle
        self._real_clock = real_clock
        self._on_text = on_text
        self._availability = Availability(calendar=calendar, store=store, clock=clock, real_clock=real_clock)
        self._settling = Settling(calendar=calendar, times=settle, keep_working=store.keep_working)
        self._running: dict[str, _Running] = {}

    async def event_type(self, action: Action) -> EventType:
        """Return what `action` books; asked of the calendar once."""
        return await self._availability.event_type(action)

    async def free_slots(self, action: Action, *, start: datetime, end: datetime) -> Sequence[Slot]:
        """Return the free slots that start in [start, end) and lie ahead, earliest first; at most 30 s old."""
        return await self._availability.free_slots(action.event_type_id, start=start, end=end)

    def prefetch(self, action: Action) -> None:
        """Ask for the free slots in the background, ahead of `free_slots`."""
        self._availability.prefetch(action.event_type_id)

    async def book(self, request: BookingRequest) -> Appointment:
        """Book `request` once; asking again joins what is under way or returns what came of it.

        The work goes on when the awaiting task is cancelled. The result is active, or unconfirmed when nobody could
        find out, or pending when that takes longer than the caller can wait: a text follows then.

        Raises:
            SlotTaken: somebody has it; with fresh alternatives.
            CalendarRejected: the calendar will not book this.
            CalendarUnavailable: certainly nothing was booked.
        """
        running = self._running.get(request.idempotency_key)
        if running is None:
            job = _Job(_appointment(request), request.event_type, request.texts)
            running = self._start(job, self._claim_and_book(job))
        running.job.waiting += 1
        try:
            await asyncio.wait({running.task}, timeout=self._times.answer_within.total_seconds())
        finally:
            running.job.waiting -= 1
        return _answer(running)

    async def settle_unfinished(self) -> None:
        """Settle the claims that a dead process left open; to be called at start-up and every few seconds."""
        older_than = self._real_clock() - self._times.abandoned_after
        settling = []
        for appointment in await self._store.unsettled(older_than):
            if appointment.idempotency_key in self._running:
                continue
            texts = await self._store.take_over(appointment.appointment_id, older_than=older_than)
            if texts is not None:
                job = _Job(appointment, _event_type(appointment), texts, is_claimed=True)
                settling.append(self._start(job, self._conclude(job, self._settling.find_out)))
        for running in settling:
            await asyncio.wait({running.task})
            if _has_crashed(running.task):
                # It would crash the next time too, and a claim must not stay open for ever.
                await self._leave_unconfirmed(running.job, "settling it crashed")

    async def drain(self) -> None:
        """Wait for the bookings that are under way."""
        while tasks := [running.task for running in self._running.values()]:
            await asyncio.wait(tasks)
        await self._availability.close()

    def _start(self, job: _Job, work: Coroutine[None, None, Appointment]) -> _Running:
        running = _Running(job, asyncio.create_task(work))
        key = job.appointment.idempotency_key
        self._running[key] = running
        running.task.add_done_callback(lambda _: self._ended(key, running))
        return running

    def _ended(self, key: str, running: _Running) -> None:
        del self._running[key]
        if _has_crashed(running.task):
            # A claim made stays pending: `settle_unfinished` goes on with it.
            appointment_id = running.job.appointment.appointment_id
            log.error("booking_crashed", appointment_id=appointment_id, exc_info=running.task.exception())

    async def _claim_and_book(self, job: _Job) -> Appointment:
        late = asyncio.get_running_loop().time() + self._times.claim_within.total_seconds()
        try:
            claimed = await self._insist(job, lambda: self._claim(job))
        except SlotTaken:
            taken = await self._taken(job)
            await self._text_failure_unless_heard(job)
            raise taken from None
        except SQLAlchemyError as error:
            if not job.waiting:
                appointment_id = job.appointment.appointment_id
                log.error("booking_lost", appointment_id=appointment_id, pii_promised_to=job.texts.to)
            raise CalendarUnavailable("the record could not be written, so nothing was booked") from error
        if not job.is_claimed:
            return claimed
        if asyncio.get_running_loop().time() > late:
            await self._fail(job, "unavailable")
            raise CalendarUnavailable("the record could not be written in time, so nothing was booked")
        return await self._conclude(job, self._settling.book)

    async def _claim(self, job: _Job) -> Appointment:
        """Return the claim, or what an earlier one with the same key has come to."""
        wanted = job.appointment
        claimed = await self._store.claim(wanted, texts=job.texts)
        if claimed.status is AppointmentStatus.FAILED:
            job.appointment = wanted = replace(wanted, appointment_id=claimed.appointment_id)
            claimed = await self._store.claim_again(wanted, texts=job.texts)
        elif claimed.appointment_id != wanted.appointment_id:
            return claimed
        job.appointment, job.is_claimed = claimed, True
        return claimed

    async def _insist(self, job: _Job, write: Callable[[], Awaitable[T]]) -> T:
        """Return what `write` does; while the record fails, try again for those who were promised a text.

        Raises:
            SQLAlchemyError: it failed, and somebody waits to hear of it, or it has failed for too long.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._times.give_up_after.total_seconds()
        while True:
            try:
                return await write()
            except SQLAlchemyError as error:
                log.warning("record_not_written", appointment_id=job.appointment.appointment_id, exc_info=error)
                if job.waiting or loop.time() > give_up:
                    raise
            await asyncio.sleep(self._times.claim_again.total_seconds())

    async def _conclude(
        self, job: _Job, attempt: Callable[[EventType, Appointment], Awaitable[Booking]]
    ) -> Appointment:
        """Carry out `attempt` and record what came of it."""
        appointment = job.appointment
        try:
            booking = await attempt(job.event_type, appointment)
        except SlotTaken:
            taken = await self._taken(job)
            await self._fail(job, "taken")
            raise taken from None
        except CalendarRejected as error:
            # For the owner, who alone can mend it; calendars keep personal data out of this message.
            log.error("booking_rejected", appointment_id=appointment.appointment_id, reason=str(error))
            await self._fail(job, "rejected")
            raise
        except CalendarUnavailable as error:
            if error.is_unclear:
                return await self._leave_unconfirmed(job, "the calendar's answer was lost")
            await self._fail(job, "unavailable")
            raise
        self._availability.forget(appointment.event_type_id)
        if booking.status is BookingStatus.PENDING:
            return await self._leave_unconfirmed(job, "the host has to accept it", booking)
        return await self._record(job, booking)

    async def _record(self, job: _Job, booking: Booking) -> Appointment:
        booked = replace(job.appointment, meeting_link=booking.meeting_link, location=booking.location)
        texts = _texts(booked, job.texts, "confirmed")
        recorded = await self._store.record(booked.appointment_id, booking, texts=texts)
        self._on_text()
        log.info("appointment_booked", appointment_id=booked.appointment_id, event_type=booked.title)
        return recorded

    async def _leave_unconfirmed(self, job: _Job, reason: str, booking: Booking | None = None) -> Appointment:
        appointment_id = job.appointment.appointment_id
        texts = _texts(job.appointment, job.texts, "unconfirmed")
        left = await self._store.leave_unconfirmed(appointment_id, reason=reason, booking=booking, texts=texts)
        self._on_text()
        log.error("appointment_unconfirmed", appointment_id=appointment_id, call_sid=left.call_sid, reason=reason)
        return left

    async def _fail(self, job: _Job, reason: str) -> None:
        appointment_id = job.appointment.appointment_id
        await self._store.fail(appointment_id, reason=reason)
        log.warning("appointment_failed", appointment_id=appointment_id, reason=reason)
        await self._text_failure_unless_heard(job)

    async def _text_failure_unless_heard(self, job: _Job) -> None:
        # The last step of a job, with nothing awaited after it: whoever waits now gets the answer.
        if not job.waiting:
            texts = _texts(job.appointment, job.texts, "failed")
            await self._insist(job, lambda: self._store.add_texts(job.appointment.appointment_id, texts))
            self._on_text()

    async def _taken(self, job: _Job) -> SlotTaken:
        """Return the error for a caller, with alternatives if there is still one to hear them."""
        event_type_id, slot = job.appointment.event_type_id, job.appointment.slot
        self._availability.forget(event_type_id)
        return SlotTaken(slot, await self._availability.alternatives(event_type_id, slot) if job.waiting else ())


def _answer(running: _Running) -> Appointment:
    """Return or raise what came of it; a claim whose outcome is open is pending, whatever stopped the work."""
    is_open = not running.task.done() or (running.job.is_claimed and _has_crashed(running.task))
    return running.job.appointment if is_open else running.task.result()


def _has_crashed(task: asyncio.Task[Appointment]) -> bool:
    """Whether `task` ended in an error that says nothing about the booking."""
    return not task.cancelled() and task.exception() is not None and not isinstance(task.exception(), SlotlineError)


def _appointment(request: BookingRequest) -> Appointment:
    return Appointment(
        appointment_id=AppointmentId(f"ap_{uuid4().hex}"),
        call_sid=request.call_sid,
        event_type_id=request.event_type.id,
        title=request.event_type.title,
        slot=request.slot,
        zone=request.action.zone.key,
        attendee=request.attendee,
        notes=request.notes,
        status=AppointmentStatus.PENDING,
        idempotency_key=request.idempotency_key,
    )


def _event_type(appointment: Appointment) -> EventType:
    return EventType(appointment.event_type_id, appointment.title, appointment.slot.duration)


def _texts(
    appointment: Appointment, texts: BookingTexts, kind: Literal["confirmed", "unconfirmed", "failed"]
) -> Sequence[OutgoingText]:
    template = {"confirmed": texts.confirmed, "unconfirmed": texts.unconfirmed, "failed": texts.failed}[kind]
    if not texts.to or not template:
        return ()
    try:
        body = render_sms(
            template,
            slot=appointment.slot,
            zone=ZoneInfo(appointment.zone),
            link=appointment.meeting_link,
            location=appointment.location,
            duration=appointment.slot.duration,
            name=appointment.attendee.name,
            business=texts.business,
        )
    except ConfigError as error:
        # The outcome is recorded all the same: a wrong template must not make a booking look failed.
        log.error("text_not_rendered", appointment_id=appointment.appointment_id, reason=str(error))
        return ()
    return (OutgoingText(texts.to, body, f"{appointment.appointment_id}|{kind}|1"),)
