"""Appointments from claim to outcome; overlapping live ones cannot be written."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from appointments.errors import SlotTaken
from appointments.model import (
    LIVE,
    Appointment,
    AppointmentId,
    AppointmentStatus,
    Attendee,
    BookingUid,
    CallSid,
    EventTypeId,
    PhoneNumber,
    Slot,
)
from appointments.store.database import Database
from appointments.store.outbox_records import add_texts
from appointments.store.records import NO_TEXTS, BookingTexts
from appointments.store.tables import appointments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Insert, Row, Update
    from sqlalchemy.ext.asyncio import AsyncConnection

    from appointments.model import Booking
    from appointments.store.records import OutgoingText


class AppointmentRecords(Database):
    """Claims slots and records what the calendar said; every change is one transaction."""

    async def claim(self, appointment: Appointment, *, texts: BookingTexts = NO_TEXTS) -> Appointment:
        """Keep the slot for `appointment`, as pending; return the row that has its key already, untouched, if any.

        A claim that is refused is kept as failed: the caller may have to be told of it later.

        Raises:
            SlotTaken: another live appointment of the event type overlaps.
        """
        same_key = appointments.c.idempotency_key == appointment.idempotency_key
        values = self._claim_values(appointment, texts)
        async with self._write() as connection:
            known = (await connection.execute(select(appointments).where(same_key))).first()
            if known is not None:
                return _appointment(known)
            is_free = await _try(connection, insert(appointments).values(values))
            if not is_free:
                refused = {"status": AppointmentStatus.FAILED, "reason": "taken"}
                await connection.execute(insert(appointments).values(values | refused))
        if not is_free:
            raise SlotTaken(appointment.slot)
        return replace(appointment, status=AppointmentStatus.PENDING)

    async def claim_again(self, appointment: Appointment, *, texts: BookingTexts = NO_TEXTS) -> Appointment:
        """Turn a failed row into a claim again, with the details of `appointment`, which has its id.

        Raises:
            SlotTaken: another live appointment of the event type overlaps.
        """
        failed = appointments.c.status == AppointmentStatus.FAILED
        mine = appointments.c.appointment_id == appointment.appointment_id
        values = self._claim_values(appointment, texts)
        async with self._write() as connection:
            if not await _try(connection, update(appointments).where(mine, failed).values(values)):
                raise SlotTaken(appointment.slot)
            return _appointment(await _one(connection, appointment.appointment_id))

    async def record(
        self, appointment_id: AppointmentId, booking: Booking, *, texts: Sequence[OutgoingText] = ()
    ) -> Appointment:
        """Record that the calendar has it, with its texts; nothing changes when that is recorded already."""
        return await self._change(
            appointment_id,
            texts,
            status=AppointmentStatus.ACTIVE,
            reason="",
            unless=(AppointmentStatus.ACTIVE,),
            **_receipt(booking),
        )

    async def fail(self, appointment_id: AppointmentId, *, reason: str) -> Appointment:
        """Give the slot free again; one that the calendar has stays."""
        unless = (AppointmentStatus.ACTIVE, AppointmentStatus.FAILED)
        return await self._change(appointment_id, (), status=AppointmentStatus.FAILED, reason=reason, unless=unless)

    async def leave_unconfirmed(
        self,
        appointment_id: AppointmentId,
        *,
        reason: str = "",
        booking: Booking | None = None,
        texts: Sequence[OutgoingText] = (),
    ) -> Appointment:
        """Keep the slot though nobody knows whether the calendar has it; `booking` when it awaits the host's word."""
        return await self._change(
            appointment_id,
            texts,
            status=AppointmentStatus.UNCONFIRMED,
            reason=reason,
            unless=(AppointmentStatus.ACTIVE, AppointmentStatus.UNCONFIRMED),
            **(_receipt(booking) if booking else {}),
        )

    async def add_texts(self, appointment_id: AppointmentId, texts: Sequence[OutgoingText]) -> None:
        """Add texts about an appointment to the outbox."""
        async with self._write() as connection:
            await add_texts(connection, appointment_id, texts, now=self._clock())

    async def appointment(self, appointment_id: AppointmentId) -> Appointment | None:
        """Return the appointment, None when it is unknown."""
        return next(iter(await self._select(appointments.c.appointment_id == appointment_id)), None)

    async def appointments(self, call_sid: CallSid | None = None) -> Sequence[Appointment]:
        """Return the appointments made in a call, or all of them, in the order they were claimed."""
        return await self._select() if call_sid is None else await self._select(appointments.c.call_sid == call_sid)

    async def live_slots(self, event_type_id: EventTypeId, *, start: datetime, end: datetime) -> Sequence[Slot]:
        """Return the slots of the live appointments that overlap [start, end)."""
        found = await self._select(
            appointments.c.event_type_id == event_type_id,
            appointments.c.status.in_(LIVE),
            appointments.c.starts_at < end,
            appointments.c.ends_at > start,
        )
        return [appointment.slot for appointment in found]

    async def unsettled(self, older_than: datetime) -> Sequence[Appointment]:
        """Return the pending ones that nobody has worked on since then."""
        return await self._select(*_abandoned(older_than))

    async def take_over(self, appointment_id: AppointmentId, *, older_than: datetime) -> BookingTexts | None:
        """Take an unsettled appointment, and its texts; None when somebody else works on it."""
        mine = (appointments.c.appointment_id == appointment_id, *_abandoned(older_than))
        async with self._write() as connection:
            row = (await connection.execute(select(appointments.c.texts).where(*mine))).first()
            if row is None:
                return None
            await connection.execute(update(appointments).where(*mine).values(worked_at=self._clock()))
        return BookingTexts(**row.texts)

    async def keep_working(self, appointment_id: AppointmentId) -> None:
        """Tell the other processes that somebody is at work on the appointment."""
        async with self._write() as connection:
            mine = appointments.c.appointment_id == appointment_id
            await connection.execute(update(appointments).where(mine).values(worked_at=self._clock()))

    def _claim_values(self, appointment: Appointment, texts: BookingTexts) -> dict[str, Any]:
        now = self._clock()
        receipt = {"booking_uid": None, "meeting_link": "", "location": "", "reason": ""}
        return _values(appointment) | receipt | {"texts": asdict(texts), "claimed_at": now, "worked_at": now}

    async def _select(self, *conditions: ColumnElement[bool]) -> Sequence[Appointment]:
        query = select(appointments).where(*conditions).order_by(appointments.c.claimed_at)
        async with self._read() as connection:
            return [_appointment(row) for row in await connection.execute(query)]

    async def _change(
        self,
        appointment_id: AppointmentId,
        texts: Sequence[OutgoingText],
        *,
        unless: Sequence[AppointmentStatus],
        **changes: Any,
    ) -> Appointment:
        async with self._write() as connection:
            row = await _one(connection, appointment_id)
            if row.status in unless:
                return _appointment(row)
            mine = appointments.c.appointment_id == appointment_id
            await connection.execute(update(appointments).where(mine).values(changes))
            await add_texts(connection, appointment_id, texts, now=self._clock())
            return _appointment(await _one(connection, appointment_id))


