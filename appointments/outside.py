"""What others do at the calendar: bookings that are made, accepted, moved and cancelled there reach the record."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import structlog

from appointments.errors import CalendarRejected, CalendarUnavailable, NotChangeable
from appointments.listed_bookings import CALLED_OFF, News
from appointments.model import BookingStatus, BookingUid
from appointments.outside_verdict import Outlook, verdict
from appointments.rules import keep_free
from appointments.store.records import Block

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from appointments.listed_bookings import BookingSource, Delivery, ListedBooking
    from appointments.model import Business
    from appointments.store.outside_records import LeasedDelivery, OutsideChange
    from appointments.workbench import Workbench

log = structlog.get_logger(__name__)

SYNC_EVERY = timedelta(minutes=5)
OVERLAP = timedelta(minutes=2)
"""So much of what was read is read again: what is stored last may bear an earlier time than what was read before."""
CLOCKS_DIFFER = timedelta(days=1)
"""More than the calendar's clock and ours can be apart, taken off ours where the calendar has shown none."""
BATCH = 200
FEW = 8
"""More bookings than these are looked up in one list: calendars limit how often they are asked."""
MOST_ASKED = 60
"""So often a minute a calendar is asked because of deliveries: what Cal.com allows beyond it is for calls."""
MINUTE_SECS = 60.0
MOST_CHANGES = 4
"""In so many ways at most a booking has changed at once: it was accepted, moved, ended and not come to."""
MOST_MOVES = 20
"""So many times a booking's trail is followed from one uid to the next."""
LEASE = timedelta(minutes=2)
"""Longer than a batch takes while the calendar answers."""
BUSY_WAIT, LONGEST_BUSY_WAIT = timedelta(seconds=1), timedelta(seconds=5)
"""How soon a booking is looked at again that one of our own calls is changing."""
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=5)
MOST_ATTEMPTS = 30
REMEMBERED_FOR = timedelta(days=30)
"""A delivery that comes again within this time is known for the same."""


class FrontDesk(Protocol):
    """What the business's files say now."""

    @property
    def business(self) -> Business: ...

    @property
    def texts(self) -> Mapping[str, str]:
        """The shipped templates, by their names."""
        ...


