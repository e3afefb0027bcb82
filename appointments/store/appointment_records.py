"""Appointments from claim to outcome; overlapping live ones cannot be written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, or_, select, update

from appointments.errors import RuleViolation, SlotTaken
from appointments.message_plan import NO_MESSAGES, MessagePlan, plan_from
from appointments.model import (
    LIVE,
    Appointment,
    AppointmentId,
    AppointmentStatus,
    Attendee,
    BookingStatus,
    BookingUid,
    CallSid,
    EventTypeId,
    PhoneNumber,
    Rule,
    Slot,
)
from appointments.states import TRANSITIONS, may_become
from appointments.store.claim_records import ClaimRecords, claim_values, holds_in
from appointments.store.history_records import HistoryRecords, add_entry
from appointments.store.outbox_records import add_messages, supersede
from appointments.store.records import Block, Compose, Limits, nothing
from appointments.store.tables import appointments, slot_claims

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from appointments.model import Booking
    from appointments.store.records import OutgoingMessage


_LATEST = 20
_BEFORE_COMPLETED = [status for status, after in TRANSITIONS.items() if AppointmentStatus.COMPLETED in after]


class AppointmentRecords(ClaimRecords, HistoryRecords):
    """Claims slots and records what the calendar said; every change is one transaction."""

    async def claim(
        self,
        appointment: Appointment,
        block: Block,
        *,
        limits: Limits | None = None,
        plan: MessagePlan = NO_MESSAGES,
        failed: Sequence[OutgoingMessage] = (),
    ) -> Appointment:
        """Keep `block` for `appointment`, as pending; return the row that has its key already, untouched, if any.

        What the call holds there is taken over. A claim that is refused is kept as failed, with the messages that tell
        of it.

        Raises:
            SlotTaken: another appointment or another call's hold overlaps.
            RuleViolation: the day, or the caller, has as many appointments as `limits` allow.
        """
        same_key = appointments.c.idempotency_key == appointment.idempotency_key
        async with self._write() as connection:
            await self._lock(connection, block.resource)
            known = (await connection.execute(select(appointments).where(same_key))).first()
            if known is not None:
                return to_appointment(known)
            refusal = await self._refusal(connection, appointment, block, limits)
            refused = {"status": AppointmentStatus.FAILED, "reason": _why(refusal)} if refusal else {}
            # Its age counts from now, however long the database was waited for.
            values = self._claim_values(appointment, plan) | refused
            await connection.execute(insert(appointments).values(values))
            await add_messages(connection, appointment.appointment_id, failed if refusal else (), now=self._clock())
        if refusal:
            raise refusal
        return replace(appointment, status=AppointmentStatus.PENDING)

    async def claim_again(
        self,
        appointment: Appointment,
        block: Block,
        *,
        limits: Limits | None = None,
        plan: MessagePlan = NO_MESSAGES,
        failed: Sequence[OutgoingMessage] = (),
    ) -> Appointment:
        """Turn a failed row into a claim again, with the details of `appointment`, which has its id.

        Raises:
            SlotTaken, RuleViolation: as from `claim`.
        """
        has_failed = appointments.c.status == AppointmentStatus.FAILED
        mine = appointments.c.appointment_id == appointment.appointment_id
        async with self._write() as connection:
            await self._lock(connection, block.resource)
            refusal = await self._refusal(connection, appointment, block, limits)
            if refusal is None:
                values = self._claim_values(appointment, plan)
                await connection.execute(update(appointments).where(mine, has_failed).values(values))
                return to_appointment(await one_row(connection, appointment.appointment_id))
            await add_messages(connection, appointment.appointment_id, failed, now=self._clock())
        raise refusal

    async def record(
        self, appointment_id: AppointmentId, booking: Booking, *, messages: Compose = nothing
    ) -> Appointment:
        """Record that the calendar has it, with what is sent about it; nothing changes when it is recorded already."""
        is_requested = booking.status is BookingStatus.PENDING
        status = AppointmentStatus.REQUESTED if is_requested else AppointmentStatus.ACTIVE
        # It is as long as the calendar says: the event type may have changed since it was offered.
        ends_at = booking.slot.end
        return await self._become(appointment_id, status, messages, **receipt(booking), ends_at=ends_at)

    async def fail(self, appointment_id: AppointmentId, *, reason: str, messages: Compose = nothing) -> Appointment:
        """Give the slot free again, with the messages that tell of it; one that the calendar has stays."""
        return await self._become(appointment_id, AppointmentStatus.FAILED, messages, reason=reason)

    async def leave_unconfirmed(
        self, appointment_id: AppointmentId, *, reason: str = "", messages: Compose = nothing
    ) -> Appointment:
        """Keep the slot though nobody knows whether the calendar has it."""
        return await self._become(appointment_id, AppointmentStatus.UNCONFIRMED, messages, reason=reason)

    async def confirm(self, appointment_id: AppointmentId, *, call_sid: CallSid) -> Appointment:
        """Record that the caller will come; the first word counts."""
        async with self._write() as connection:
            row = await one_row(connection, appointment_id)
            if row.confirmed_at is None:
                now = self._clock()
                await self._update(connection, appointment_id, confirmed_at=now)
                await add_entry(connection, appointment_id, "confirmed", at=now, call_sid=call_sid)
            return to_appointment(await one_row(connection, appointment_id))

    async def complete_past(
        self,
        now: datetime,
        messages: Callable[[MessagePlan, Appointment], Sequence[OutgoingMessage]] = lambda _plan, _appointment: (),
    ) -> int:
        """Complete the appointments whose end has passed, with the messages that follow, and give up their claims.

        Returns how many there were.
        """
        past = (appointments.c.status.in_(_BEFORE_COMPLETED), appointments.c.ends_at <= now)
        done = update(appointments).where(*past).values(status=AppointmentStatus.COMPLETED)
        async with self._write() as connection:
            completed = (await connection.execute(done.returning(*appointments.c))).all()
            for row in completed:
                appointment = to_appointment(row)
                await add_entry(connection, appointment.appointment_id, AppointmentStatus.COMPLETED, at=self._clock())
                follows = messages(plan_from(row.plan), appointment)
                await add_messages(connection, appointment.appointment_id, follows, now=self._clock())
            owners = [row.appointment_id for row in completed]
            await connection.execute(delete(slot_claims).where(slot_claims.c.owner.in_(owners)))
        return len(completed)

    async def plan_of(self, appointment_id: AppointmentId) -> MessagePlan | None:
        """Return what is to be sent about an appointment over its life, None when it is unknown."""
        query = select(appointments.c.plan).where(appointments.c.appointment_id == appointment_id)
        async with self._read() as connection:
            row = (await connection.execute(query)).first()
        return plan_from(row.plan) if row else None

    async def appointment(self, appointment_id: AppointmentId) -> Appointment | None:
        """Return the appointment, None when it is unknown."""
        return next(iter(await self._select(appointments.c.appointment_id == appointment_id)), None)

    async def appointments(self, call_sid: CallSid | None = None) -> Sequence[Appointment]:
        """Return the appointments made in a call, or all of them, in the order they were claimed."""
        return await self._select() if call_sid is None else await self._select(appointments.c.call_sid == call_sid)

    async def upcoming(self, phone: PhoneNumber, now: datetime) -> Sequence[Appointment]:
        """Return the live appointments of a number that have not ended, earliest first."""
        found = await self._select(
            appointments.c.attendee_phone == phone, appointments.c.status.in_(LIVE), appointments.c.ends_at > now
        )
        return sorted(found, key=lambda appointment: appointment.slot)

    async def emails(self, phone: PhoneNumber) -> Sequence[str]:
        """Return the e-mail addresses of a number's latest appointments, the latest first."""
        theirs = (appointments.c.attendee_phone == phone, appointments.c.attendee_email.is_not(None))
        query = select(appointments.c.attendee_email).where(*theirs).order_by(appointments.c.claimed_at.desc())
        async with self._read() as connection:
            return list((await connection.execute(query.limit(_LATEST))).scalars())

    async def starts(self, start: datetime, end: datetime) -> Sequence[datetime]:
        """Return when the appointments of [start, end) begin that count for their day: the live and the past ones."""
        query = select(appointments.c.starts_at).where(_counts_in(start, end))
        async with self._read() as connection:
            return list((await connection.execute(query)).scalars())

    async def unsettled(self, older_than: datetime) -> Sequence[Appointment]:
        """Return the pending ones that nobody has worked on since then."""
        return await self._select(*_abandoned(older_than))

    async def take_over(self, appointment_id: AppointmentId, *, older_than: datetime) -> MessagePlan | None:
        """Take an unsettled appointment, and its plan; None when somebody else works on it."""
        mine = (appointments.c.appointment_id == appointment_id, *_abandoned(older_than))
        taking = update(appointments).where(*mine).values(worked_at=self._clock()).returning(appointments.c.plan)
        async with self._write() as connection:
            row = (await connection.execute(taking)).first()
        return plan_from(row.plan) if row else None

    async def keep_working(self, appointment_id: AppointmentId) -> None:
        """Tell the other processes that somebody is at work on the appointment."""
        async with self._write() as connection:
            mine = appointments.c.appointment_id == appointment_id
            await connection.execute(update(appointments).where(mine).values(worked_at=self._clock()))

    async def _refusal(
        self, connection: AsyncConnection, appointment: Appointment, block: Block, limits: Limits | None
    ) -> SlotTaken | RuleViolation | None:
        """Keep `block` for `appointment`, or return why it cannot be kept."""
        if limits and (rule := await self._reached(connection, appointment, limits)):
            return RuleViolation(appointment.slot, rule)
        claim = claim_values(appointment.appointment_id, appointment.event_type_id, appointment.slot, block)
        is_kept = await self._claim(connection, claim, instead_of=holds_in(appointment.call_sid, block))
        return None if is_kept else SlotTaken(appointment.slot)

    async def _reached(self, connection: AsyncConnection, appointment: Appointment, limits: Limits) -> Rule | None:
        """Return the limit that leaves no room for `appointment` beside all others."""
        # Counting is no row that another transaction could run into: claims of all resources queue up here.
        await self._lock(connection, "limits")

        async def others(*conditions: ColumnElement[bool]) -> int:
            not_itself = appointments.c.appointment_id != appointment.appointment_id
            query = select(func.count()).select_from(appointments).where(not_itself, *conditions)
            return (await connection.execute(query)).scalar_one()

        if limits.most_a_day is not None and await others(_counts_in(*limits.day)) >= limits.most_a_day:
            return Rule.DAY_FULL
        phone = appointment.attendee.phone
        # Who withholds their number is known by the call.
        theirs = appointments.c.attendee_phone == phone if phone else appointments.c.call_sid == appointment.call_sid
        most = limits.most_per_caller
        if most is not None and await others(theirs, appointments.c.status.in_(LIVE)) >= most:
            return Rule.CALLER_FULL
        return None

    def _claim_values(self, appointment: Appointment, plan: MessagePlan) -> dict[str, Any]:
        now = self._clock()
        receipt = {"booking_uid": None, "meeting_link": "", "location": "", "host_name": "", "reason": ""}
        return _values(appointment) | receipt | {"plan": plan.to_json(), "claimed_at": now, "worked_at": now}

    async def _select(self, *conditions: ColumnElement[bool]) -> Sequence[Appointment]:
        query = select(appointments).where(*conditions).order_by(appointments.c.claimed_at)
        async with self._read() as connection:
            return [to_appointment(row) for row in await connection.execute(query)]

    async def _become(
        self, appointment_id: AppointmentId, status: AppointmentStatus, messages: Compose, **values: Any
    ) -> Appointment:
        """Change the status, or nothing where it may not follow the one there is."""
        async with self._write() as connection:
            row = await one_row(connection, appointment_id)
            if not may_become(AppointmentStatus(row.status), status):
                return to_appointment(row)
            now = self._clock()
            changed = await self._update(connection, appointment_id, **{"status": status, "reason": "", **values})
            if status not in LIVE:
                await connection.execute(delete(slot_claims).where(slot_claims.c.owner == appointment_id))
            await add_entry(
                connection, appointment_id, status, at=now, starts_at=row.starts_at, reason=values.get("reason", "")
            )
            await supersede(connection, appointment_id)
            await add_messages(connection, appointment_id, messages(changed), now=now)
            return changed

    async def _update(self, connection: AsyncConnection, appointment_id: AppointmentId, **values: Any) -> Appointment:
        mine = appointments.c.appointment_id == appointment_id
        changing = update(appointments).where(mine).values(values).returning(*appointments.c)
        return to_appointment((await connection.execute(changing)).one())


