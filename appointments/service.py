"""The booking service: what is free, and every change of an appointment, whatever becomes of the call that asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appointments.availability import Availability
from appointments.booking import Bookings
from appointments.changing import Changes
from appointments.holding import Holds
from appointments.message_plan import completed
from appointments.outside import SYNC_EVERY, OutsideChanges
from appointments.owner_notices import request_notices
from appointments.recalling import CallSoFar, recall
from appointments.settling import SettleTimes, Settling
from appointments.tally import Tally
from appointments.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from appointments.booking import BookingRequest
    from appointments.changing import ChangeOutcome, ChangeRequest
    from appointments.listed_bookings import BookingSource
    from appointments.model import (
        Action,
        Appointment,
        AppointmentId,
        Business,
        CallSid,
        EventType,
        PhoneNumber,
        Slot,
    )
    from appointments.outside import FrontDesk
    from appointments.ports import Calendar, Clock
    from appointments.store.outside_records import OutsideEntry
    from appointments.store.records import CallerRequest
    from appointments.store.store import Store


class BookingService:
    """Offers what is free; books, moves and cancels once."""

    def __init__(
        self,
        *,
        calendar: Calendar,
        store: Store,
        clock: Clock,
        settle: SettleTimes,
        real_clock: Clock | None = None,
        on_text: Callable[[], None] = lambda: None,
        tally: Tally | None = None,
    ) -> None:
        """Serve by the caller's `clock`; `on_text` is called when a message was added to the outbox."""
        real_clock = real_clock or store.now
        self._store = store
        self._clock = clock
        self._on_text = on_text
        self._availability = Availability(calendar=calendar, store=store, clock=clock, real_clock=real_clock)
        self._workbench = workbench = Workbench(
            calendar=calendar,
            store=store,
            availability=self._availability,
            clock=clock,
            times=settle,
            settling=Settling(settle),
            real_clock=real_clock,
            on_text=on_text,
            tally=tally or Tally(),
        )
        self._bookings = Bookings(workbench)
        self._changes = Changes(workbench)
        self.holds = Holds(workbench)
        self.is_changed_outside = False
        """Whether others may change appointments behind our back, and the record is told of it."""

    async def event_type(self, action: Action) -> EventType:
        """Return what `action` books; asked of the calendar at most once a minute."""
        return await self._availability.event_type(action)

    async def free_slots(
        self,
        action: Action,
        business: Business,
        *,
        start: datetime,
        end: datetime,
        except_of: Sequence[str] = (),
        held: Slot | None = None,
        moving: Appointment | None = None,
    ) -> Sequence[Slot]:
        """Return the slots that start in [start, end) and can be booked now, earliest first; at most 30 s old.

        Claims of the owners `except_of` do not count, and what the asking call has `held` is free to it, as is what
        the appointment has that it is `moving`.
        """
        return await self._availability.free_slots(
            action.event_type_id, business, start=start, end=end, except_of=except_of, held=held, moving=moving
        )

    def prefetch(self, action: Action) -> None:
        """Ask for the free slots in the background, ahead of `free_slots`."""
        self._availability.prefetch(action.event_type_id)

    async def book(self, request: BookingRequest) -> Appointment:
        """Book `request` once; see `Bookings.book`."""
        appointment = await self._bookings.book(request)
        self.holds.booked(request.call_sid)
        return appointment

    async def change(self, request: ChangeRequest) -> ChangeOutcome:
        """Move or cancel an appointment once; see `Changes.change`."""
        return await self._changes.change(request)

    async def confirm(self, appointment: Appointment, *, call_sid: CallSid) -> Appointment:
        """Record that the caller will come."""
        return await self._store.confirm(appointment.appointment_id, call_sid=call_sid)

    async def appointment(self, appointment_id: AppointmentId) -> Appointment | None:
        """Return an appointment as it stands now, None when it is unknown."""
        return await self._store.appointment(appointment_id)

    def outside(
        self,
        source: BookingSource,
        *,
        calendar: str,
        desk: Callable[[], FrontDesk],
        calendar_texts: bool = False,
        sync_every: timedelta = SYNC_EVERY,
    ) -> OutsideChanges:
        """Return what brings into the record what others do at the calendar; see `OutsideChanges`."""
        self.is_changed_outside = True
        return OutsideChanges(
            self._workbench,
            source,
            calendar=calendar,
            desk=desk,
            calendar_texts=calendar_texts,
            sync_every=sync_every,
        )

    async def emails(self, phone: PhoneNumber) -> Sequence[str]:
        """Return the e-mail addresses that a number's appointments were made with, the latest first."""
        return await self._store.emails(phone)

    async def last_entry(self) -> int:
        """Return the number of what happened last to any appointment."""
        return await self._store.last_entry()

    async def changed_outside(
        self, *, since: int, call_sid: CallSid, phone: PhoneNumber | None
    ) -> Sequence[OutsideEntry]:
        """Return what others did after the entry `since` to the appointments of a call or of a number."""
        return await self._store.changed_outside(since=since, call_sid=call_sid, phone=phone)

    async def recall(self, call_sid: CallSid) -> CallSoFar:
        """Return what came of a call before it broke off."""
        return await recall(self._store, call_sid)

    async def leave_request(self, request: CallerRequest, business: Business) -> None:
        """Keep what a caller leaves for the owner of `business`, who is told; who asks again corrects it."""
        notices = request_notices(business.owner, request, business=business.name)
        await self._store.leave_request(request, messages=notices)
        self._on_text()

    async def hand_over(self, call_sid: CallSid, summary: str) -> None:
        """Keep what a person who takes the call over is told."""
        await self._store.hand_over(call_sid, summary)

    async def settle_unfinished(self) -> None:
        """Settle what a dead process left open, and complete what is over; called at start-up and every few seconds."""
        await self._bookings.settle_unfinished()
        await self._changes.settle_unfinished()
        await self._store.complete_past(self._clock(), completed)

    async def drain(self) -> None:
        """Wait for what is under way."""
        await self._bookings.in_progress.drain()
        await self._changes.in_progress.drain()
        await self.holds.drain()
        await self._availability.close()
