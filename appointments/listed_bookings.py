"""What a calendar that others change too says of its bookings, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from appointments.model import BookingStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from appointments.model import Attendee, BookingUid, EventTypeId, Slot


class News(StrEnum):
    """What a delivery says of a booking. All but the first are final for the uid, whatever a look-up still shows."""

    CHANGED = "changed"
    """Something is new; the calendar knows what."""
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    ENDED = "ended"


CALLED_OFF = frozenset({News.CANCELLED, News.REJECTED})


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing a calendar has told us by itself; the same delivery has the same id, however often it comes."""

    delivery_id: str
    news: News
    booking_uid: BookingUid


@dataclass(frozen=True, slots=True)
class ListedBooking:
    """All that a calendar says about one booking, whoever made it.

    A booking that was moved is cancelled, and `moved_to` names what has taken its place; that one's `moved_from` names
    it in turn. Both are "" where there is none.
    """

    uid: BookingUid
    event_type_id: EventTypeId
    slot: Slot
    status: BookingStatus
    attendee: Attendee
    idempotency_key: str = ""
    """The one it was made with by us, "" for others' bookings."""
    meeting_link: str = ""
    location: str = ""
    host_name: str = ""
    notes: str = ""
    reason: str = ""
    """Why it was cancelled, rejected or moved."""
    moved_from: str = ""
    moved_to: str = ""
    is_absent: bool = False
    """Whether the attendee did not come."""
    updated_at: datetime | None = None
    """By the calendar's clock."""

    @property
    def is_live(self) -> bool:
        """Whether it takes place, as far as is known."""
        return self.status in (BookingStatus.ACCEPTED, BookingStatus.PENDING)


class BookingSource(Protocol):
    """A calendar that can be asked what has become of its bookings.

    Every method may raise `CalendarUnavailable` and `CalendarRejected`.
    """

    async def listed(self, booking_uid: BookingUid) -> ListedBooking | None:
        """Return a booking as it stands under this very uid, None when there is none."""
        ...

    def changed_since(self, moment: datetime | None, *, starting_after: datetime) -> AsyncIterator[ListedBooking]:
        """Yield what was made or changed since `moment`, by the calendar's clock, the oldest change first.

        Without a moment all is yielded that starts after `starting_after`.
        """
        ...