def _counts_in(start: datetime, end: datetime) -> ColumnElement[bool]:
    """The appointments of [start, end), and those that are being moved there."""
    moved_there = select(slot_claims.c.owner).where(
        slot_claims.c.expires_at.is_(None), slot_claims.c.starts_at >= start, slot_claims.c.starts_at < end
    )
    return or_(
        appointments.c.status.in_([*LIVE, AppointmentStatus.COMPLETED])
        & (appointments.c.starts_at >= start)
        & (appointments.c.starts_at < end),
        appointments.c.appointment_id.in_(moved_there),
    )


def _why(refusal: SlotTaken | RuleViolation) -> str:
    return refusal.rule.value if isinstance(refusal, RuleViolation) else "taken"


def _abandoned(older_than: datetime) -> tuple[ColumnElement[bool], ...]:
    return appointments.c.status == AppointmentStatus.PENDING, appointments.c.worked_at <= older_than


async def one_row(connection: AsyncConnection, appointment_id: AppointmentId) -> Row[Any]:
    """Return the row, which nobody else changes until the transaction ends."""
    query = select(appointments).where(appointments.c.appointment_id == appointment_id).with_for_update()
    return (await connection.execute(query)).one()


def receipt(booking: Booking) -> dict[str, str]:
    """Return what is kept of the calendar's receipt."""
    return {
        "booking_uid": booking.uid,
        "meeting_link": booking.meeting_link,
        "location": booking.location,
        "host_name": booking.host_name,
    }


