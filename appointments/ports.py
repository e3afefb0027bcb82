"""What the domain needs from outside: a calendar, a clock, ways to send messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from appointments.model import Attendee, Booking, BookingUid, EventType, EventTypeId, Slot
    from appointments.store.records import OutboxRow

Clock = Callable[[], datetime]
"""The business's clock: now, aware, in UTC."""


class Calendar(Protocol):
    """A place where slots are free and bookings are kept. Every one passes `tests/calendar_conformance.py`.

    Every method may raise `CalendarUnavailable` and `CalendarRejected`.
    """

    @property
    def refuses_overlap(self) -> bool:
        """Whether the calendar itself refuses a second booking of a slot, so that a create may be repeated."""
        ...

    def resource(self, event_type_id: EventTypeId) -> str:
        """Return the name of what no two bookings can have at once; event types may share one."""
        ...

    async def event_type(self, event_type_id: EventTypeId) -> EventType:
        """Return what `event_type_id` books."""
        ...

    async def free_slots(
        self, event_type_id: EventTypeId, *, start: datetime, end: datetime, moving: BookingUid | None = None
    ) -> Sequence[Slot]:
        """Return the free slots that start in [start, end), earliest first; what the booking `moving` has is free."""
        ...

    async def book(
        self, event_type: EventType, slot: Slot, attendee: Attendee, *, notes: str, idempotency_key: str
    ) -> Booking:
        """Book `slot` once. Never repeats the request by itself.

        Raises:
            SlotTaken: the calendar says so; it may have been our own earlier try: `find` settles it.
            CalendarUnavailable: with `is_unclear` when the booking may have been made.
        """
        ...

    async def find(self, event_type_id: EventTypeId, slot: Slot, *, idempotency_key: str) -> Booking | None:
        """Return the live booking at `slot` that was made with `idempotency_key`, None when there is none."""
        ...

    async def get(self, booking_uid: BookingUid) -> Booking | None:
        """Return a booking, or what it was moved to, in whatever status; None when there is none."""
        ...

    async def reschedule(self, booking_uid: BookingUid, slot: Slot, *, reason: str) -> Booking:
        """Move a live booking to `slot` and return the new receipt, whose uid may be another. Never repeats by itself.

        Raises:
            SlotTaken: the calendar says so.
            CalendarRejected: it does not let this booking be moved, or has no such live booking.
            CalendarUnavailable: with `is_unclear` when it may have been moved; `get` settles it.
        """
        ...

    async def cancel(self, booking_uid: BookingUid, *, reason: str) -> Booking:
        """Cancel a booking and return it; one that is cancelled already is cancelled.

        Raises:
            CalendarRejected: it does not let this booking be cancelled, or has none.
            CalendarUnavailable: with `is_unclear` when it may have been cancelled; asking again is safe.
        """
        ...

    async def hold(self, event_type_id: EventTypeId, slot: Slot, *, until: datetime) -> str:
        """Hide `slot` from the calendar's other clients and return the name of the hold, "" when it has no holds.

        No lock: what keeps a slot for a caller is a claim in our store.

        Raises:
            SlotTaken: somebody else holds or has it.
        """
        ...

    async def release(self, reservation: str) -> None:
        """Give up a hold; one that is gone already is given up."""
        ...


class TextSender(Protocol):
    """Sends texts. Sending is not idempotent; `find` tells whether an earlier try went out.

    Raises:
        MessageRefused: it will never be accepted.
        MessageUnclear: it may have been sent.
        MessageDeferred: it was certainly not sent; try again later.
    """

    async def send(self, *, to: str, body: str, outbox_id: str) -> str:
        """Send one text and return its `message_sid`."""
        ...

    async def find(self, *, to: str, body: str, since: datetime, other_than: Collection[str] = ()) -> str | None:
        """Return the `message_sid` of a text like this one sent since then, None when there is none.

        Args:
            other_than: The `message_sid` of texts that were sent for something else.
        """
        ...


class MessageSender(Protocol):
    """Sends the messages of one channel. Sending is not idempotent, and raises as a `TextSender` does."""

    async def send(self, row: OutboxRow) -> str:
        """Send one message and return what the channel knows it by, "" where it knows it by nothing."""
        ...

    async def find(self, row: OutboxRow, *, since: datetime, other_than: Collection[str]) -> str | None:
        """Return what the channel knows this message by if it was sent since then, None when it was not.

        Args:
            other_than: What it knows other messages by.
        """
        ...
