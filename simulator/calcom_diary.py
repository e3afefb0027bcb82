"""What becomes of bookings at the stand-in Cal.com, whoever does it: each change is announced as Cal.com does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from simulator import calcom_payloads as payloads
from simulator.calcom_people import OWNER
from simulator.calcom_schedule import Booking

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simulator.calcom_event_types import EventTypeOrder
    from simulator.calcom_payloads import Trigger
    from simulator.calcom_schedule import Guest, Schedule, Status
    from simulator.calcom_webhooks import Webhooks
    from simulator.world import SimulatedClock

Changer = Literal["api", "owner"]

TOO_OLD = timedelta(days=1)
"""What should have been reported so long ago Cal.com no longer reports."""


class Diary:
    """The bookings as they are made and changed; `ticks` count requests and changes."""

    def __init__(self, schedule: Schedule, clock: SimulatedClock, webhooks: Webhooks, ticks: Iterator[int]) -> None:
        self._schedule = schedule
        self._clock = clock
        self._webhooks = webhooks
        self._ticks = ticks

    def draft(self, event_type: EventTypeOrder, start: datetime, guest: Guest) -> Booking:
        """Return a booking that is not made yet."""
        hosts = self._schedule.hosts_at(event_type, start) or event_type.people
        booking = Booking(event_type, start.astimezone(UTC), guest, self._clock(), next(self._ticks), hosts)
        is_pending = event_type.requires_confirmation or event_type.price > 0
        booking.status = "pending" if is_pending else "accepted"
        booking.place = event_type.locations[0]
        return booking

    def enter(self, booking: Booking) -> None:
        """Make the booking that was drafted."""
        self._schedule.bookings.append(booking)
        metadata = payloads.booked_metadata(booking)
        if booking.event_type.price:
            payment = {"paymentId": self._schedule.number(booking), "paymentData": {}}
            self._announce("BOOKING_PAYMENT_INITIATED", booking, metadata=metadata, **payment)
        elif booking.status == "pending":
            self._announce("BOOKING_REQUESTED", booking, metadata=metadata)
        else:
            self._announce("BOOKING_CREATED", booking, metadata=metadata)

    def move(
        self,
        booking: Booking,
        event_type: EventTypeOrder,
        start: datetime,
        by: Changer,
        *,
        reason: str,
        is_accepted: bool,
        rescheduled_by: str | None,
    ) -> Booking:
        """Put another booking in the place of this one; what was said of it goes along."""
        hosts = self._schedule.hosts_at(event_type, start, moving=booking) or booking.hosts
        moved = Booking(event_type, start.astimezone(UTC), booking.guest, self._clock(), next(self._ticks), hosts)
        moved.status = "accepted" if is_accepted else "pending"
        moved.by, moved.place, moved.said_place = booking.by, booking.place, booking.said_place
        moved.metadata, moved.is_paid = dict(booking.metadata), booking.is_paid
        moved.responses, moved.guests = dict(booking.responses), [*booking.guests]
        moved.moved_from, moved.reason, moved.changed_by = booking.uid, reason, by
        booking.moved_to = moved.uid
        self._mark(booking, "cancelled", by)
        self._schedule.bookings.append(moved)
        trigger: Trigger = "BOOKING_RESCHEDULED" if is_accepted else "BOOKING_REQUESTED"
        facts: dict[str, object] = {
            "metadata": payloads.booked_metadata(moved),
            "rescheduleId": self._schedule.number(booking),
            "rescheduleUid": booking.uid,
            "rescheduleStartTime": _moment(booking.start),
            "rescheduleEndTime": _moment(booking.end),
        }
        self._announce(trigger, moved, **facts, **({"rescheduledBy": rescheduled_by} if rescheduled_by else {}))
        return moved

    async def cancel(self, booking: Booking, by: Changer, *, reason: str) -> bool:
        """Cancel a booking; tell whether it was this that did it.

        As Cal.com does, it is announced, and the answer awaited, before it is so: whoever looks it up on hearing of
        it finds it unchanged.
        """
        told = {"cancelledBy": OWNER.email} if by == "owner" else {}
        about = {**({"cancellationReason": reason} if reason else {}), **told, "requestReschedule": False}
        if tasks := self._announce("BOOKING_CANCELLED", booking, **about):
            await asyncio.wait(tasks)
        if not booking.is_live:
            return False
        booking.reason = reason
        self._mark(booking, "cancelled", by)
        return True

    def accept(self, booking: Booking, by: Changer) -> None:
        """Let a booking take place that was only asked for."""
        self._mark(booking, "accepted", by)
        self._announce("BOOKING_CREATED", booking, metadata=payloads.meeting_metadata(booking))

    def reject(self, booking: Booking, by: Changer, *, reason: str) -> None:
        """Say no to a booking that was asked for."""
        booking.reason = reason
        self._mark(booking, "rejected", by)
        self._announce("BOOKING_REJECTED", booking, **({"rejectionReason": reason} if reason else {}))

    def pay(self, booking: Booking) -> None:
        """Take the attendee's money; it takes place unless the host has to accept it too."""
        booking.is_paid = True
        needs_host = booking.event_type.requires_confirmation
        self._mark(booking, "pending" if needs_host else "accepted", "owner")
        number = self._schedule.number(booking)
        metadata = payloads.payment_metadata(booking, number)
        status = booking.status.upper()
        self._announce("BOOKING_PAID", booking, metadata=metadata, paymentId=number, paymentData={}, status=status)
        if needs_host:
            self._announce("BOOKING_REQUESTED", booking, metadata={})
        else:
            self._announce("BOOKING_CREATED", booking, metadata=payloads.meeting_metadata(booking))

    def mark_absent(self, booking: Booking, by: Changer, *, guest: bool | None, host: bool | None) -> None:
        """Write down who did not come; None leaves what is written."""
        booking.is_host_absent = booking.is_host_absent if host is None else host
        booking.is_guest_absent = booking.is_guest_absent if guest is None else guest
        self._mark(booking, booking.status, by)
        told = payloads.no_show(booking, number=self._schedule.number(booking), at=self._clock())
        self._webhooks.announce("BOOKING_NO_SHOW_UPDATED", booking.uid, told)

    def relink(self, booking: Booking, link: str) -> None:
        """Give a meeting another link; Cal.com tells nobody."""
        booking.link = link
        self._mark(booking, booking.status, "owner")

    def report(self, booking: Booking, trigger: Trigger) -> None:
        """Send a scheduled trigger of a meeting, unless it was sent."""
        if trigger not in booking.reported:
            booking.reported.add(trigger)
            told = payloads.flat(trigger, booking, number=self._schedule.number(booking))
            self._webhooks.announce(trigger, booking.uid, told)

    def report_due(self) -> None:
        """Send the scheduled triggers of the meetings that have started and ended by now, as Cal.com's cron does."""
        now = self._clock()
        for booking in self._schedule.bookings:
            if booking.status == "accepted":
                if now - TOO_OLD < booking.start <= now:
                    self.report(booking, "MEETING_STARTED")
                if now - TOO_OLD < booking.end <= now:
                    self.report(booking, "MEETING_ENDED")

    def _mark(self, booking: Booking, status: Status, by: Changer) -> None:
        booking.status = status
        booking.changed, booking.changed_at, booking.changed_by = next(self._ticks), self._clock(), by

    def _announce(self, trigger: Trigger, booking: Booking, **extra: object) -> Sequence[asyncio.Task[None]]:
        number = self._schedule.number(booking)
        zone = self._schedule.zone
        told = payloads.nested(trigger, booking, number=number, zone=zone, at=self._clock(), **extra)
        return self._webhooks.announce(trigger, booking.uid, told)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
