"""Booking: claim the slot in the record, book it in the calendar, record the outcome with its text."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar
from uuid import uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appointments.attempts import Book
from appointments.errors import CalendarRejected, CalendarUnavailable, SlotlineError, SlotTaken
from appointments.in_progress import InProgress, Job
from appointments.message_plan import NO_MESSAGES, MessagePlan, booked, failed, not_done, unconfirmed
from appointments.model import Appointment, AppointmentId, AppointmentStatus, BookingStatus, EventType
from appointments.owner_notices import WHY_NOT
from appointments.rules import keep_free, limits_for
from appointments.store.records import Block

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from appointments.model import Action, Attendee, Booking, Business, CallSid, Slot
    from appointments.store.records import OutgoingMessage
    from appointments.workbench import Workbench

log = structlog.get_logger(__name__)

T = TypeVar("T")
Failure: TypeAlias = Literal["taken", "rejected", "unavailable"]


@dataclass(frozen=True, slots=True)
class BookingRequest:
    """What the caller agreed to."""

    call_sid: CallSid
    business: Business
    action: Action
    event_type: EventType
    slot: Slot
    attendee: Attendee
    notes: str = ""
    plan: MessagePlan = NO_MESSAGES

    @property
    def idempotency_key(self) -> str:
        """The same for the same wish of the same call, however often it is asked."""
        return f"{self.call_sid}:{self.event_type.id}:{int(self.slot.start.timestamp())}"


@dataclass(slots=True, eq=False, kw_only=True)
class BookingJob(Job):
    """A booking to be carried out."""

    appointment: Appointment
    event_type: EventType
    plan: MessagePlan
    business: Business | None = None
    """By whose rules it is claimed; None when it was claimed before."""
    is_claimed: bool = False


class Bookings:
    """Books each request once."""

    def __init__(self, workbench: Workbench) -> None:
        self._bench = workbench
        self.in_progress: InProgress[BookingJob] = InProgress()

    async def book(self, request: BookingRequest) -> Appointment:
        """Book `request` once; asking again joins what is under way or returns what came of it.

        The work goes on when the awaiting task is cancelled. The result is active, or unconfirmed when nobody could
        find out, or pending when that takes longer than the caller can wait: a text follows then.

        Raises:
            SlotTaken: somebody has it; with fresh alternatives.
            RuleViolation: the day, or the caller, has as many appointments as there may be.
            CalendarRejected: the calendar will not book this.
            CalendarUnavailable: certainly nothing was booked.
        """
        job = self.in_progress.get(request.idempotency_key)
        if job is None:
            job = _job(_appointment(request), request.event_type, request.plan, business=request.business)
            self.in_progress.start(job, self._claim_and_book(job))
        await self.in_progress.wait(job, at_most=self._bench.times.answer_within)
        try:
            return _answer(job)
        except SlotlineError:
            await self._bench.take_back(_failure_messages(job))
            raise

    async def settle_unfinished(self) -> None:
        """Settle the claims that a dead process left open."""
        store, older_than = self._bench.store, self._bench.abandoned_since()
        settling = []
        for appointment in await store.unsettled(older_than):
            if self.in_progress.get(appointment.idempotency_key):
                continue
            plan = await store.take_over(appointment.appointment_id, older_than=older_than)
            if plan is not None:
                job = _job(appointment, _event_type(appointment), plan, is_claimed=True)
                settling.append(self.in_progress.start(job, self._conclude(job, self._bench.settling.find_out)))
        for job in settling:
            await asyncio.wait({job.task})
            if job.has_crashed:
                # It would crash the next time too, and a claim must not stay open for ever.
                await self._leave_unconfirmed(job, "settling it crashed")

    async def _claim_and_book(self, job: BookingJob) -> Appointment:
        late = asyncio.get_running_loop().time() + self._bench.times.claim_within.total_seconds()
        try:
            claimed = await self._insist(job, lambda: self._claim(job))
        except SlotTaken:
            self._bench.tally.booking("taken")
            raise await self._taken(job) from None
        except SQLAlchemyError as error:
            if not job.waiting:
                appointment_id = job.appointment.appointment_id
                log.error("booking_lost", appointment_id=appointment_id, pii_promised_to=job.plan.to)
            raise CalendarUnavailable("the record could not be written, so nothing was booked") from error
        if not job.is_claimed:
            return claimed
        if asyncio.get_running_loop().time() > late:
            await self._fail(job, "unavailable")
            raise CalendarUnavailable("the record could not be written in time, so nothing was booked")
        return await self._conclude(job, self._bench.settling.carry_out)

    async def _claim(self, job: BookingJob) -> Appointment:
        """Return the claim, or what an earlier one with the same key has come to."""
        wanted, business = job.appointment, job.business
        assert business is not None
        block = Block(self._bench.calendar.resource(wanted.event_type_id), *keep_free(wanted.slot, business.rules))
        limits = limits_for(wanted.slot, business)
        claimed = await self._bench.store.claim(
            wanted, block, limits=limits, plan=job.plan, failed=_failure_messages(job)
        )
        while _is_over(claimed, wanted.slot):
            # The caller cancelled or moved it and wants the time again: that is another wish.
            job.appointment = wanted = replace(wanted, idempotency_key=_next_key(wanted.idempotency_key))
            claimed = await self._bench.store.claim(
                wanted, block, limits=limits, plan=job.plan, failed=_failure_messages(job)
            )
        if claimed.status is AppointmentStatus.FAILED:
            job.appointment = wanted = replace(wanted, appointment_id=claimed.appointment_id)
            claimed = await self._bench.store.claim_again(
                wanted, block, limits=limits, plan=job.plan, failed=_failure_messages(job)
            )
        elif claimed.appointment_id != wanted.appointment_id:
            return claimed
        job.appointment, job.is_claimed = claimed, True
        return claimed

    async def _insist(self, job: BookingJob, write: Callable[[], Awaitable[T]]) -> T:
        """Return what `write` does; while the record fails, try again for those who were promised a text.

        Raises:
            SQLAlchemyError: it failed, and somebody waits to hear of it, or it has failed for too long.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._bench.times.give_up_after.total_seconds()
        while True:
            try:
                return await write()
            except SQLAlchemyError as error:
                log.warning("record_not_written", appointment_id=job.appointment.appointment_id, exc_info=error)
                if job.waiting or loop.time() > give_up:
                    raise
            await asyncio.sleep(self._bench.times.claim_again.total_seconds())

    async def _conclude(self, job: BookingJob, settle: Callable[[Book], Awaitable[Booking]]) -> Appointment:
        """Book it by way of `settle` and record what came of it."""
        appointment = job.appointment
        try:
            booking = await settle(Book(self._bench.calendar, self._bench.store, job.event_type, appointment))
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
        self._bench.availability.forget(appointment.event_type_id)
        return await self._record(job, booking)

    async def _record(self, job: BookingJob, booking: Booking) -> Appointment:
        def messages(recorded: Appointment) -> Sequence[OutgoingMessage]:
            return booked(job.plan, recorded, now=self._bench.clock())

        recorded = await self._bench.store.record(job.appointment.appointment_id, booking, messages=messages)
        self._bench.on_text()
        self._bench.tally.booking("requested" if booking.status is BookingStatus.PENDING else "booked")
        log.info("appointment_booked", appointment_id=recorded.appointment_id, event_type=recorded.title)
        return recorded

    async def _leave_unconfirmed(self, job: BookingJob, reason: str) -> Appointment:
        appointment_id = job.appointment.appointment_id
        left = await self._bench.store.leave_unconfirmed(
            appointment_id, reason=reason, messages=lambda left: unconfirmed(job.plan, left)
        )
        self._bench.on_text()
        self._bench.tally.booking("unconfirmed")
        log.error("appointment_unconfirmed", appointment_id=appointment_id, call_sid=left.call_sid, reason=reason)
        return left

    async def _fail(self, job: BookingJob, reason: Failure) -> None:
        appointment_id = job.appointment.appointment_id

        def messages(left: Appointment) -> Sequence[OutgoingMessage]:
            # A time that somebody else has is no news: the caller is offered another one.
            if reason == "taken":
                return _failure_messages(job)
            why = f"Not booked, {WHY_NOT[reason]}"
            told = not_done(job.plan, left, of=appointment_id, headline=why, call_sid=left.call_sid)
            return (*_failure_messages(job), *told)

        await self._bench.store.fail(appointment_id, reason=reason, messages=messages)
        self._bench.on_text()
        self._bench.tally.booking(reason)
        log.warning("appointment_failed", appointment_id=appointment_id, reason=reason)

    async def _taken(self, job: BookingJob) -> SlotTaken:
        """Return the error for a caller, with alternatives if there is still one to hear them."""
        wanted = job.appointment
        self._bench.availability.forget(wanted.event_type_id)
        if job.business is None or not job.waiting:
            return SlotTaken(wanted.slot)
        alternatives = await self._bench.availability.alternatives(
            wanted.event_type_id, job.business, wanted.slot, except_of=(wanted.appointment_id, wanted.call_sid)
        )
        return SlotTaken(wanted.slot, alternatives)


