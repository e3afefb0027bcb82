"""Where Cal.com's bookings happen: the locations of an event type, and which of them a booking gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.calcom_wire import AskedMeeting, bad_request

if TYPE_CHECKING:
    from simulator.calcom_wire import AskedPlace

MEETINGS = {
    "cal-video": ("integrations:daily", "https://app.cal.com/video/"),
    "zoom": ("integrations:zoom", "https://zoom.us/j/"),
    "google-meet": ("integrations:google:meet", "https://meet.google.com/"),
    "office365-video": ("integrations:office365_video", "https://teams.microsoft.com/meet/"),
}
"""What Cal.com calls an app in its database and webhooks, and how the links to its meetings begin."""


class _Place(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Address(_Place):
    """The attendee comes to the host."""

    type: Literal["address"]
    address: str
    public: bool = True


class Phone(_Place):
    """The attendee calls the host."""

    type: Literal["phone"]
    phone: str = Field(min_length=1)
    public: bool = True


class Link(_Place):
    """Both meet at a link that the host has once and for all."""

    type: Literal["link"]
    link: str = Field(min_length=1)
    public: bool = True


class Meeting(_Place):
    """Both meet by video, at a link of the booking's own."""

    type: Literal["integration"] = "integration"
    integration: Literal["cal-video", "zoom", "google-meet", "office365-video"] = "cal-video"


class AttendeePhone(_Place):
    """The host calls the attendee."""

    type: Literal["attendeePhone"]


class AttendeeAddress(_Place):
    """The host comes to the attendee."""

    type: Literal["attendeeAddress"]


class AttendeeDefined(_Place):
    """The attendee says where."""

    type: Literal["attendeeDefined"]


Place = Annotated[
    Address | Phone | Link | Meeting | AttendeePhone | AttendeeAddress | AttendeeDefined, Field(discriminator="type")
]
UNSAID = {"attendeePhone": "phone", "attendeeAddress": "attendeeInPerson", "attendeeDefined": "somewhereElse"}
"""What Cal.com writes down as the location when the attendee should have said it and did not."""


def chosen(places: Sequence[Place], asked: AskedPlace | None, event_type_id: int) -> tuple[Place, str]:
    """Return the place that is asked for, the first where none is, and what the attendee says about it."""
    if asked is None:
        return places[0], ""
    kinds = [place.type for place in places]
    if asked.type not in kinds:
        raise bad_request(
            f"Booking location with type {asked.type} not valid for event type with id={event_type_id}. "
            f"The event type has following location types: {', '.join(kinds)}, "
            "and only these types are allowed for booking location."
        )
    if isinstance(asked, AskedMeeting):
        return _meeting(places, asked, event_type_id), ""
    return places[kinds.index(asked.type)], asked.answer


def _meeting(places: Sequence[Place], asked: AskedMeeting, event_type_id: int) -> Meeting:
    meetings = {place.integration: place for place in places if isinstance(place, Meeting)}
    for app, meeting in meetings.items():
        if app == asked.integration:
            return meeting
    raise bad_request(
        f"Booking location with integration {asked.integration} not valid for event type with id={event_type_id}. "
        f"The event type has following integrations: {', '.join(meetings)}, "
        "and only these integrations are allowed for booking location."
    )


def told(place: Place, answer: str, uid: str) -> str:
    """Return the location as the API tells it: an address, a number, or a link."""
    match place:
        case Address(address=address):
            return address
        case Phone(phone=phone):
            return phone
        case Link(link=link):
            return link
        case Meeting(integration=app):
            return MEETINGS[app][1] + uid
        case _:
            return answer or UNSAID[place.type]
