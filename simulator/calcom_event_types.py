"""The stand-in Cal.com's event types: how a scenario orders them, and how Cal.com describes them."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from simulator.calcom_fields import FieldOrder, own_fields
from simulator.calcom_people import OWNER, TEAM_ID, TEAM_NAME, TEAM_SLUG, Host, member
from simulator.calcom_places import Meeting, Place
from simulator.calcom_wire import (
    CalComError,
    EventTypesQuery,
    NoQuery,
    TeamTypesQuery,
    bad_request,
    read_query,
    success,
)
from simulator.world import EVENT_TYPE_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from simulator.calcom_schedule import Schedule

BOOKING_WINDOW_DAYS = 60


class EventTypeOrder(BaseModel):
    """What can be booked; also the form a scenario orders it in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int = Field(default=EVENT_TYPE_ID, ge=1)
    title: str = Field(default="30-Minute Consultation", min_length=1)
    minutes: int = Field(default=30, ge=5)
    lengths: tuple[int, ...] = ()
    """What the booker may choose between instead of `minutes`, which is one of them."""
    requires_email: bool = True
    requires_phone: bool = False
    requires_confirmation: bool = False
    """Bookings are pending, and until the host accepts one they take no time, as is Cal.com's default."""
    notice_minutes: int = Field(default=0, ge=0)
    disable_rescheduling: bool = False
    reschedule_notice_minutes: int = Field(default=0, ge=0)
    """So long before its start a booking can no longer be moved."""
    disable_cancelling: bool = False
    locations: tuple[Place, ...] = Field(default=(Meeting(),), min_length=1)
    """The first is the default. `location` orders one alone."""
    fields: tuple[FieldOrder, ...] = ()
    price: float = Field(default=0, ge=0)
    currency: str = "usd"
    seats: int = Field(default=0, ge=0)
    recurs: bool = False
    verifies_email: bool = False
    hidden: bool = False
    booker_limit: int = Field(default=0, ge=0)
    """So many of its bookings an attendee may have ahead; 0 for any number."""
    scheduling: Literal["", "roundRobin", "collective", "managed"] = ""
    """How a team's event type is divided among its hosts; "" for the owner's own."""
    hosts: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _one_location(cls, given: Any) -> Any:
        if isinstance(given, dict) and "location" in given and "locations" not in given:
            others = {name: value for name, value in given.items() if name != "location"}
            return {**others, "locations": [given["location"]]}
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.lengths and self.minutes not in self.lengths:
            raise ValueError("has lengths without its own minutes among them")
        if self.hosts and not self.scheduling:
            raise ValueError("has hosts, but no scheduling to divide it among them")
        return self

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

    @property
    def people(self) -> tuple[Host, ...]:
        """Who may receive its attendees."""
        return tuple(member(name) for name in self.hosts) if self.scheduling else (OWNER,)

    def lasting(self, minutes: int) -> EventTypeOrder:
        """Return the same event type with another of its lengths, or the one a booking of it once had."""
        return self.model_copy(update={"minutes": minutes})


def _distinct(ordered: tuple[EventTypeOrder, ...]) -> tuple[EventTypeOrder, ...]:
    for what in ("id", "slug"):
        if len({getattr(each, what) for each in ordered}) < len(ordered):
            raise ValueError(f"must differ in {what}")
    return ordered


EventTypes = Annotated[tuple[EventTypeOrder, ...], Field(min_length=1), AfterValidator(_distinct)]


class EventTypesOrder(BaseModel):
    """The body of ``POST /control/event_types``: the owner changes them, and what is booked stays booked."""

    model_config = ConfigDict(extra="forbid")

    event_types: EventTypes


