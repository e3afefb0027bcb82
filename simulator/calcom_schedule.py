"""The stand-in Cal.com's state: one host's event types, when they are free, the bookings and the reservations."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import uuid4
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from simulator.calcom_wire import Zone, bad_request, wire_time
from simulator.world import EVENT_TYPE_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.world import SimulatedClock

HOST_USERNAME = "ada"
BOOKING_WINDOW_DAYS = 60

MEETING_LINKS = {
    "cal-video": "https://app.cal.com/video/",
    "zoom": "https://zoom.us/j/",
    "google-meet": "https://meet.google.com/",
    "office365-video": "https://teams.microsoft.com/meet/",
}
"""How the link to a meeting begins, by its app."""

TAKEN = "User either already has booking at this time or is not available"
IN_THE_PAST = "Attempting to book a meeting in the past."
OUT_OF_BOUNDS = (
    "The event type can't be booked at the \"start\" time provided. This could be because it's too soon "
    "(violating the minimum booking notice) or too far in the future (outside the event's scheduling window)."
)


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Address(_Order):
    """The attendee comes to the host."""

    type: Literal["address"]
    address: str = Field(min_length=1)
    public: Literal[True] = True


class Phone(_Order):
    """The attendee calls the host."""

    type: Literal["phone"]
    phone: str = Field(min_length=1)
    public: Literal[True] = True


class Meeting(_Order):
    """Both meet by video."""

    type: Literal["integration"] = "integration"
    integration: Literal["cal-video", "zoom", "google-meet", "office365-video"] = "cal-video"


class EventTypeOrder(_Order):
    """What can be booked; also the form a scenario orders it in."""

    id: int = Field(default=EVENT_TYPE_ID, ge=1)
    title: str = Field(default="30-Minute Consultation", min_length=1)
    minutes: int = Field(default=30, ge=5)
    requires_email: bool = True
    requires_confirmation: bool = False
    """Bookings are pending, and until the host accepts one they take no time, as is Cal.com's default."""
    notice_minutes: int = Field(default=0, ge=0)
    disable_rescheduling: bool = False
    reschedule_notice_minutes: int = Field(default=0, ge=0)
    """So long before its start a booking can no longer be moved."""
    disable_cancelling: bool = False
    location: Annotated[Address | Phone | Meeting, Field(discriminator="type")] = Meeting()

    @property
    def slug(self) -> str:
        return self.title.lower().replace(" ", "-")

    @property
    def duration(self) -> timedelta:
        return timedelta(minutes=self.minutes)

    @property
    def notice(self) -> timedelta:
        return timedelta(minutes=self.notice_minutes)

    @property
    def reschedule_notice(self) -> timedelta:
        return timedelta(minutes=self.reschedule_notice_minutes)


def _distinct(ordered: tuple[EventTypeOrder, ...]) -> tuple[EventTypeOrder, ...]:
    for what in ("id", "slug"):
        if len({getattr(each, what) for each in ordered}) < len(ordered):
            raise ValueError(f"must differ in {what}")
    return ordered


EventTypes = Annotated[tuple[EventTypeOrder, ...], Field(min_length=1), AfterValidator(_distinct)]


class OpenOrder(_Order):
    """A stretch of the ordinary week when the host can be booked; Monday is 0."""

    weekday: int = Field(ge=0, le=6)
    opens: time
    closes: time


_NINE_TO_FIVE = tuple(OpenOrder(weekday=day, opens=time(9), closes=time(17)) for day in range(5))


