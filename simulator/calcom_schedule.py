"""The stand-in Cal.com's state: when the hosts are free, their bookings, and the reservations."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal, get_args
from uuid import uuid4
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from simulator.calcom_event_types import BOOKING_WINDOW_DAYS, EventTypeOrder, EventTypes
from simulator.calcom_people import OWNER, Host
from simulator.calcom_places import MEETINGS, Meeting, Place, told
from simulator.calcom_wire import Zone, bad_request, wire_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from simulator.world import SimulatedClock

Status = Literal["accepted", "pending", "cancelled", "rejected"]
By = Literal["api", "fault", "page"]
"""Who made a booking: we, a fault, or somebody at Cal.com's page."""
App = Literal["zoom", "google-meet", "office365-video"]

TAKEN = "User either already has booking at this time or is not available"
IN_THE_PAST = "Attempting to book a meeting in the past."
TEAM_TAKEN = "One of the hosts either already has booking at this time or is not available"
OUT_OF_BOUNDS = (
    "The event type can't be booked at the \"start\" time provided. This could be because it's too soon "
    "(violating the minimum booking notice) or too far in the future (outside the event's scheduling window)."
)


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OpenOrder(_Order):
    """A stretch of the ordinary week when the host can be booked; Monday is 0."""

    weekday: int = Field(ge=0, le=6)
    opens: time
    closes: time


class CalendarOrder(_Order):
    """A calendar that is connected to Cal.com. Bookings are kept off what is in it when it `is_checked`."""

    name: str = "ada@example.com"
    integration: str = "google_calendar"
    is_checked: bool = True
    is_read_only: bool = False


_NINE_TO_FIVE = tuple(OpenOrder(weekday=day, opens=time(9), closes=time(17)) for day in range(5))


class ScheduleOrder(BaseModel):
    """The body of ``POST /control/world``: a scenario's clock and calendar."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    now: AwareDatetime | None = None
    zone: Zone = ZoneInfo("America/New_York")
    free: list[AwareDatetime] | None = None
    week: tuple[OpenOrder, ...] = _NINE_TO_FIVE
    event_types: EventTypes = (EventTypeOrder(),)
    calendars: tuple[CalendarOrder, ...] = (CalendarOrder(),)
    writes_to: str | None = None
    """The name of the calendar that bookings are written to; left out: the first."""
    apps: tuple[App, ...] = get_args(App)
    """What meetings may be held with; Cal Video is there in any case."""

    @model_validator(mode="after")
    def _writes_to_a_calendar(self) -> Self:
        if self.writes_to is not None and self.writes_to not in {each.name for each in self.calendars}:
            raise ValueError("writes to a calendar that there is not")
        return self


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

    `event_type` is as it was when this was booked, with the length that was chosen.
    One that is moved is cancelled, and another stands for it.
    """

    event_type: EventTypeOrder
    start: datetime
    guest: Guest
    created_at: datetime
    order: int
    hosts: tuple[Host, ...] = (OWNER,)
    by: By = "api"
    status: Status = "accepted"
    metadata: dict[str, str | int | float | bool] = field(default_factory=dict)
    responses: dict[str, object] = field(default_factory=dict)
    guests: list[str] = field(default_factory=list)
    place: Place = field(default_factory=Meeting)
    said_place: str = ""
    """What the attendee said of the place: a number or an address."""
    link: str = ""
    """Another link than the one the meeting had at first."""
    uid: str = field(default_factory=lambda: secrets.token_hex(11))
    moved_from: str = ""
    moved_to: str = ""
    changed: int = 0
    changed_at: datetime | None = None
    changed_by: Literal["", "api", "owner"] = ""
    reason: str = ""
    """Why it was cancelled, rejected, or moved here."""
    is_paid: bool = False
    is_host_absent: bool = False
    is_guest_absent: bool = False
    reported: set[str] = field(default_factory=set)
    """Which of its scheduled webhooks were sent: each is sent once."""

    @property
    def updated_at(self) -> datetime:
        return self.changed_at or self.created_at

    @property
    def end(self) -> datetime:
        return self.start + self.event_type.duration

    @property
    def is_live(self) -> bool:
        return self.status in ("accepted", "pending")

    @property
    def location(self) -> str:
        """Where it happens, as the API tells it: an address, a number, or a link of its own.

        A meeting that nobody has accepted has no link: it is told by Cal.com's own name for the app.
        """
        if isinstance(self.place, Meeting) and self.status in ("pending", "rejected"):
            return MEETINGS[self.place.integration][0]
        return self.link or told(self.place, self.said_place, self.uid)

    @property
    def meeting_link(self) -> str:
        """The link of a meeting that an app holds, "" where none does."""
        return self.location if isinstance(self.place, Meeting) and self.status == "accepted" else ""

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
            "updatedAt": wire_time(self.updated_at),
            "location": self.location,
            "responses": self.responses,
            "host": self.hosts[0].name,
            "absent": self.is_guest_absent,
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
    """When the hosts are free: exactly at the scenario's times, or else in the ordinary week of their zone.

    A booking takes the time of those who receive it, from every event type that they have.
    """

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self.reset(ScheduleOrder())

    def reset(self, order: ScheduleOrder) -> None:
        """Set the clock and the free slots, and forget all bookings and reservations."""
        self._clock.set(order.now)
        self.zone = order.zone
        self.calendars, self.apps = order.calendars, order.apps
        self.writes_to = order.writes_to or next((each.name for each in order.calendars), None)
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
        own = (each for each in self.event_types if not each.scheduling)
        return next((each for each in own if (each.slug, OWNER.username) == (slug, username)), None)

    def booking(self, uid: str | None) -> Booking | None:
        """Return the booking of that uid, None when there is none."""
        return next((booking for booking in self.bookings if booking.uid == uid), None)

    def number(self, booking: Booking) -> int:
        """Return Cal.com's number of a booking, which it has beside its uid."""
        return self.bookings.index(booking) + 1

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
        return [slot for slot in ahead if self.hosts_at(event_type, slot, moving=moving)]

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
        taken = TEAM_TAKEN if event_type.scheduling else TAKEN
        raise bad_request(OUT_OF_BOUNDS if is_too_far else taken)

    def hosts_at(
        self, event_type: EventTypeOrder, start: datetime, *, moving: Booking | None = None
    ) -> tuple[Host, ...]:
        """Return who would receive an attendee at `start`, nobody when those who must are busy.

        Of several who take turns it is the free one with the fewest bookings, the first of those.
        """
        taken = {host for booking in self._overlapping(event_type, start, moving) for host in booking.hosts}
        people = event_type.people
        free = tuple(host for host in people if host not in taken)
        if event_type.scheduling == "roundRobin":
            return (min(free, key=self._load),) if free else ()
        return people if free == people else ()

    def busy(self, event_type: EventTypeOrder, start: datetime, *, moving: Booking | None = None) -> list[Booking]:
        """Return the accepted bookings, of any event type, that are in the way of one at `start`."""
        if self.hosts_at(event_type, start, moving=moving):
            return []
        return self._overlapping(event_type, start, moving)

    def _overlapping(self, event_type: EventTypeOrder, start: datetime, moving: Booking | None) -> list[Booking]:
        end = start + event_type.duration
        others = (booking for booking in self.bookings if booking.status == "accepted" and booking is not moving)
        return [booking for booking in others if booking.start < end and start < booking.end]

    def _load(self, host: Host) -> int:
        return sum(host in booking.hosts for booking in self.bookings if booking.is_live)

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