def _failure_messages(job: BookingJob) -> Sequence[OutgoingMessage]:
    """Return what goes into the outbox with the failure: nobody would find out later that it was never written."""
    return failed(job.plan, job.appointment, may_be_heard=job.waiting > 0)


def _answer(job: BookingJob) -> Appointment:
    """Return or raise what came of it; a claim whose outcome is open is pending, whatever stopped the work."""
    is_open = not job.task.done() or (job.is_claimed and job.has_crashed)
    return job.appointment if is_open else job.task.result()


def _is_over(appointment: Appointment, slot: Slot) -> bool:
    """Whether `appointment`, once made for `slot`, is no more, or is at another time now."""
    return appointment.status is AppointmentStatus.CANCELLED or appointment.slot.start != slot.start


def _next_key(key: str) -> str:
    """Return the key of the same wish wished once more: ``…`` → ``…#2`` → ``…#3``."""
    wish, _, times = key.partition("#")
    return f"{wish}#{int(times or 1) + 1}"


def _job(
    appointment: Appointment,
    event_type: EventType,
    plan: MessagePlan,
    *,
    business: Business | None = None,
    is_claimed: bool = False,
) -> BookingJob:
    return BookingJob(
        key=appointment.idempotency_key,
        appointment=appointment,
        event_type=event_type,
        plan=plan,
        business=business,
        is_claimed=is_claimed,
    )


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
