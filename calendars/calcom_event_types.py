"""What Cal.com says about an event type, and what of it matters for booking by phone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from appointments.booking_fields import LOCATION, BookingField, FieldKind
from appointments.model import EventType, Scope
from calendars.calcom_places import ATTENDEE_SAYS, kind_of_place
from calendars.calcom_wire import null_as

if TYPE_CHECKING:
    from appointments.model import EventTypeId

PHONE_SLUGS = frozenset({"attendeePhoneNumber", "smsReminderNumber"})
"""Questions that the attendee's phone number answers."""
_ANSWERED_OTHERWISE = PHONE_SLUGS | {"name", "splitName", "email", LOCATION, "rescheduleReason"}
"""Questions that a booking answers by what it is: never among its event type's own."""

_KINDS = {
    "number": FieldKind.NUMBER,
    "boolean": FieldKind.YES_NO,
    "select": FieldKind.CHOICE,
    "radio": FieldKind.CHOICE,
    "multiselect": FieldKind.CHOICES,
    "checkbox": FieldKind.CHOICES,
    "phone": FieldKind.PHONE,
    "url": FieldKind.LINK,
    "multiemail": FieldKind.EMAILS,
}
"""What answers Cal.com's types of questions; all others take text."""


class Obstacle(StrEnum):
    """Why no phone call can book an event type once and for good."""

    MANAGED = "it is the parent of a managed event type"
    PRICE = "it has a price, and Cal.com gives callers no way to pay"
    # Of these Cal.com would book a repeated request twice.
    SEATS = "it has seats"
    RECURRENCE = "it recurs"
    VERIFICATION = "it has callers verify their e-mail with a code"


@dataclass(frozen=True, slots=True)
class EventTypeDetails:
    """What an event type says that matters for booking by phone.

    `demands_phone` claims that it wants the attendee's number. `places` are the kinds of place it can happen at,
    Cal.com's default first: "phone", "address", "zoom" … `forbidden` is what may be done with none of its bookings, of
    `RESCHEDULE` and `CANCEL`. `lengths` are those to choose from, none where there is no choice. `address` is the
    first one among its places, "" where it is empty or there is none.
    """

    event_type: EventType
    obstacles: tuple[Obstacle, ...] = ()
    needs_confirmation: bool = False
    lacks_hosts: bool = False
    demands_phone: bool = False
    places: tuple[str, ...] = ()
    forbidden: frozenset[Scope] = frozenset()
    lengths: tuple[timedelta, ...] = ()
    address: str = ""
    is_hidden: bool = False


def _options(value: object) -> object:
    """Take the options of a question, which are texts or, as Cal.com keeps them, objects with a value."""
    return [each.get("value") if isinstance(each, dict) else each for each in value] if isinstance(value, list) else []


class _Question(BaseModel):
    slug: Annotated[str, null_as(str)] = ""
    type: Annotated[str, null_as(str)] = ""
    label: Annotated[str, null_as(str)] = ""
    required: bool | None = False
    hidden: bool | None = False
    options: Annotated[list[str], BeforeValidator(_options)] = []
    is_default: Annotated[Any, Field(alias="isDefault")] = True

    @property
    def name(self) -> str:
        return self.slug or self.type

    @property
    def is_demanded(self) -> bool:
        # Of the questions that were added to an event type, the API demands also those that its page hides.
        return bool(self.required) and (self.is_default is False or not self.hidden)

    def read(self) -> BookingField:
        kind = _KINDS.get(self.type, FieldKind.TEXT)
        return BookingField(self.name, self.label, kind, self.is_demanded, tuple(self.options))


