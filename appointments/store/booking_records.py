"""The bookings of the built-in calendar; two accepted ones never overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from appointments.errors import SlotTaken
from appointments.model import Booking, BookingStatus, BookingUid, Slot
from appointments.store.database import Database
from appointments.store.tables import bookings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Insert, Row, Update

    from appointments.model import Attendee, EventTypeId

_ACCEPTED = bookings.c.status == BookingStatus.ACCEPTED


class BookingRecords(Database):
    """Keeps one row a booking, also of those that were cancelled."""

    async def add_booking(
        self, booking: Booking, *, event_type_id: EventTypeId, attendee: Attendee, notes: str
    ) -> None:
        """Add an accepted booking; raises `SlotTaken` when another overlaps."""
        values = {
            "booking_uid": booking.uid,
            "event_type_id": event_type_id,
            "starts_at": booking.slot.start,
            "ends_at": booking.slot.end,
            "status": booking.status,
            "idempotency_key": booking.idempotency_key,
            "location": booking.location,
            "attendee_name": attendee.name,
            "attendee_zone": attendee.zone,
            "attendee_phone": attendee.phone,
            "attendee_email": attendee.email,
            "notes": notes,
            "reason": "",
            "created_at": self._clock(),
        }
        await self._execute(insert(bookings).values(values), booking.slot)

    async def move_booking(self, booking_uid: BookingUid, slot: Slot, *, reason: str) -> Booking | None:
        """Move an accepted booking and return it, None when there is none; raises `SlotTaken` as `add_booking` does."""
        mine = (bookings.c.booking_uid == booking_uid, _ACCEPTED)
        changes = {"starts_at": slot.start, "ends_at": slot.end, "reason": reason}
        return await self._execute(update(bookings).where(*mine).values(changes).returning(bookings), slot)

    async def cancel_booking(self, booking_uid: BookingUid, *, reason: str) -> Booking | None:
        """Cancel a booking and return it, None when there is none. One that is cancelled already keeps its reason."""
        mine = bookings.c.booking_uid == booking_uid
        changes = {"status": BookingStatus.CANCELLED, "reason": reason}
        async with self._write() as connection:
            await connection.execute(update(bookings).where(mine, _ACCEPTED).values(changes))
            row = (await connection.execute(select(bookings).where(mine))).first()
        return _booking(row) if row else None

    async def booking(self, booking_uid: BookingUid) -> Booking | None:
        """Return a booking, None when it is unknown."""
        return next(iter(await self._bookings(bookings.c.booking_uid == booking_uid)), None)

    async def booking_by_key(self, idempotency_key: str, slot: Slot) -> Booking | None:
        """Return the accepted booking at `slot` that was made with this key."""
        at = bookings.c.starts_at == slot.start
        return next(iter(await self._bookings(bookings.c.idempotency_key == idempotency_key, at, _ACCEPTED)), None)

    async def bookings(self, *, start: datetime, end: datetime) -> Sequence[Booking]:
        """Return the accepted bookings that overlap [start, end), earliest first."""
        return await self._bookings(_ACCEPTED, bookings.c.starts_at < end, bookings.c.ends_at > start)

    async def _bookings(self, *conditions: ColumnElement[bool]) -> Sequence[Booking]:
        query = select(bookings).where(*conditions).order_by(bookings.c.starts_at)
        async with self._read() as connection:
            return [_booking(row) for row in await connection.execute(query)]

    async def _execute(self, statement: Insert | Update, slot: Slot) -> Booking | None:
        try:
            async with self._write() as connection:
                await self._lock(connection, "bookings")
                result = await connection.execute(statement)
                row = result.first() if result.returns_rows else None
        except IntegrityError as error:
            if "no_overlap" not in str(error.orig):
                raise
            raise SlotTaken(slot) from None
        return _booking(row) if row else None


def _booking(row: Row[Any]) -> Booking:
    return Booking(
        uid=BookingUid(row.booking_uid),
        slot=Slot(row.starts_at, row.ends_at - row.starts_at),
        status=BookingStatus(row.status),
        idempotency_key=row.idempotency_key,
        location=row.location,
    )
