"""What Cal.com says about an event type, and what of it matters for booking by phone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from appointments.model import EventType, Scope
from calendars.calcom_wire import null_as

if TYPE_CHECKING:
    from appointments.model import EventTypeId


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

    `required_fields` are the questions, by slug, that must be answered beside the name and the e-mail.
    `locations` are the kinds of place it can happen at, Cal.com's default first: "phone", "address", "zoom" …
    `forbidden` is what may be done with none of its bookings, of `RESCHEDULE` and `CANCEL`.
    """

    event_type: EventType
    obstacles: tuple[Obstacle, ...] = ()
    needs_confirmation: bool = False
    lacks_hosts: bool = False
    required_fields: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    forbidden: frozenset[Scope] = frozenset()


class _Field(BaseModel):
    slug: Annotated[str, null_as(str)] = ""
    type: Annotated[str, null_as(str)] = ""
    required: bool | None = False
    hidden: bool | None = False


class WireEventType(BaseModel):
    title: str
    length: Annotated[int, Field(alias="lengthInMinutes", gt=0)]
    fields: Annotated[list[_Field], null_as(list), Field(alias="bookingFields")] = []
    price: float | None = None
    seats: dict[str, Any] | None = None
    recurrence: dict[str, Any] | None = None
    requires_code: Annotated[bool | None, Field(alias="requiresBookerEmailVerification")] = False
    scheduling: Annotated[Any, Field(alias="schedulingType")] = None

    @property
    def requires_email(self) -> bool:
        return any(field.required and "email" in (field.slug, field.type) for field in self.fields)

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

    def named(self, event_type_id: EventTypeId) -> EventType:
        return EventType(event_type_id, self.title, timedelta(minutes=self.length), self.requires_email)


class WireEventTypeDetails(WireEventType):
    """What booking does without, and so must not fail for: each of these may have any shape."""

    confirmation: Annotated[Any, Field(alias="confirmationPolicy")] = None
    hosts: Any = None
    has_all_members: Annotated[Any, Field(alias="assignAllTeamMembers")] = None
    places: Annotated[Any, Field(alias="locations")] = None
    rescheduling: Annotated[Any, Field(alias="disableRescheduling")] = None
    cancelling: Annotated[Any, Field(alias="disableCancelling")] = None

    def details(self, event_type_id: EventTypeId) -> EventTypeDetails:
        policy = self.confirmation if isinstance(self.confirmation, dict) else {}
        changes = {Scope.RESCHEDULE: self.rescheduling, Scope.CANCEL: self.cancelling}
        is_team = self.scheduling in ("roundRobin", "collective")
        return EventTypeDetails(
            event_type=self.named(event_type_id),
            obstacles=self.obstacles,
            needs_confirmation=bool(policy.get("type")) and not policy.get("disabled"),
            lacks_hosts=is_team and self.hosts == [] and not self.has_all_members,
            required_fields=tuple(
                field.slug or field.type
                for field in self.fields
                if field.required and not field.hidden and not {field.slug, field.type} & {"name", "email"}
            ),
            locations=tuple(filter(None, map(_kind_of_place, self.places if isinstance(self.places, list) else []))),
            forbidden=frozenset(
                scope for scope, rule in changes.items() if isinstance(rule, dict) and rule.get("disabled") is True
            ),
        )


def _kind_of_place(place: object) -> str:
    if not isinstance(place, dict):
        return ""
    kind = place.get("integration") if place.get("type") == "integration" else place.get("type")
    return kind if isinstance(kind, str) else ""