class WireEventType(BaseModel):
    """What booking needs to know."""

    title: str
    length: Annotated[int, Field(alias="lengthInMinutes", gt=0)]
    lengths: Annotated[list[int], null_as(list), Field(alias="lengthInMinutesOptions")] = []
    questions: Annotated[list[_Question], null_as(list), Field(alias="bookingFields")] = []
    places: Annotated[Any, Field(alias="locations")] = None
    price: float | None = None
    seats: dict[str, Any] | None = None
    recurrence: dict[str, Any] | None = None
    requires_code: Annotated[bool | None, Field(alias="requiresBookerEmailVerification")] = False
    scheduling: Annotated[Any, Field(alias="schedulingType")] = None

    @property
    def requires_email(self) -> bool:
        return any(each.required and "email" in (each.slug, each.type) for each in self.questions)

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        applies = {
            Obstacle.MANAGED: self.scheduling == "managed",
            Obstacle.PRICE: self.price,
            Obstacle.SEATS: self.seats and "seatsPerTimeSlot" in self.seats,
            Obstacle.RECURRENCE: self.recurrence and not self.recurrence.get("disabled"),
            Obstacle.VERIFICATION: self.requires_code,
        }
        return tuple(obstacle for obstacle, is_there in applies.items() if is_there)

    @property
    def kinds_of_place(self) -> tuple[str, ...]:
        """The kinds of place it can happen at, Cal.com's default first."""
        places = self.places if isinstance(self.places, list) else []
        return tuple(filter(None, map(kind_of_place, places)))

    def other_length(self, wanted: timedelta) -> int | None:
        """Return the minutes of `wanted` where they may be chosen and are not what is booked unasked."""
        minutes = round(wanted.total_seconds() / 60)
        return minutes if minutes in self.lengths and minutes != self.length else None

    def named(self, event_type_id: EventTypeId) -> EventType:
        return EventType(
            event_type_id,
            self.title,
            timedelta(minutes=self.length),
            self.requires_email,
            fields=tuple(self._fields()),
            assigns_host=self.scheduling == "roundRobin",
        )

    def _fields(self) -> list[BookingField]:
        own = [each.read() for each in self.questions if each.name not in _ANSWERED_OTHERWISE and each.type != "email"]
        kinds = self.kinds_of_place
        if ATTENDEE_SAYS.keys().isdisjoint(kinds):
            return own
        return [*own, BookingField(LOCATION, "Where is it?", is_required=ATTENDEE_SAYS.keys() >= set(kinds))]


class WireEventTypeDetails(WireEventType):
    """What booking does without, and so must not fail for: each of these may have any shape."""

    confirmation: Annotated[Any, Field(alias="confirmationPolicy")] = None
    hosts: Any = None
    has_all_members: Annotated[Any, Field(alias="assignAllTeamMembers")] = None
    rescheduling: Annotated[Any, Field(alias="disableRescheduling")] = None
    cancelling: Annotated[Any, Field(alias="disableCancelling")] = None
    hidden: Any = None

    @property
    def address(self) -> str:
        """The first address among its places, "" where it is empty or there is none."""
        places = self.places if isinstance(self.places, list) else []
        addresses = [each for each in places if isinstance(each, dict) and each.get("type") == "address"]
        return str(addresses[0].get("address") or "").strip() if addresses else ""

    def details(self, event_type_id: EventTypeId) -> EventTypeDetails:
        policy = self.confirmation if isinstance(self.confirmation, dict) else {}
        changes = {Scope.RESCHEDULE: self.rescheduling, Scope.CANCEL: self.cancelling}
        is_team = self.scheduling in ("roundRobin", "collective")
        return EventTypeDetails(
            event_type=self.named(event_type_id),
            obstacles=self.obstacles,
            needs_confirmation=bool(policy.get("type")) and not policy.get("disabled"),
            lacks_hosts=is_team and self.hosts == [] and not self.has_all_members,
            demands_phone=any(each.name in PHONE_SLUGS and each.is_demanded for each in self.questions),
            places=self.kinds_of_place,
            forbidden=frozenset(
                scope for scope, rule in changes.items() if isinstance(rule, dict) and rule.get("disabled") is True
            ),
            lengths=tuple(timedelta(minutes=minutes) for minutes in self.lengths),
            address=self.address,
            is_hidden=self.hidden is True,
        )
