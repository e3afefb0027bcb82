"""A calendar that others change, as a dictionary, what it says of its bookings, and a record that follows it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from appointments.listed_bookings import Delivery, ListedBooking, News
from appointments.message_plan import plan_for
from appointments.model import BookingStatus, BookingUid
from appointments.outside import SYNC_EVERY
from appointments.service import BookingService
from tests.factories import (
    ACTION,
    ATTENDEE,
    CALLER,
    EVENT_TYPE,
    NOW,
    QUICK,
    STUDIO,
    ShakyCalendar,
    a_block,
    a_booking,
    a_slot,
    an_appointment,
)
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from appointments.model import Appointment
    from appointments.outside import OutsideChanges
    from appointments.store.store import Store

TEMPLATES = {
    "confirmation": "Booked for {date} at {time}. {link}",
    "requested": "Asked for {date} at {time}.",
    "unconfirmed": "We are still confirming {date} at {time}.",
    "failed": "{date} at {time} could not be booked.",
    "moved": "Now on {date} at {time}.",
    "cancelled": "{date} at {time} is cancelled.",
    "change_unconfirmed": "We are still changing {date} at {time}.",
    "change_failed": "{date} at {time} stands as it was.",
    "reminder_day": "Tomorrow at {time}: {link}",
    "reminder_hours": "Soon, at {time}: {link}",
    "follow_up": "Thank you.",
    "review": "How was it? {link}",
}

TEXTING = replace(STUDIO, actions=(replace(ACTION, sms_template=TEMPLATES["confirmation"]),))
"""A business whose bookings are confirmed by text."""


def a_listed_booking(uid: str = "bk_1", **changes: Any) -> ListedBooking:
    """Return what a calendar says of an accepted booking that somebody made there."""
    booking = ListedBooking(
        uid=BookingUid(uid),
        event_type_id=EVENT_TYPE.id,
        slot=a_slot(),
        status=BookingStatus.ACCEPTED,
        attendee=ATTENDEE,
        meeting_link="https://meet.test/1",
        updated_at=NOW,
    )
    return replace(booking, **changes)


@dataclass
class ListOfBookings:
    """A `BookingSource` whose bookings a test puts there; `down` is raised instead of an answer."""

    bookings: dict[str, ListedBooking] = field(default_factory=dict)
    down: Exception | None = None
    asked: list[str] = field(default_factory=list)
    _now: datetime = NOW

    def put(self, *bookings: ListedBooking) -> None:
        """Have bookings as they are from now on, each changed a second after the other."""
        for booking in bookings:
            self._now += timedelta(seconds=1)
            self.bookings[booking.uid] = replace(booking, updated_at=self._now)

    def move(self, uid: str, to: str, **changes: Any) -> None:
        """Move a booking, so that another takes its place."""
        old = self.bookings[uid]
        self.put(replace(old, uid=BookingUid(to), moved_from=uid, **changes))
        self.put(replace(old, status=BookingStatus.CANCELLED, moved_to=to))

    async def listed(self, booking_uid: BookingUid) -> ListedBooking | None:
        self.asked.append(booking_uid)
        if self.down:
            raise self.down
        return self.bookings.get(booking_uid)

    async def changed_since(self, moment: datetime | None, *, starting_after: datetime) -> AsyncIterator[ListedBooking]:
        self.asked.append("list")
        if self.down:
            raise self.down
        for booking in sorted(self.bookings.values(), key=lambda each: each.updated_at or NOW):
            if booking.slot.start > starting_after if moment is None else (booking.updated_at or NOW) >= moment:
                yield booking


@dataclass(frozen=True, slots=True)
class Desk:
    business: Any = TEXTING
    texts: Any = None


class Watched:
    """A record, a calendar that others change, and what brings the one to the other. Time passes when told to."""

    def __init__(self, store: Store, moment: list[datetime], **settings: Any) -> None:
        self.store = store
        self.source = ListOfBookings()
        self._moment = moment
        self._count = 0
        service = BookingService(calendar=ShakyCalendar(), store=store, clock=lambda: moment[0], settle=QUICK)
        self.outside: OutsideChanges = service.outside(
            self.source, calendar="calcom", desk=lambda: Desk(texts=TEMPLATES), **settings
        )

    def passes(self, time: timedelta) -> None:
        self._moment[0] += time

    async def hears(self, uid: str = "bk_1", news: News = News.CHANGED, delivery_id: str = "") -> bool:
        """Have a delivery come; each is another one unless it has an id."""
        self._count += 1
        return await self.store.add_delivery(Delivery(delivery_id or f"d{self._count}", news, BookingUid(uid)))

    async def works(self) -> None:
        while await self.outside.work_through():
            pass

    async def reconciles(self) -> None:
        """Have the next turn come and take it."""
        await self.outside.reconcile()
        self.passes(SYNC_EVERY)
        assert await self.outside.reconcile()

    async def only(self) -> Appointment:
        (appointment,) = await self.store.appointments()
        return appointment

    async def sent(self) -> list[str]:
        """Return the kinds of what is to be sent, reminders left out, in the order of the alphabet."""
        rows = [row for row in await self.store.messages() if row.state == "pending"]
        return sorted(row.kind.value for row in rows if not row.kind.startswith("reminder"))

    async def booked_by_phone(self) -> Appointment:
        """Book `bk_1` in a call, at our own record and at the calendar."""
        appointment = an_appointment()
        plan = plan_for(TEXTING, TEXTING.actions[0], TEMPLATES, phone=CALLER)
        await self.store.claim(appointment, a_block(appointment), plan=plan)
        recorded = await self.store.record(appointment.appointment_id, a_booking())
        self.source.put(a_listed_booking(idempotency_key=appointment.idempotency_key))
        return recorded


@asynccontextmanager
async def watching(database_url: str) -> AsyncIterator[Watched]:
    moment = [NOW]
    async with opened_store(database_url, clock=lambda: moment[0]) as store:
        yield Watched(store, moment)