async def _try(connection: AsyncConnection, statement: Insert | Update) -> bool:
    """Execute `statement` unless a trigger refuses it for an overlap; the transaction goes on either way."""
    try:
        async with connection.begin_nested():
            await connection.execute(statement)
    except IntegrityError as error:
        if "no_overlap" not in str(error.orig):
            raise
        return False
    return True


def _abandoned(older_than: datetime) -> tuple[ColumnElement[bool], ...]:
    return appointments.c.status == AppointmentStatus.PENDING, appointments.c.worked_at <= older_than


async def _one(connection: AsyncConnection, appointment_id: AppointmentId) -> Row[Any]:
    query = select(appointments).where(appointments.c.appointment_id == appointment_id)
    return (await connection.execute(query)).one()


def _receipt(booking: Booking) -> dict[str, str]:
    return {"booking_uid": booking.uid, "meeting_link": booking.meeting_link, "location": booking.location}


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
        "notes": appointment.notes,
        "status": AppointmentStatus.PENDING,
        "idempotency_key": appointment.idempotency_key,
    }


def _appointment(row: Row[Any]) -> Appointment:
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
        ),
        notes=row.notes,
        status=AppointmentStatus(row.status),
        idempotency_key=row.idempotency_key,
        booking_uid=BookingUid(row.booking_uid) if row.booking_uid else None,
        meeting_link=row.meeting_link,
        location=row.location,
    )