class ScheduleOrder(BaseModel):
    """The body of ``POST /control/world``: a scenario's clock and calendar."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    now: AwareDatetime | None = None
    zone: Zone = ZoneInfo("America/New_York")
    free: list[AwareDatetime] | None = None
    week: tuple[OpenOrder, ...] = _NINE_TO_FIVE
    event_types: EventTypes = (EventTypeOrder(),)


class ClockOrder(_Order):
    """The body of ``POST /control/clock``: time passes, and everything else stays as it is."""

    now: AwareDatetime


@dataclass(frozen=True, slots=True)
class Guest:
    """The attendee of a booking. `email` is made of the phone number where none was given, as Cal.com does."""

    name: str
    email: str
    zone: str
    phone: str | None = None
    language: str = "en"


@dataclass(slots=True)
class Booking:
    """One booking; `order` tells which of a booking and a request came first, `changed` the same of its last change.

    One that is moved is cancelled, and another stands for it.
    """

    event_type: EventTypeOrder
    start: datetime
    guest: Guest
    created_at: datetime
    order: int
    by: Literal["api", "fault"] = "api"
    status: Literal["accepted", "pending", "cancelled"] = "accepted"
    metadata: dict[str, str | int | float | bool] = field(default_factory=dict)
    responses: dict[str, str] = field(default_factory=dict)
    guests: list[str] = field(default_factory=list)
    uid: str = field(default_factory=lambda: secrets.token_hex(11))
    moved_from: str = ""
    moved_to: str = ""
    changed: int = 0
    changed_at: datetime | None = None
    changed_by: Literal["", "api", "owner"] = ""
    reason: str = ""
    """Why it was cancelled, or moved here."""

    @property
    def updated_at(self) -> datetime:
        return self.changed_at or self.created_at

    @property
    def end(self) -> datetime:
        return self.start + self.event_type.duration

    @property
    def location(self) -> str:
        """Where it happens: the address or the number of the event type, or a link of its own."""
        match self.event_type.location:
            case Address(address=address):
                return address
            case Phone(phone=phone):
                return phone
            case Meeting(integration=app):
                return MEETING_LINKS[app] + self.uid

    @property
    def summary(self) -> dict[str, object]:
        """What the control endpoints tell about it."""
        attendee = {
            "name": self.guest.name,
            "email": self.guest.email,
            "phoneNumber": self.guest.phone,
            "timeZone": self.guest.zone,
        }
        return {
            "uid": self.uid,
            "start": wire_time(self.start),
            "end": wire_time(self.end),
            "status": self.status,
            "metadata": self.metadata,
            "attendee": attendee,
            "eventTypeId": self.event_type.id,
            "by": self.by,
            "rescheduledFromUid": self.moved_from,
            "rescheduledToUid": self.moved_to,
            "reason": self.reason,
            "changedBy": self.changed_by,
        }


@dataclass(frozen=True, slots=True)
class Reservation:
    """A time that is hidden from those who look for slots, until `until`."""

    event_type: EventTypeOrder
    start: datetime
    minutes: int
    until: datetime
    uid: str = field(default_factory=lambda: str(uuid4()))

    @property
    def end(self) -> datetime:
        return self.start + self.event_type.duration


class Schedule:
    """When the host is free: exactly the scenario's list, or else the ordinary week of its zone.

    A booking takes its time from every event type, for it is one host who has them all.
    """

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self.reset(ScheduleOrder())

    def reset(self, order: ScheduleOrder) -> None:
        """Set the clock and the free slots, and forget all bookings and reservations."""
        self._clock.set(order.now)
        self.zone = order.zone
        self._week = sorted(order.week, key=lambda stretch: (stretch.weekday, stretch.opens))
        self.event_types = order.event_types
        self._free = None if order.free is None else sorted({start.astimezone(UTC) for start in order.free})
        self.bookings: list[Booking] = []
        self.reservations: list[Reservation] = []

    def event_type(self, event_type_id: int) -> EventTypeOrder | None:
        """Return the event type of that id, None when there is none."""
        return next((each for each in self.event_types if each.id == event_type_id), None)

    def named(self, event_type_id: int | None, slug: str | None, username: str | None) -> EventTypeOrder | None:
        """Return the event type of that id or else of that address on the web, None when there is none."""
        if event_type_id is not None:
            return self.event_type(event_type_id)
        return next((each for each in self.event_types if (each.slug, HOST_USERNAME) == (slug, username)), None)

    def booking(self, uid: str | None) -> Booking | None:
        """Return the booking of that uid, None when there is none."""
        return next((booking for booking in self.bookings if booking.uid == uid), None)

    def listed_slots(
        self, event_type: EventTypeOrder, start: datetime, end: datetime, *, moving: Booking | None = None
    ) -> list[datetime]:
        """Return those of `free_slots` that are not reserved, by whomever and for whichever event type."""
        free = self.free_slots(event_type, start, end, moving=moving)
        return [slot for slot in free if not self.reserved(slot, slot + event_type.duration)]

    def free_slots(
        self, event_type: EventTypeOrder, start: datetime, end: datetime, *, moving: Booking | None = None
    ) -> list[datetime]:
        """Return the starts of what can be booked from `start` to `end`, both included, earliest first.

        Reservations stop no booking. What `moving` has is free for itself.
        """
        candidates = self._ordinary_week(event_type, start, end) if self._free is None else self._free
        now = self._clock()
        ahead = [slot for slot in candidates if start <= slot <= end and slot > now and slot >= now + event_type.notice]
        return [slot for slot in ahead if not self.busy(event_type, slot, moving=moving)]

    def check_bookable(self, event_type: EventTypeOrder, start: datetime, *, moving: Booking | None = None) -> None:
        """Answer 400 as Cal.com does when `start` cannot be booked."""
        now = self._clock()
        if start <= now:
            raise bad_request(IN_THE_PAST)
        if start < now + event_type.notice:
            raise bad_request(OUT_OF_BOUNDS)
        if self.free_slots(event_type, start, start, moving=moving):
            return
        is_too_far = start > self._horizon() and not self.busy(event_type, start, moving=moving)
        raise bad_request(OUT_OF_BOUNDS if is_too_far else TAKEN)

    def busy(self, event_type: EventTypeOrder, start: datetime, *, moving: Booking | None = None) -> list[Booking]:
        """Return the accepted bookings, of any event type, that a booking at `start` would overlap."""
        end = start + event_type.duration
        others = (booking for booking in self.bookings if booking.status == "accepted" and booking is not moving)
        return [booking for booking in others if booking.start < end and start < booking.end]

    def reserved(self, start: datetime, end: datetime) -> list[Reservation]:
        """Return the reservations that have not expired and overlap [start, end)."""
        now = self._clock()
        live = (reservation for reservation in self.reservations if reservation.until > now)
        return [reservation for reservation in live if reservation.start < end and start < reservation.end]

    def _horizon(self) -> datetime:
        return self._clock() + timedelta(days=BOOKING_WINDOW_DAYS)

    def _ordinary_week(self, event_type: EventTypeOrder, start: datetime, end: datetime) -> Iterator[datetime]:
        horizon = self._horizon()
        day = max(start, self._clock()).astimezone(self.zone).date()
        last_day = min(end, horizon).astimezone(self.zone).date()
        while day <= last_day:
            for stretch in self._week:
                if stretch.weekday == day.weekday():
                    yield from (slot for slot in self._slots_of(event_type, day, stretch) if slot <= horizon)
            day += timedelta(days=1)

    def _slots_of(self, event_type: EventTypeOrder, day: date, stretch: OpenOrder) -> Iterator[datetime]:
        slot = datetime.combine(day, stretch.opens, self.zone).astimezone(UTC)
        closes = datetime.combine(day, stretch.closes, self.zone)
        while slot + event_type.duration <= closes:
            yield slot
            slot += event_type.duration