class OutsideChanges:
    """Brings the record to what one calendar says, by its deliveries and by asking what has changed.

    Args:
        calendar: Its name in the record.
        calendar_texts: Whether the calendar itself texts attendees about what happens there.
    """

    def __init__(
        self,
        workbench: Workbench,
        source: BookingSource,
        *,
        calendar: str,
        desk: Callable[[], FrontDesk],
        calendar_texts: bool = False,
        sync_every: timedelta = SYNC_EVERY,
    ) -> None:
        self._bench = workbench
        self._store = workbench.store
        self._source = source
        self._calendar = calendar
        self._clock = workbench.clock
        self._desk = desk
        self._calendar_texts = calendar_texts
        self._sync_every = sync_every
        self._asked: deque[float] = deque()
        """When the calendar was asked in the last minute."""

    async def work_through(self) -> bool:
        """Work through the deliveries that are due; False when none is, or the calendar was asked too often."""
        asked = self._asked_lately()
        if asked >= MOST_ASKED:
            return False
        leased = await self._store.lease_deliveries(lease=LEASE, at_most=BATCH)
        by_uid: dict[BookingUid, list[LeasedDelivery]] = {}
        for each in leased:
            by_uid.setdefault(each.delivery.booking_uid, []).append(each)
        is_much = len(by_uid) > FEW or (bool(by_uid) and asked > MOST_ASKED / 2)
        seen = await self._read_together(by_uid) if is_much else {}
        while by_uid:
            booking_uid = next(iter(by_uid))
            may_ask = booking_uid in seen or self._asked_lately() < MOST_ASKED
            if not may_ask or not await self._work(booking_uid, by_uid.pop(booking_uid), seen):
                rest = [each.delivery for deliveries in by_uid.values() for each in deliveries]
                await self._store.put_back_deliveries(rest, wait=SHORTEST_WAIT, were_tried=False)
                break
        return bool(leased)

    async def reconcile(self) -> bool:
        """Ask what has changed since the last time and apply it; False when it is not time yet, or another's turn.

        Raises:
            CalendarUnavailable, CalendarRejected: the rest is read the next time.
        """
        sync = await self._store.begin_sync(self._calendar, every=self._sync_every)
        if sync is None:
            return False
        await self._store.forget_deliveries(older_than=REMEMBERED_FOR)
        now = self._clock()
        seen: dict[str, ListedBooking] = {}
        reached, is_held_back, is_whole = sync.reached, False, False
        try:
            since = sync.reached - OVERLAP if sync.reached else None
            async for booking in self._source.changed_since(since, starting_after=now):
                seen[booking.uid] = booking
                is_held_back = not await self._reconciled(booking, seen, is_old=since is None) or is_held_back
                # By the calendar's clock, whatever ours says.
                if booking.updated_at and not is_held_back:
                    reached = max(booking.updated_at, reached or booking.updated_at)
            if reached is None and not is_held_back:
                reached = now - CLOCKS_DIFFER
            is_whole = True
        finally:
            # What is left of the first look would be taken for news the next time.
            if reached and reached != sync.reached and (is_whole or sync.reached):
                await self._store.reach(self._calendar, reached)
        return True

    async def apply(
        self, booking: ListedBooking, seen: Mapping[str, ListedBooking] | None = None, *, is_old: bool = False
    ) -> OutsideChange | None:
        """Bring the record to what `booking` says, and return what was changed, or first where it was several things.

        Args:
            seen: Bookings that were read just now, by their uids.
            is_old: Whether it was made before anybody watched: then its making is told to nobody.

        Raises:
            NotChangeable: a call of ours is changing it; what comes of that is to be seen first.
            CalendarUnavailable, CalendarRejected: it was moved, and what became of it could not be read.
        """
        trail, booking = await self._follow(booking, seen or {})
        news = await self._store.news_of(booking.uid)
        if news & CALLED_OFF:
            # Cal.com delivers a cancellation, and waits for our answer, before it stores it.
            booking = replace(booking, status=BookingStatus.CANCELLED)
        desk = self._desk()
        outlook = Outlook(
            business=desk.business,
            texts=desk.texts,
            now=self._clock(),
            calendar_texts=self._calendar_texts,
            is_old=is_old,
            has_ended=News.ENDED in news,
        )
        resource = self._bench.calendar.resource(booking.event_type_id)
        first = None
        for _ in range(MOST_CHANGES):
            change = await self._store.apply_outside(
                trail,
                Block(resource, *keep_free(booking.slot, desk.business.rules)),
                lambda known: verdict(known, booking, trail, outlook),
                idempotency_key=booking.idempotency_key,
            )
            if change is None:
                break
            first = first or change
            self._bench.availability.forget(booking.event_type_id)
            self._bench.on_text()
            log.info("changed_outside", change=change.event.value, appointment_id=change.appointment.appointment_id)
        return first

    async def _read_together(self, wanted: Mapping[BookingUid, object]) -> Mapping[str, ListedBooking]:
        """Return what one list tells of many bookings; what it lacks is asked for one by one."""
        sync = await self._store.sync(self._calendar)
        since = sync.reached - OVERLAP if sync and sync.reached else None
        self._ask()
        try:
            listed = self._source.changed_since(since, starting_after=self._clock())
            return {booking.uid: booking async for booking in listed}
        except (CalendarUnavailable, CalendarRejected) as error:
            log.warning("bookings_not_listed", of=len(wanted), reason=str(error))
            return {}

    async def _work(
        self, booking_uid: BookingUid, leased: Sequence[LeasedDelivery], seen: Mapping[str, ListedBooking]
    ) -> bool:
        """Apply what deliveries of one booking are about, and settle them; False when the calendar does not answer."""
        deliveries = [each.delivery for each in leased]
        attempts = max(each.attempts for each in leased)
        is_answering = True
        try:
            booking = await self._listed(booking_uid, seen)
            if booking is not None:
                await self.apply(booking, seen)
        except NotChangeable:
            wait = _growing(BUSY_WAIT, attempts, at_most=LONGEST_BUSY_WAIT)
            await self._store.put_back_deliveries(deliveries, wait=wait)
        except (CalendarUnavailable, CalendarRejected) as error:
            log.warning("delivery_put_back", booking_uid=booking_uid, attempts=attempts, reason=str(error))
            is_answering = isinstance(error, CalendarRejected)
            await self._put_back(deliveries, attempts)
        except Exception:
            # One odd booking must not keep the others from being worked through.
            log.exception("booking_not_applied", booking_uid=booking_uid, attempts=attempts)
            await self._put_back(deliveries, attempts)
        else:
            await self._store.finish_deliveries(deliveries)
        return is_answering

    async def _put_back(self, deliveries: Sequence[Delivery], attempts: int) -> None:
        if attempts >= MOST_ATTEMPTS:
            # What it was about is found when the calendar is asked what has changed.
            await self._store.finish_deliveries(deliveries)
            return
        wait = _growing(SHORTEST_WAIT, attempts, at_most=LONGEST_WAIT)
        await self._store.put_back_deliveries(deliveries, wait=wait)

    async def _reconciled(self, booking: ListedBooking, seen: Mapping[str, ListedBooking], *, is_old: bool) -> bool:
        """Apply a booking that was listed; False when it has to be looked at again."""
        if booking.moved_to:
            return True  # what has taken its place is listed too
        try:
            await self.apply(booking, seen, is_old=is_old)
        except NotChangeable:
            return False
        except (CalendarUnavailable, CalendarRejected):
            raise
        except Exception:
            # One odd booking must not keep the others from being read, now and every time.
            log.exception("booking_not_applied", booking_uid=booking.uid)
        return True

    async def _follow(
        self, booking: ListedBooking, seen: Mapping[str, ListedBooking]
    ) -> tuple[Sequence[BookingUid], ListedBooking]:
        """Return the uids a booking has had, as far as needed to know it, and what it is now."""
        trail, earlier = [booking.uid], booking.moved_from
        while booking.moved_to and len(trail) < MOST_MOVES:
            successor = await self._listed(booking.moved_to, seen)
            if successor is None:
                break
            booking = successor
            trail.append(booking.uid)
        while earlier and len(trail) < MOST_MOVES:
            trail.append(BookingUid(earlier))
            if await self._store.knows_booking(trail):
                break
            before = await self._listed(earlier, seen)
            earlier = before.moved_from if before else ""
        return trail, booking

    async def _listed(self, booking_uid: str, seen: Mapping[str, ListedBooking]) -> ListedBooking | None:
        if booking_uid in seen:
            return seen[booking_uid]
        self._ask()
        return await self._source.listed(BookingUid(booking_uid))

    def _ask(self) -> None:
        self._asked.append(asyncio.get_running_loop().time())

    def _asked_lately(self) -> int:
        a_minute_ago = asyncio.get_running_loop().time() - MINUTE_SECS
        while self._asked and self._asked[0] <= a_minute_ago:
            self._asked.popleft()
        return len(self._asked)


def _growing(wait: timedelta, attempts: int, *, at_most: timedelta) -> timedelta:
    """Return `wait`, doubled with every attempt after the first."""
    return min(wait * (1 << min(attempts - 1, 10)), at_most)
