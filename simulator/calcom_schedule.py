"""The stand-in Cal.com's state: one host's event types, when they are free, and the bookings made so far."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from simulator.calcom_wire import Zone, bad_request, wire_time
from simulator.world import EVENT_TYPE_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.world import SimulatedClock

HOST_USERNAME = "ada"
BOOKING_WINDOW_DAYS = 60

TAKEN = "User either already has booking at this time or is not available"
IN_THE_PAST = "Attempting to book a meeting in the past."
OUT_OF_BOUNDS = (
    "The event type can't be booked at the \"start\" time provided. This could be because it's too soon "
    "(violating the minimum booking notice) or too far in the future (outside the event's scheduling window)."
)


class EventTypeOrder(BaseModel):
    """What can be booked; also the form a scenario orders it in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int = Field(default=EVENT_TYPE_ID, ge=1)
    title: str = Field(default="30-Minute Consultation", min_length=1)
    minutes: int = Field(default=30, ge=5)
    requires_email: bool = True

    @property
    def slug(self) -> str:
        return self.title.lower().replace(" ", "-")

    @property
    def duration(self) -> timedelta:
        return timedelta(minutes=self.minutes)


def _distinct(ordered: tuple[EventTypeOrder, ...]) -> tuple[EventTypeOrder, ...]:
    for what in ("id", "slug"):
        if len({getattr(each, what) for each in ordered}) < len(ordered):
            raise ValueError(f"must differ in {what}")
    return ordered


EventTypes = Annotated[tuple[EventTypeOrder, ...], Field(min_length=1), AfterValidator(_distinct)]


class OpenOrder(BaseModel):
    """A stretch of the ordinary week when the host can be booked; Monday is 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    """One booking; `order` tells which of a booking and a request came first."""

    event_type: EventTypeOrder
    start: datetime
    guest: Guest
    created_at: datetime
    order: int
    by: Literal["api", "fault"] = "api"
    status: Literal["accepted"] = "accepted"
    metadata: dict[str, str | int | float | bool] = field(default_factory=dict)
    responses: dict[str, str] = field(default_factory=dict)
    guests: list[str] = field(default_factory=list)
    uid: str = field(default_factory=lambda: secrets.token_hex(11))

    @property
    def end(self) -> datetime:
        return self.start + self.event_type.duration

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
        }


class Schedule:
    """When the host is free: exactly the scenario's list, or else the ordinary week of its zone.

    A booking takes its time from every event type, for it is one host who has them all.
    """

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self.reset(ScheduleOrder())

    def reset(self, order: ScheduleOrder) -> None:
        """Set the clock and the free slots, and forget all bookings."""
        self._clock.set(order.now)
        self.zone = order.zone
        self._week = sorted(order.week, key=lambda stretch: (stretch.weekday, stretch.opens))
        self.event_types = order.event_types
        self._free = None if order.free is None else sorted({start.astimezone(UTC) for start in order.free})
        self.bookings: list[Booking] = []

    def event_type(self, event_type_id: int | None) -> EventTypeOrder | None:
        """Return the event type of that id, None when there is none."""
        return next((each for each in self.event_types if each.id == event_type_id), None)

    def event_type_of_slug(self, slug: str | None, username: str | None) -> EventTypeOrder | None:
        """Return the event type of that address on the web, None when there is none."""
        return next((each for each in self.event_types if (each.slug, HOST_USERNAME) == (slug, username)), None)

    def free_slots(self, event_type: EventTypeOrder, start: datetime, end: datetime) -> list[datetime]:
        """Return the starts of the free slots from `start` to `end`, both included, earliest first."""
        candidates = self._ordinary_week(event_type, start, end) if self._free is None else self._free
        ahead = [slot for slot in candidates if start <= slot <= end and slot > self._clock()]
        return [slot for slot in ahead if not self.busy(event_type, slot)]

    def check_bookable(self, event_type: EventTypeOrder, start: datetime) -> None:
        """Answer 400 as Cal.com does when `start` cannot be booked."""
        if start <= self._clock():
            raise bad_request(IN_THE_PAST)
        if self.free_slots(event_type, start, start):
            return
        is_too_far = start > self._horizon() and not self.busy(event_type, start)
        raise bad_request(OUT_OF_BOUNDS if is_too_far else TAKEN)

    def busy(self, event_type: EventTypeOrder, start: datetime) -> list[Booking]:
        """Return the bookings, of any event type, that a booking at `start` would overlap."""
        end = start + event_type.duration
        return [booking for booking in self.bookings if booking.start < end and start < booking.end]

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
