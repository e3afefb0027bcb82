"""Moving and cancelling: keep the new time, ask the calendar, record the outcome with its text."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appointments.attempts import Cancel, Move
from appointments.errors import CalendarRejected, CalendarUnavailable, NotChangeable, SlotlineError, SlotTaken
from appointments.in_progress import InProgress, Job
from appointments.message_plan import (
    NO_MESSAGES,
    MessagePlan,
    cancelled,
    change_failed,
    change_unconfirmed,
    moved,
    not_done,
)
from appointments.model import AppointmentStatus
from appointments.owner_notices import WHY_NOT
from appointments.rules import keep_free, limits_for
from appointments.store.records import Block, Change, ChangeKind, ChangeState, Limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from appointments.booking import Failure
    from appointments.model import Appointment, Booking, Business, CallSid, Slot
    from appointments.store.records import OutgoingMessage
    from appointments.workbench import Workbench

log = structlog.get_logger(__name__)

_DONE = {ChangeKind.MOVE: "moved", ChangeKind.CANCEL: "cancelled"}


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """What the caller agreed to: a move to `slot`, or a cancellation when it is None."""

    call_sid: CallSid
    business: Business
    appointment: Appointment
    slot: Slot | None = None
    reason: str = ""
    plan: MessagePlan = NO_MESSAGES

    @property
    def idempotency_key(self) -> str:
        """The same for the same wish of the same call, however often it is asked."""
        to = f"move:{int(self.slot.start.timestamp())}" if self.slot else "cancel"
        return f"{self.call_sid}:{self.appointment.appointment_id}:{to}"


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """The appointment as it stands, and what became of the change: done, pending or unclear."""

    appointment: Appointment
    state: ChangeState


@dataclass(slots=True, eq=False, kw_only=True)
class ChangeJob(Job):
    """A change to be carried out. `block` is what a move keeps beside the old time."""

    appointment: Appointment
    change: Change
    block: Block | None
    limits: Limits | None
    plan: MessagePlan
    business: Business | None = None


class Changes:
    """Makes each change once."""

    def __init__(self, workbench: Workbench) -> None:
        self._bench = workbench
        self.in_progress: InProgress[ChangeJob] = InProgress()

    async def change(self, request: ChangeRequest) -> ChangeOutcome:
        """Make the change once; asking again joins what is under way or returns what came of it.

        The work goes on when the awaiting task is cancelled. The outcome is unclear when nobody could find out, and
        pending when that takes longer than the caller can wait: a text follows then.

        Raises:
            SlotTaken: somebody has the new time; the appointment is as it was. With fresh alternatives.
            RuleViolation: the new day has filled up meanwhile.
            NotChangeable: it is over, unsettled, or being changed already.
            CalendarRejected: the calendar does not allow it.
            CalendarUnavailable: certainly nothing was changed.
        """
        if request.slot is None and request.appointment.status is AppointmentStatus.CANCELLED:
            return ChangeOutcome(request.appointment, ChangeState.DONE)
        job = self.in_progress.get(request.idempotency_key)
        if job is None:
            job = self._job(request)
            self.in_progress.start(job, self._begin_and_conclude(job))
        await self.in_progress.wait(job, at_most=self._bench.times.answer_within)
        if not job.task.done() or job.has_crashed:
            return ChangeOutcome(job.appointment, ChangeState.PENDING)
        try:
            return ChangeOutcome(job.task.result(), job.change.state)
        except SlotlineError:
            await self._bench.take_back(self._failure_messages(job))
            raise

    async def settle_unfinished(self) -> None:
        """Settle the changes that a dead process left open."""
        store, older_than = self._bench.store, self._bench.abandoned_since()
        settling = []
        for change in await store.unsettled_changes(older_than):
            if self.in_progress.get(change.idempotency_key):
                continue
            plan = await store.take_over_change(change.change_id, older_than=older_than)
            appointment = await store.appointment(change.appointment_id)
            if plan is not None and appointment is not None:
                job = ChangeJob(
                    key=change.idempotency_key,
                    appointment=appointment,
                    change=change,
                    business=None,
                    block=None,
                    limits=None,
                    plan=plan,
                )
                settling.append(self.in_progress.start(job, self._conclude(job, self._bench.settling.find_out)))
        for job in settling:
            await asyncio.wait({job.task})
            if job.has_crashed:
                await self._leave_unclear(job, "settling it crashed")

    def _job(self, request: ChangeRequest) -> ChangeJob:
        appointment, slot = request.appointment, request.slot
        change = Change(
            change_id=f"ch_{uuid4().hex}",
            appointment_id=appointment.appointment_id,
            kind=ChangeKind.MOVE if slot else ChangeKind.CANCEL,
            idempotency_key=request.idempotency_key,
            call_sid=request.call_sid,
            slot=slot,
            reason=request.reason,
        )
        resource = self._bench.calendar.resource(appointment.event_type_id)
        block = Block(resource, *keep_free(slot, request.business.rules)) if slot else None
        return ChangeJob(
            key=request.idempotency_key,
            appointment=appointment,
            change=change,
            block=block,
            limits=replace(limits_for(slot, request.business), most_per_caller=None) if slot else None,
            plan=request.plan,
            business=request.business,
        )

    async def _begin_and_conclude(self, job: ChangeJob) -> Appointment:
        try:
            job.change = await self._bench.store.begin_change(
                job.change, job.block, limits=job.limits, plan=job.plan, failed=self._failure_messages(job)
            )
        except SlotTaken:
            raise await self._taken(job) from None
        except NotChangeable as error:
            if job.change.kind is ChangeKind.CANCEL and error.status is AppointmentStatus.CANCELLED:
                await self._bench.take_back(self._failure_messages(job))
                job.change = replace(job.change, state=ChangeState.DONE)
                return replace(job.appointment, status=error.status)
            raise
        except SQLAlchemyError as error:
            raise CalendarUnavailable("the record could not be written, so nothing was changed") from error
        # What the caller was told of may be older: a booking that was pending then has a receipt by now.
        job.appointment = await self._as_recorded(job)
        if job.change.state is not ChangeState.PENDING:
            return job.appointment
        return await self._conclude(job, self._bench.settling.carry_out)

    async def _as_recorded(self, job: ChangeJob) -> Appointment:
        appointment = await self._bench.store.appointment(job.appointment.appointment_id)
        return appointment or job.appointment

    async def _conclude(self, job: ChangeJob, settle: Callable[[Move | Cancel], Awaitable[Booking]]) -> Appointment:
        """Make the change by way of `settle` and record what came of it."""
        try:
            booking = await settle(self._attempt(job))
        except SlotTaken:
            taken = await self._taken(job)
            await self._fail(job, "taken")
            raise taken from None
        except CalendarRejected as error:
            log.error("change_rejected", change_id=job.change.change_id, reason=str(error))
            await self._fail(job, "rejected")
            raise
        except CalendarUnavailable as error:
            if error.is_unclear:
                return await self._leave_unclear(job, "the calendar's answer was lost")
            await self._fail(job, "unavailable")
            raise
        self._bench.availability.forget(job.appointment.event_type_id)
        return await self._record(job, booking)

    def _attempt(self, job: ChangeJob) -> Move | Cancel:
        booking_uid = job.appointment.booking_uid
        if booking_uid is None:
            raise CalendarRejected(f"the calendar never gave {job.appointment.appointment_id} a receipt")
        kind = Move if job.change.kind is ChangeKind.MOVE else Cancel
        return kind(self._bench.calendar, self._bench.store, booking_uid, job.change)

    async def _record(self, job: ChangeJob, booking: Booking) -> Appointment:
        change_id, call_sid, store = job.change.change_id, job.change.call_sid, self._bench.store
        if job.change.kind is ChangeKind.MOVE:
            now = self._bench.clock()
            recorded = await store.record_move(
                change_id, booking, messages=lambda left: moved(job.plan, left, now=now, call_sid=call_sid)
            )
        else:
            recorded = await store.record_cancel(
                change_id, messages=lambda left: cancelled(job.plan, left, call_sid=call_sid)
            )
        job.change = replace(job.change, state=ChangeState.DONE)
        self._bench.on_text()
        log.info("appointment_changed", appointment_id=recorded.appointment_id, kind=job.change.kind.value)
        return recorded

    async def _leave_unclear(self, job: ChangeJob, reason: str) -> Appointment:
        change_id = job.change.change_id
        left = await self._bench.store.leave_unclear(
            change_id, reason=reason, messages=lambda left: change_unconfirmed(job.plan, left, change_id)
        )
        job.change = replace(job.change, state=ChangeState.UNCLEAR)
        self._bench.on_text()
        log.error("change_unclear", change_id=change_id, appointment_id=left.appointment_id, reason=reason)
        return left

    async def _fail(self, job: ChangeJob, reason: Failure) -> None:
        """Record that nothing was changed, with the text for whoever does not hear it."""
        change_id = job.change.change_id

        def messages(left: Appointment) -> Sequence[OutgoingMessage]:
            if reason == "taken":
                return self._failure_messages(job)
            why = f"Not {_DONE[job.change.kind]}, {WHY_NOT[reason]}"
            told = not_done(job.plan, left, of=change_id, headline=why, call_sid=job.change.call_sid)
            return (*self._failure_messages(job), *told)

        await self._bench.store.fail_change(change_id, reason=reason, messages=messages)
        self._bench.on_text()
        log.warning("change_failed", change_id=change_id, reason=reason)

    def _failure_messages(self, job: ChangeJob) -> Sequence[OutgoingMessage]:
        return change_failed(job.plan, job.appointment, job.change.change_id, may_be_heard=job.waiting > 0)

    async def _taken(self, job: ChangeJob) -> SlotTaken:
        event_type_id, slot = job.appointment.event_type_id, job.change.slot
        assert slot is not None
        self._bench.availability.forget(event_type_id)
        if job.business is None or not job.waiting:
            return SlotTaken(slot)
        alternatives = await self._bench.availability.alternatives(
            event_type_id, job.business, slot, except_of=(job.change.call_sid,), moving=job.appointment
        )
        return SlotTaken(slot, alternatives)
