"""A calendar that refuses nothing: whoever relies on it to keep bookings apart books twice."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING
from uuid import uuid4

from appointments.model import Booking, BookingStatus, BookingUid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from appointments.model import Attendee, EventType, EventTypeId, Slot


class OverlappingCalendar:
    """Has `slots` free for ever, and books each as often as it is asked to. Only what the bench uses works."""

    refuses_overlap = False

    def __init__(self, event_type: EventType, slots: Sequence[Slot]) -> None:
        self._event_type = event_type
        self._slots = slots
        self.bookings: list[Booking] = []

    def resource(self, event_type_id: EventTypeId) -> str:
        return event_type_id

    async def event_type(self, event_type_id: EventTypeId) -> EventType:
        return self._event_type

    async def free_slots(
        self, event_type_id: EventTypeId, *, start: datetime, end: datetime, moving: BookingUid | None = None
    ) -> Sequence[Slot]:
        await _answer()
        return [slot for slot in self._slots if start <= slot.start < end]

    async def book(
        self, event_type: EventType, slot: Slot, attendee: Attendee, *, notes: str, idempotency_key: str
    ) -> Booking:
        await _answer()
        booking = Booking(BookingUid(uuid4().hex), slot, BookingStatus.ACCEPTED, idempotency_key)
        self.bookings.append(booking)
        return booking

    async def hold(self, event_type_id: EventTypeId, slot: Slot, *, until: datetime) -> str:
        return ""

    async def release(self, reservation: str) -> None:
        pass


async def _answer() -> None:
    await asyncio.sleep(random.uniform(0.005, 0.05))  # noqa: S311 -- no secret: as long as a service takes