def _values(appointment: Appointment) -> dict[str, Any]:
    attendee = appointment.attendee
    return {
        "appointment_id": appointment.appointment_id,
        "call_sid": appointment.call_sid,
        "event_type_id": appointment.event_type_id,
        "title": appointment.title,
        "starts_at": appointment.slot.start,
        "ends_at": appointment.slot.end,
        "zone": appointment.zone,
        "attendee_name": attendee.name,
        "attendee_zone": attendee.zone,
        "attendee_phone": attendee.phone,
        "attendee_email": attendee.email,
        "attendee_answers": dict(attendee.answers),
        "notes": appointment.notes,
        "status": AppointmentStatus.PENDING,
        "idempotency_key": appointment.idempotency_key,
    }


def to_appointment(row: Row[Any]) -> Appointment:
    """Return the appointment in a row."""
    answers: dict[str, Any] = row.attendee_answers
    return Appointment(
        appointment_id=AppointmentId(row.appointment_id),
        call_sid=CallSid(row.call_sid),
        event_type_id=EventTypeId(row.event_type_id),
        title=row.title,
        slot=Slot(row.starts_at, row.ends_at - row.starts_at),
        zone=row.zone,
        attendee=Attendee(
            name=row.attendee_name,
            zone=row.attendee_zone,
            phone=PhoneNumber(row.attendee_phone) if row.attendee_phone else None,
            email=row.attendee_email,
            answers={slug: tuple(said) if isinstance(said, list) else said for slug, said in answers.items()},
        ),
        notes=row.notes,
        status=AppointmentStatus(row.status),
        idempotency_key=row.idempotency_key,
        booking_uid=BookingUid(row.booking_uid) if row.booking_uid else None,
        meeting_link=row.meeting_link,
        location=row.location,
        confirmed_at=row.confirmed_at,
        version=row.version,
        host_name=row.host_name,
    )
