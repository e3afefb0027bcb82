"""A Calendar in memory, for tests: free slots as given, bookings that refuse to overlap."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from appointments.errors import CalendarRejected, SlotTaken
from appointments.model import Booking, BookingStatus, BookingUid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from appointments.model import Attendee, BookingUid, EventType, EventTypeId, Slot


class MemoryCalendar:
    """Keeps one event type's `free` slots and the bookings made of them."""

    refuses_overlap = True

    def __init__(self, event_type: EventType, free: Iterable[Slot]) -> None:
        self._event_type = event_type
        self._free = sorted(free)
        self.bookings: list[Booking] = []

    def resource(self, event_type_id: EventTypeId) -> str:
        return event_type_id

    async def event_type(self, event_type_id: EventTypeId) -> EventType:
        if event_type_id != self._event_type.id:
            raise CalendarRejected(f"there is no event type {event_type_id}: this calendar has {self._event_type.id}")
        return self._event_type

    async def free_slots(
        self, event_type_id: EventTypeId, *, start: datetime, end: datetime, moving: BookingUid | None = None
    ) -> Sequence[Slot]:
        await self.event_type(event_type_id)
        moved = await self.get(moving) if moving else None
        within = (slot for slot in self._free if start <= slot.start < end)
        return [slot for slot in within if not self._is_booked(slot, except_by=moved)]

    async def book(
        self, event_type: EventType, slot: Slot, attendee: Attendee, *, notes: str, idempotency_key: str
    ) -> Booking:
        await self.event_type(event_type.id)
        if slot not in self._free or self._is_booked(slot):
            raise SlotTaken(slot)
        booking = Booking(BookingUid(uuid4().hex), slot, BookingStatus.ACCEPTED, idempotency_key)
        self.bookings.append(booking)
        return booking

    async def find(self, event_type_id: EventTypeId, slot: Slot, *, idempotency_key: str) -> Booking | None:
        if event_type_id != self._event_type.id:
            return None
        for booking in self.bookings:
            is_ours = booking.idempotency_key == idempotency_key and booking.status is BookingStatus.ACCEPTED
            if is_ours and booking.slot == slot:
                return booking
        return None

    async def get(self, booking_uid: BookingUid) -> Booking | None:
        return next((booking for booking in self.bookings if booking.uid == booking_uid), None)

    async def reschedule(self, booking_uid: BookingUid, slot: Slot, *, reason: str) -> Booking:
        old = self._live(booking_uid)
        if slot not in self._free or self._is_booked(slot, except_by=old):
            raise SlotTaken(slot)
        return self._replace(old, replace(old, slot=slot))

    async def cancel(self, booking_uid: BookingUid, *, reason: str) -> Booking:
        booking = await self.get(booking_uid)
        if booking is None:
            raise CalendarRejected(f"there is no booking {booking_uid}")
        return self._replace(booking, replace(booking, status=BookingStatus.CANCELLED))

    async def hold(self, event_type_id: EventTypeId, slot: Slot, *, until: datetime) -> str:
        return ""

    async def release(self, reservation: str) -> None:
        pass

    def _live(self, booking_uid: BookingUid) -> Booking:
        for booking in self.bookings:
            if booking.uid == booking_uid and booking.status is BookingStatus.ACCEPTED:
                return booking
        raise CalendarRejected(f"there is no live booking {booking_uid}")

    def _replace(self, old: Booking, new: Booking) -> Booking:
        self.bookings[self.bookings.index(old)] = new
        return new

    def _is_booked(self, slot: Slot, *, except_by: Booking | None = None) -> bool:
        return any(
            booking.slot.overlaps(slot)
            for booking in self.bookings
            if booking.status is BookingStatus.ACCEPTED and booking is not except_by
        )
