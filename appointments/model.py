"""The words of the domain: slots, event types, attendees, bookings, appointments, actions, the business."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NewType
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from pathlib import Path

EventTypeId = NewType("EventTypeId", str)
BookingUid = NewType("BookingUid", str)
AppointmentId = NewType("AppointmentId", str)
CallSid = NewType("CallSid", str)
PhoneNumber = NewType("PhoneNumber", str)
"""A valid number in E.164, such as ``+14155550123``."""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A bookable interval. `start` is kept in UTC, because only UTC compares and hashes right."""

    start: datetime
    duration: timedelta

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ValueError(f"a slot starts at an aware time, not at {self.start!r}")
        object.__setattr__(self, "start", self.start.astimezone(UTC))

    @property
    def end(self) -> datetime:
        return self.start + self.duration

    def overlaps(self, other: Slot) -> bool:
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class EventType:
    """What can be booked, as the calendar describes it."""

    id: EventTypeId
    title: str
    duration: timedelta
    requires_email: bool = False


@dataclass(frozen=True, slots=True)
class Attendee:
    """Who comes. `zone` is an IANA name; `phone` and `email` are valid or None."""

    name: str
    zone: str
    phone: PhoneNumber | None = None
    email: str | None = None


class BookingStatus(StrEnum):
    ACCEPTED = "accepted"
    PENDING = "pending"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Booking:
    """The calendar's receipt. `idempotency_key` is the one the booking was made with, "" for others' bookings."""

    uid: BookingUid
    slot: Slot
    status: BookingStatus
    idempotency_key: str = ""
    meeting_link: str = ""
    location: str = ""
    host_name: str = ""


class AppointmentStatus(StrEnum):
    PENDING = "pending"
    """Claimed in our store; the calendar has not answered yet."""
    ACTIVE = "active"
    """The calendar accepted it."""
    UNCONFIRMED = "unconfirmed"
    """Nobody could find out whether the calendar has it. The claim is kept and a person must look."""
    FAILED = "failed"
    """The calendar refused it, or never got it. The claim is gone."""


LIVE = frozenset({AppointmentStatus.PENDING, AppointmentStatus.ACTIVE, AppointmentStatus.UNCONFIRMED})
"""The statuses that keep a slot: two live appointments of one resource never overlap."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """Our record: a slot, who comes, in which call it was made, and what the calendar said."""

    appointment_id: AppointmentId
    call_sid: CallSid
    event_type_id: EventTypeId
    title: str
    slot: Slot
    zone: str
    attendee: Attendee
    notes: str
    status: AppointmentStatus
    idempotency_key: str
    booking_uid: BookingUid | None = None
    meeting_link: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class OfferSettings:
    """How many slots are offered unasked. The ranges are checked where the business file is read."""

    look_ahead_days: int = 2
    """Days that have free slots, counted within the next 14 (1 to 3)."""
    slots_per_day: int = 3
    """At most so many a day (2 to 5)."""
    hours_between: int = 3
    """Hours between two offered slots of a day (1 to 4)."""
    start_date: date | None = None
    """Nothing before this day is offered unasked."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing the agent may book, as the business file describes it."""

    name: str
    """``Book 30-Minute Consultation``: what instructions call it."""
    event_type_id: EventTypeId
    title: str
    zone: ZoneInfo
    platform: str = "phone"
    address: str = ""
    offer: OfferSettings = field(default_factory=OfferSettings)
    fallback_email: str = ""
    """A template such as ``caller+{digits}@example.com``; empty: the caller is asked where an e-mail is needed."""
    sms_confirmation: bool = True
    sms_template: str = ""
    default_instructions: bool = True


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """One interval of a weekday in the business's zone; `weekday` is 0 for Monday."""

    weekday: int
    opens: time
    closes: time


@dataclass(frozen=True, slots=True)
class Business:
    """Whose phone it is."""

    name: str
    number: PhoneNumber
    zone: ZoneInfo
    hours: tuple[OpeningHours, ...]
    actions: tuple[Action, ...]
    fallback_number: PhoneNumber | None = None
    """Where a call goes on when the agent cannot; None: nowhere."""
    sms_from: PhoneNumber | None = None
    sms_countries: tuple[str, ...] = ("US", "CA")
    about: str = ""
    prompt: Path | None = None
    """The instructions its agent follows; None: the shipped ones."""

    def intervals(self, day: date) -> tuple[OpeningHours, ...]:
        """Return the opening hours of `day`, earliest first; empty when it is closed."""
        return tuple(sorted((h for h in self.hours if h.weekday == day.weekday()), key=lambda h: h.opens))