class EventTypePages:
    """The handlers that tell of event types and of the team."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/event-types", self.list),
            web.get("/v2/event-types/{id}", self.get),
            web.get("/v2/teams", self.teams),
            web.get("/v2/teams/{id}/event-types", self.list_of_team),
        ]

    async def get(self, request: web.Request) -> web.Response:
        read_query(request, NoQuery)
        event_type_id = request.match_info["id"]
        found = self._schedule.event_type(int(event_type_id)) if event_type_id.isdecimal() else None
        if found is None:
            raise CalComError(HTTPStatus.NOT_FOUND, f"Event type with id {event_type_id} not found")
        return success(described(found))

    async def list(self, request: web.Request) -> web.Response:
        """Answer with the owner's own, without the fields that bookers do not see; a team's are with the team."""
        query = read_query(request, EventTypesQuery)
        if query.event_slug and not query.username:
            raise bad_request("eventSlug needs a username: several users can have an event type of the same slug.")
        is_owner = "Authorization" in request.headers
        if query.username != OWNER.username:
            return success([])  # also when nobody is named
        found = self._chosen(query, lambda each: not each.scheduling and (is_owner or not each.hidden))
        return success([_without_hidden_fields(described(each)) for each in found])

    async def teams(self, request: web.Request) -> web.Response:
        read_query(request, NoQuery)
        has_team = any(each.scheduling for each in self._schedule.event_types)
        team = {"id": TEAM_ID, "name": TEAM_NAME, "slug": TEAM_SLUG, "isOrganization": False}
        return success([team] if has_team else [])

    async def list_of_team(self, request: web.Request) -> web.Response:
        query = read_query(request, TeamTypesQuery)
        if request.match_info["id"] != str(TEAM_ID):
            raise CalComError(HTTPStatus.FORBIDDEN, "User is not a member of the team")
        return success([described(each) for each in self._chosen(query, lambda each: bool(each.scheduling))])

    def _chosen(
        self, query: EventTypesQuery | TeamTypesQuery, belongs: Callable[[EventTypeOrder], bool]
    ) -> Sequence[EventTypeOrder]:
        found = [each for each in self._schedule.event_types if belongs(each)]
        found = [each for each in found if query.event_slug in (None, each.slug)]
        if query.sort_created_at:
            found.sort(key=lambda each: each.id, reverse=query.sort_created_at == "desc")
        return found


def described(ordered: EventTypeOrder) -> dict[str, object]:
    """Return an event type as Cal.com describes it to its owner."""
    return {
        "id": ordered.id,
        "lengthInMinutes": ordered.minutes,
        **({"lengthInMinutesOptions": list(ordered.lengths)} if ordered.lengths else {}),
        "title": ordered.title,
        "slug": ordered.slug,
        "description": "",
        "locations": [place.model_dump() for place in ordered.locations],
        "bookingFields": _booking_fields(ordered),
        "disableGuests": False,
        "slotInterval": None,
        "minimumBookingNotice": ordered.notice_minutes,
        "beforeEventBuffer": 0,
        "afterEventBuffer": 0,
        "bookingWindow": [{"type": "calendarDays", "value": BOOKING_WINDOW_DAYS, "rolling": False}],
        "recurrence": {"interval": 1, "occurrences": 4, "frequency": "weekly"} if ordered.recurs else None,
        "metadata": {},
        "price": ordered.price,
        "currency": ordered.currency,
        "lockTimeZoneToggleOnBookingPage": False,
        "forwardParamsSuccessRedirect": None,
        "successRedirectUrl": None,
        "isInstantEvent": False,
        "scheduleId": 1,
        "requiresBookerEmailVerification": ordered.verifies_email,
        "disableCancelling": {"disabled": ordered.disable_cancelling},
        "disableRescheduling": _disable_rescheduling(ordered),
        "confirmationPolicy": _confirmation_policy(ordered),
        "hidden": ordered.hidden,
        "bookingRequiresAuthentication": False,
        **_limits(ordered),
        **(_of_team(ordered) if ordered.scheduling else _of_owner(ordered)),
    }


def _booking_fields(ordered: EventTypeOrder) -> list[dict[str, object]]:
    asked = [field.described for field in ordered.fields]
    asked_otherwise = {field["slug"] for field in asked}
    own = own_fields(requires_email=ordered.requires_email, requires_phone=ordered.requires_phone)
    return [*(field for field in own if field["slug"] not in asked_otherwise), *asked]


def _limits(ordered: EventTypeOrder) -> dict[str, object]:
    limits: dict[str, object] = {}
    if ordered.seats:
        limits["seats"] = {"seatsPerTimeSlot": ordered.seats, "showAttendeeInfo": False, "showAvailabilityCount": True}
    if ordered.booker_limit:
        limits["bookerActiveBookingsLimit"] = {
            "maximumActiveBookings": ordered.booker_limit,
            "offerReschedule": False,
        }
    return limits


def _of_owner(ordered: EventTypeOrder) -> dict[str, object]:
    return {
        "ownerId": OWNER.id,
        "users": [{"id": OWNER.id, "name": OWNER.name, "username": OWNER.username}],
        "bookingUrl": f"https://cal.com/{OWNER.username}/{ordered.slug}",
    }


def _of_team(ordered: EventTypeOrder) -> dict[str, object]:
    hosts = [
        {
            "userId": host.id,
            "name": host.name,
            "username": host.username,
            "avatarUrl": None,
            "mandatory": False,
            "priority": "medium",
        }
        for host in ordered.people
    ]
    return {
        "teamId": TEAM_ID,
        "ownerId": None,
        "parentEventTypeId": None,
        "schedulingType": ordered.scheduling,
        "assignAllTeamMembers": False,
        "hosts": hosts,
        "team": {"id": TEAM_ID, "name": TEAM_NAME, "slug": TEAM_SLUG, "weekStart": "Sunday"},
        "bookingUrl": f"https://cal.com/team/{TEAM_SLUG}/{ordered.slug}",
    }


def _disable_rescheduling(ordered: EventTypeOrder) -> dict[str, object]:
    if ordered.reschedule_notice_minutes and not ordered.disable_rescheduling:
        return {"minutesBefore": ordered.reschedule_notice_minutes}
    return {"disabled": ordered.disable_rescheduling}


def _confirmation_policy(ordered: EventTypeOrder) -> dict[str, object]:
    if not ordered.requires_confirmation:
        return {"disabled": True}
    return {"type": "always", "blockUnconfirmedBookingsInBooker": False}


def _without_hidden_fields(told: dict[str, Any]) -> dict[str, Any]:
    return told | {"bookingFields": [field for field in told["bookingFields"] if not field["hidden"]]}
