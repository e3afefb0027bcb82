"""The words of the domain: slots, event types, attendees, bookings, appointments, actions, the business."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NewType, TypeAlias
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appointments.booking_fields import BookingField

EventTypeId = NewType("EventTypeId", str)
BookingUid = NewType("BookingUid", str)
AppointmentId = NewType("AppointmentId", str)
CallSid = NewType("CallSid", str)
PhoneNumber = NewType("PhoneNumber", str)
"""A valid number in E.164, such as ``+14155550123``."""
Answer: TypeAlias = str | int | float | bool | tuple[str, ...]
"""What answers a question of an event type."""


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
    fields: tuple[BookingField, ...] = ()
    """The questions it asks beside name, e-mail and phone number."""
    assigns_host: bool = False
    """Whether the calendar picks who receives the attendee, so that it is worth telling."""


@dataclass(frozen=True, slots=True)
class Attendee:
    """Who comes. `zone` is an IANA name; `phone` and `email` are valid or None.

    `answers` are those to the event type's questions, by their slugs.
    """

    name: str
    zone: str
    phone: PhoneNumber | None = None
    email: str | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict, hash=False)


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
    """How an appointment stands; `appointments.states` says what may follow what."""

    PENDING = "pending"
    """Claimed in our store; the calendar has not answered yet."""
    ACTIVE = "active"
    """The calendar accepted it."""
    REQUESTED = "requested"
    """The calendar has it, and its host, or a payment, has still to decide."""
    RESCHEDULED = "rescheduled"
    """The calendar accepted it and has moved it since; as live as an active one."""
    UNCONFIRMED = "unconfirmed"
    """Nobody could find out whether the calendar has it. The claim is kept and a person must look."""
    FAILED = "failed"
    """The calendar refused it, or never got it. The claim is gone."""
    CANCELLED = "cancelled"
    """It was called off, for good."""
    COMPLETED = "completed"
    """Its end has passed."""


LIVE = frozenset(
    {
        AppointmentStatus.PENDING,
        AppointmentStatus.ACTIVE,
        AppointmentStatus.REQUESTED,
        AppointmentStatus.RESCHEDULED,
        AppointmentStatus.UNCONFIRMED,
    }
)
"""The statuses that keep a slot."""


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
    confirmed_at: datetime | None = None
    """When the caller said that they will come; it accepts nothing that the host must accept."""
    version: int = 1
    """How often it was made, moved or cancelled: each time is told of once."""
    host_name: str = ""


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
class QuietHours:
    """When nobody is sent what can wait, on the receiver's clock; `appointments.quiet_hours` has the law.

    Both are multiples of a quarter of an hour. They may span midnight.
    """

    begins: time = time(21)
    ends: time = time(8)


@dataclass(frozen=True, slots=True)
class MessageSettings:
    """What is sent about appointments, beside the outcome of bookings and changes."""

    reminders: tuple[timedelta, ...] = (timedelta(hours=24), timedelta(hours=2))
    """How long before the start somebody is reminded."""
    quiet: QuietHours | None = field(default_factory=QuietHours)
    follow_up_after: timedelta | None = None
    """How long after the end thanks are sent; None: none are."""
    review_link: str = ""
    """Where a review can be written; "": nobody is asked for one."""
    review_after: timedelta = timedelta(hours=24)
    rebook_link: str = ""
    """Where callers pick another time by themselves; it may name ``{booking_uid}``."""
    has_email: bool = True
    """Whether e-mails are sent too, where there is an address, a mail server, and no calendar that sends its own."""
    has_invites: bool = True
    """Whether they bring an invitation for the attendee's own calendar."""
    invite_title: str = "Appointment with {business}"
    """What the appointment is called there."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """The texts that are worded otherwise than the shipped ones, by their kinds."""


@dataclass(frozen=True, slots=True)
class SendingLimits:
    """How many texts may go out."""

    most_per_number_an_hour: int = 6
    most_a_day: int = 500
    """From one time of day to the same on the next."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing the agent may book, as the business file describes it."""

    name: str
    """``Book 30-Minute Consultation``: what instructions call it."""
    event_type_id: EventTypeId
    title: str
    zone: ZoneInfo
    duration: timedelta = timedelta(minutes=30)
    """How long it takes, where the calendar does not say."""
    has_length: bool = False
    """Whether the business file says so itself; then it is chosen where the calendar leaves a choice."""
    platform: str = "phone"
    address: str = ""
    offer: OfferSettings = field(default_factory=OfferSettings)
    fallback_email: str = ""
    """A template such as ``caller+{digits}@example.com``; empty: the caller is asked where an e-mail is needed."""
    sms_confirmation: bool = True
    sms_template: str = ""
    messages: MessageSettings = field(default_factory=MessageSettings, hash=False)
    default_instructions: bool = True
    questions: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the agent asks for the event type's questions, by their slugs."""
    constants: Mapping[str, Answer] = field(default_factory=dict, hash=False)
    """What is answered to the others, for every caller."""
    event_type_place: str = field(default="", compare=False)
    """Where the event type is written, for who has to mend it: a setting, or a line of the business file."""


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """One interval of a weekday in the business's zone; `weekday` is 0 for Monday."""

    weekday: int
    opens: time
    closes: time


