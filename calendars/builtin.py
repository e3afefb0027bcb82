"""The built-in calendar: free is what the business's rules leave open and nobody has booked. Needs no account."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy.exc import SQLAlchemyError

from appointments.booking_fields import BookingField
from appointments.errors import CalendarRejected, CalendarUnavailable, SlotTaken
from appointments.model import Booking, BookingStatus, BookingUid, EventType
from appointments.rules import open_slots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, timedelta

    from appointments.model import Action, Attendee, Business, EventTypeId, Slot
    from appointments.store.store import Store


class BuiltinCalendar:
    """Bookings in our own database. All event types share one calendar: nobody can be in two places.

    Args:
        business: Returns the business as it is now; its file may be edited while we run.
    """

    refuses_overlap = True

    def __init__(self, store: Store, business: Callable[[], Business]) -> None:
        self._store = store
        self._business = business

    def resource(self, event_type_id: EventTypeId) -> str:
        return "builtin"

    async def event_type(self, event_type_id: EventTypeId) -> EventType:
        return event_type_of(self._action(event_type_id))

    async def free_slots(
        self, event_type_id: EventTypeId, *, start: datetime, end: datetime, moving: BookingUid | None = None
    ) -> Sequence[Slot]:
        duration = self._action(event_type_id).duration
        slots = list(open_slots(self._business(), duration, start=start, end=end))
        if not slots:
            return []
        with _database():
            booked = await self._store.bookings(start=start, end=slots[-1].end)
        others = [booking.slot for booking in booked if booking.uid != moving]
        return [slot for slot in slots if not any(slot.overlaps(other) for other in others)]

    async def book(
        self, event_type: EventType, slot: Slot, attendee: Attendee, *, notes: str, idempotency_key: str
    ) -> Booking:
        action = self._action(event_type.id)
        self._check_open(slot, action.duration)
        booking = Booking(
            BookingUid(f"bk_{uuid4().hex}"), slot, BookingStatus.ACCEPTED, idempotency_key, location=action.address
        )
        with _database(changes=True):
            await self._store.add_booking(booking, event_type_id=event_type.id, attendee=attendee, notes=notes)
        return booking

    async def find(self, event_type_id: EventTypeId, slot: Slot, *, idempotency_key: str) -> Booking | None:
        with _database():
            return await self._store.booking_by_key(idempotency_key, slot)

    async def get(self, booking_uid: BookingUid) -> Booking | None:
        with _database():
            return await self._store.booking(booking_uid)

    async def reschedule(self, booking_uid: BookingUid, slot: Slot, *, reason: str) -> Booking:
        self._check_open(slot, slot.duration)
        with _database(changes=True):
            moved = await self._store.move_booking(booking_uid, slot, reason=reason)
        if moved is None:
            raise CalendarRejected(f"there is no live booking {booking_uid}")
        return moved

    async def cancel(self, booking_uid: BookingUid, *, reason: str) -> Booking:
        with _database(changes=True):
            cancelled = await self._store.cancel_booking(booking_uid, reason=reason)
        if cancelled is None:
            raise CalendarRejected(f"there is no booking {booking_uid}")
        return cancelled

    async def hold(self, event_type_id: EventTypeId, slot: Slot, *, until: datetime) -> str:
        return ""

    async def release(self, reservation: str) -> None:
        pass

    def _action(self, event_type_id: EventTypeId) -> Action:
        for action in self._business().actions:
            if action.event_type_id == event_type_id:
                return action
        raise CalendarRejected(f"the business file has no action whose event type is {event_type_id}")

    def _check_open(self, slot: Slot, duration: timedelta) -> None:
        if slot not in open_slots(self._business(), duration, start=slot.start, end=slot.end):
            raise SlotTaken(slot)


def event_type_of(action: Action) -> EventType:
    """Return what `action` books here; there is nobody who knows more of it than the business file."""
    asks = tuple(BookingField(slug, words, is_required=True) for slug, words in action.questions.items())
    return EventType(action.event_type_id, action.title, action.duration, fields=asks)


@contextmanager
def _database(*, changes: bool = False) -> Iterator[None]:
    """Tell of a database that fails as of any calendar that does; `changes` may have been made all the same."""
    try:
        yield
    except SQLAlchemyError as error:
        raise CalendarUnavailable(f"the database failed ({type(error).__name__})", is_unclear=changes) from error
