"""What is asked of the calendar, each thing with the look that shows whether it has been done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appointments.model import BookingStatus

if TYPE_CHECKING:
    from appointments.model import Appointment, Booking, BookingUid, EventType, Slot
    from appointments.ports import Calendar
    from appointments.store.records import Change
    from appointments.store.store import Store

_LIVE = frozenset({BookingStatus.ACCEPTED, BookingStatus.PENDING})


@dataclass(frozen=True, slots=True)
class Book:
    """Book what an appointment has claimed."""

    calendar: Calendar
    store: Store
    event_type: EventType
    appointment: Appointment

    @property
    def name(self) -> str:
        return self.appointment.appointment_id

    @property
    def may_be_repeated(self) -> bool:
        return self.calendar.refuses_overlap

    async def make(self) -> Booking:
        appointment = self.appointment
        return await self.calendar.book(
            self.event_type,
            appointment.slot,
            appointment.attendee,
            notes=appointment.notes,
            idempotency_key=appointment.idempotency_key,
        )

    async def find(self) -> Booking | None:
        appointment = self.appointment
        return await self.calendar.find(
            appointment.event_type_id, appointment.slot, idempotency_key=appointment.idempotency_key
        )

    async def keep_working(self) -> None:
        await self.store.keep_working(self.appointment.appointment_id)


@dataclass(frozen=True, slots=True)
class _OfChange:
    calendar: Calendar
    store: Store
    booking_uid: BookingUid
    change: Change

    @property
    def name(self) -> str:
        return self.change.change_id

    @property
    def may_be_repeated(self) -> bool:
        return True

    async def keep_working(self) -> None:
        await self.store.keep_working_on_change(self.change.change_id)


@dataclass(frozen=True, slots=True)
class Move(_OfChange):
    """Move a booking. A calendar moves a uid once, or to where it is already: repeating is safe."""

    @property
    def slot(self) -> Slot:
        assert self.change.slot is not None
        return self.change.slot

    async def make(self) -> Booking:
        return await self.calendar.reschedule(self.booking_uid, self.slot, reason=self.change.reason)

    async def find(self) -> Booking | None:
        booking = await self.calendar.get(self.booking_uid)
        return booking if booking and booking.status in _LIVE and booking.slot == self.slot else None


@dataclass(frozen=True, slots=True)
class Cancel(_OfChange):
    """Cancel a booking. Cancelling twice is cancelling."""

    async def make(self) -> Booking:
        return await self.calendar.cancel(self.booking_uid, reason=self.change.reason)

    async def find(self) -> Booking | None:
        booking = await self.calendar.get(self.booking_uid)
        return None if booking and booking.status in _LIVE else booking