class Rule(StrEnum):
    """What a slot can break; `appointments.rules` judges."""

    TOO_SOON = "too_soon"
    """It has begun, or begins before the notice we need is over."""
    TOO_FAR = "too_far"
    """It is further ahead than is booked."""
    CLOSED = "closed"
    """The business is closed on that day."""
    OUTSIDE_HOURS = "outside_hours"
    """It does not lie wholly within one interval of opening hours."""
    BLOCKED = "blocked"
    """It reaches into a blocked time."""
    OFF_GRID = "off_grid"
    """It begins at a minute at which nothing begins."""
    DAY_FULL = "day_full"
    """The day has as many appointments as it may have."""
    CALLER_FULL = "caller_full"
    """The caller has as many upcoming appointments as one caller may have."""


class WhenFull(StrEnum):
    """What becomes of a call while no more can be taken."""

    QUEUE = "queue"
    """The caller waits until there is a place."""
    DIAL = "dial"
    """The caller is put through to the fallback number."""
    CALL_BACK = "call_back"
    """The caller may leave a wish to be called back, by pressing a key."""


class Scope(StrEnum):
    """What the agent may do with the calendar."""

    READ = "read"
    CREATE = "create"
    RESCHEDULE = "reschedule"
    CANCEL = "cancel"


class Proof(StrEnum):
    """How a caller can show that appointments are theirs; `appointments.identity` judges."""

    NAME_AND_DAY = "name_and_day"
    """The name and the day of an upcoming one, from a call by its number."""
    CODE = "code"
    """The code that was texted in this call, as long as it can be entered."""
    NEW_CODE = "new_code"
    """A code to be texted to the number on record."""


@dataclass(frozen=True, slots=True)
class BlockedTime:
    """A time at which nothing is booked, in the business's zone: on weekdays (0 for Monday), or on one date."""

    begins: time
    ends: time
    weekdays: frozenset[int] = frozenset()
    day: date | None = None

    def is_on(self, day: date) -> bool:
        return day == self.day or day.weekday() in self.weekdays


@dataclass(frozen=True, slots=True)
class BookingRules:
    """What holds for every booking, whichever calendar keeps it. The ranges are checked where the file is read."""

    minimum_notice: timedelta = timedelta(hours=2)
    maximum_advance_days: int = 30
    """The last day that is booked, counted from today."""
    buffer_before: timedelta = timedelta(minutes=15)
    buffer_after: timedelta = timedelta(minutes=15)
    """Appointments are kept apart by both: the one after the earlier and the one before the later."""
    grid_minutes: int = 30
    """Slots begin at multiples of it on the wall clock; 0: as the calendar has them."""
    most_a_day: int | None = None
    most_per_caller: int = 5
    """So many upcoming appointments one caller may have."""
    closed: frozenset[date] = frozenset()
    blocked: tuple[BlockedTime, ...] = ()


class OwnerEvent(StrEnum):
    """What the owner may be told of."""

    BOOKED = "booked"
    MOVED = "moved"
    CANCELLED = "cancelled"
    FAILED = "failed"
    """Something was not done, or nobody knows whether it was."""
    CALL_BACK = "call_back"
    WAITLIST = "waitlist"


@dataclass(frozen=True, slots=True)
class OwnerChannels:
    """Where the owner is told, "" for nowhere, and of what."""

    sms: str = ""
    email: str = ""
    webhook: str = ""
    notify: tuple[OwnerEvent, ...] = tuple(OwnerEvent)


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
    when_full: WhenFull = WhenFull.QUEUE
    """What becomes of a call that no process can take."""
    transfer_number: PhoneNumber | None = None
    """The phone of a person whom callers may be put through to; None: to nobody."""
    transfer_to: str = ""
    """Who answers there, such as "the office"; "" when the business does not say."""
    transfers_always: bool = False
    """Whether that phone may ring outside the opening hours too."""
    sms_from: PhoneNumber | None = None
    sms_countries: tuple[str, ...] = ("US", "CA")
    messages: MessageSettings = field(default_factory=MessageSettings, hash=False)
    """What holds where an action has no settings of its own."""
    sending: SendingLimits = field(default_factory=SendingLimits)
    owner: OwnerChannels = field(default_factory=OwnerChannels)
    about: str = ""
    prompt: Path | None = None
    """The instructions its agent follows; None: the shipped ones."""
    rules: BookingRules = field(default_factory=BookingRules)
    scopes: frozenset[Scope] = frozenset(Scope)

    def action_of(self, event_type_id: EventTypeId) -> Action | None:
        """Return what books that event type, None when nothing does any more."""
        return next((action for action in self.actions if action.event_type_id == event_type_id), None)

    def is_open(self, at: datetime) -> bool:
        """Claim that `at` lies within the opening hours."""
        local = at.astimezone(self.zone)
        return any(hours.opens <= local.time() < hours.closes for hours in self.intervals(local.date()))

    def intervals(self, day: date) -> tuple[OpeningHours, ...]:
        """Return the opening hours of `day`, earliest first; empty when it is closed."""
        if day in self.rules.closed:
            return ()
        return tuple(sorted((h for h in self.hours if h.weekday == day.weekday()), key=lambda h: h.opens))
