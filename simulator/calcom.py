"""A stand-in of Cal.com's API v2: one host with some event types, strict about versions, keys and fields.

Where the real service would fall back to an older version silently, this one answers 404.
A slot that is gone is refused with 400; with the raw 409 only when a booking of the same start and end was made
between the arrival of the request and its turn, because that is the race which Cal.com's unique key decides.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import defaultdict, deque
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from simulator import calcom_render as render
from simulator.calcom_schedule import Booking, Guest, Schedule, ScheduleOrder
from simulator.calcom_wire import (
    CalComError,
    CreateBooking,
    ListQuery,
    NoQuery,
    SlotsQuery,
    bad_request,
    wrong_property,
)
from simulator.faults import RETRY_SECS, fault_middleware, fault_routes
from simulator.world import SimulatedClock, read_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.typedefs import Handler

    from simulator.calcom_schedule import EventTypeOrder
    from simulator.calcom_wire import CreateAttendee
    from simulator.faults import FaultBoard
    from simulator.world import Credentials

    Model = TypeVar("Model", bound=BaseModel)

OPERATIONS = {
    ("GET", "/v2/slots"): "slots",
    ("POST", "/v2/bookings"): "create",
    ("GET", "/v2/bookings"): "list",
    ("GET", "/v2/bookings/{uid}"): "get",
}
VERSIONS = {
    "slots": frozenset({"2024-09-04"}),
    "bookings": frozenset({"2024-08-13", "2026-02-25"}),
    "event-types": frozenset({"2024-06-14"}),
}
PUBLIC = frozenset({("GET", "/v2/slots"), ("POST", "/v2/bookings"), ("GET", "/v2/bookings/{uid}")})
"""What Cal.com answers without a key; a wrong key is refused even there."""

RATE_LIMIT = 120
RATE_WINDOW_SECS = 60.0

_ARRIVED = web.RequestKey("arrived", int)


class CalComStandIn:
    """The handlers of one account and the state they share."""

    def __init__(self, api_key: str, faults: FaultBoard) -> None:
        self._api_key = api_key
        self._faults = faults
        self._clock = SimulatedClock()
        self._schedule = Schedule(self._clock)
        self._throttle = Throttle()
        self._ticks = itertools.count()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/me", self.me),
            web.get("/v2/event-types/{id}", self.event_type),
            web.get("/v2/slots", self.slots),
            web.post("/v2/bookings", self.create),
            web.get("/v2/bookings", self.list),
            web.get("/v2/bookings/{uid}", self.get),
            web.post("/control/world", self.set_world),
            web.get("/control/state", self.state),
        ]

    @web.middleware
    async def answer_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn errors into Cal.com's envelopes and put the rate headers on every answer."""
        if request.path.startswith("/control/"):
            return await handler(request)
        request[_ARRIVED] = next(self._ticks)
        client = request.headers.get("Authorization", "no key")
        try:
            self._throttle.admit(client)
            response = await handler(request)
        except CalComError as error:
            response = error.answer(request.path)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            response = _no_route(request).answer(request.path)
        for name, value in self._throttle.headers(client).items():
            response.headers.setdefault(name, value)
        return response

    @web.middleware
    async def check_access(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check the key and the version header, in Cal.com's order."""
        resource = request.match_info.route.resource
        if request.path.startswith("/control/") or resource is None:
            return await handler(request)
        authorization = request.headers.get("Authorization")
        is_public = (request.method, resource.canonical) in PUBLIC
        if authorization != f"Bearer {self._api_key}" and not (is_public and authorization is None):
            raise CalComError(HTTPStatus.UNAUTHORIZED, "Invalid API Key" if authorization else "No authentication")
        versions = VERSIONS.get(request.path.split("/")[2])
        if versions and request.headers.get("cal-api-version") not in versions:
            raise _no_route(request)
        return await handler(request)

    async def me(self, request: web.Request) -> web.Response:
        _query(request, NoQuery)
        return render.success(render.me(self._schedule.zone))

    async def event_type(self, request: web.Request) -> web.Response:
        _query(request, NoQuery)
        event_type_id = request.match_info["id"]
        found = self._schedule.event_type(int(event_type_id)) if event_type_id.isdecimal() else None
        if found is None:
            raise CalComError(HTTPStatus.NOT_FOUND, f"Event type with id {event_type_id} not found")
        return render.success(render.event_type(found))

    async def slots(self, request: web.Request) -> web.Response:
        query = _query(request, SlotsQuery)
        event_type = self._event_type(query)
        if event_type is None:
            raise CalComError(HTTPStatus.NOT_FOUND, "Event Type not found")
        end = _widened(query.end)
        if query.start >= end:
            raise bad_request("Invalid time range given - check the 'start' and 'end' query parameters.")
        free = self._schedule.free_slots(event_type, query.start, end)
        length = event_type.duration if query.format == "range" else None
        return render.success(render.slots(free, query.time_zone, length))

    async def create(self, request: web.Request) -> web.Response:
        order = await _body(request, CreateBooking)
        event_type = self._event_type(order)
        if event_type is None:
            raise CalComError(HTTPStatus.NOT_FOUND, f"Event type with id {order.event_type_id} not found.")
        if order.length_in_minutes is not None:
            raise bad_request("Can't specify 'lengthInMinutes' because event type does not have multiple lengths.")
        guest = self._guest(event_type, order.attendee)
        if self._faults.take("create", frozenset({"taken"})):
            self._let_somebody_else_book(event_type, order.start, request[_ARRIVED])
        self._check_race(event_type, order.start, request[_ARRIVED])
        self._schedule.check_bookable(event_type, order.start)
        booking = self._new_booking(event_type, order.start, guest, next(self._ticks))
        booking.metadata = order.metadata
        booking.guests = list(order.guests)
        booking.responses = order.booking_fields_responses.model_dump(exclude_none=True)
        self._schedule.bookings.append(booking)
        return render.success(self._rendered(booking), status=HTTPStatus.CREATED)

    async def get(self, request: web.Request) -> web.Response:
        _query(request, NoQuery)
        uid = request.match_info["uid"]
        for booking in self._schedule.bookings:
            if booking.uid == uid:
                return render.success(self._rendered(booking))
        raise CalComError(HTTPStatus.NOT_FOUND, f"Booking with uid={uid} was not found in the database")

    async def list(self, request: web.Request) -> web.Response:
        query = _query(request, ListQuery)
        found = [booking for booking in self._schedule.bookings if _matches(booking, query, self._clock())]
        for key, direction in _sorting(query):
            found.sort(key=key, reverse=direction == "desc")
        page = found[query.skip : query.skip + query.take]
        pagination = render.pagination(len(found), len(page), take=query.take, skip=query.skip)
        return render.success([self._rendered(booking) for booking in page], pagination=pagination)

    async def set_world(self, request: web.Request) -> web.Response:
        self._schedule.reset(await read_order(request, ScheduleOrder))
        self._throttle = Throttle()
        return web.json_response({})

    async def state(self, _request: web.Request) -> web.Response:
        bookings = [booking.summary for booking in self._schedule.bookings]
        return web.json_response({"faults": self._faults.fired, "bookings": bookings})

    def _event_type(self, named: SlotsQuery | CreateBooking) -> EventTypeOrder | None:
        if named.event_type_id is not None:
            return self._schedule.event_type(named.event_type_id)
        return self._schedule.event_type_of_slug(named.event_type_slug, named.username)

    def _guest(self, event_type: EventTypeOrder, attendee: CreateAttendee) -> Guest:
        if attendee.email is None and event_type.requires_email:
            raise bad_request("{email}error_required_field")
        email = attendee.email or "".join(filter(str.isdigit, attendee.phone_number or "")) + "@sms.cal.com"
        return Guest(attendee.name, email, attendee.time_zone.key, attendee.phone_number, attendee.language)

    def _let_somebody_else_book(self, event_type: EventTypeOrder, start: datetime, arrived: int) -> None:
        if self._schedule.free_slots(event_type, start, start):
            guest = Guest("Somebody Else", "somebody.else@example.com", self._schedule.zone.key)
            booking = self._new_booking(event_type, start, guest, arrived)
            booking.by = "fault"
            self._schedule.bookings.append(booking)

    def _check_race(self, event_type: EventTypeOrder, start: datetime, arrived: int) -> None:
        for booking in self._schedule.busy(event_type, start):
            is_equal = (booking.start, booking.end) == (start, start + event_type.duration)
            if is_equal and booking.order > arrived:
                raise CalComError(HTTPStatus.CONFLICT, "booking_conflict_error", is_raw=True)

    def _new_booking(self, event_type: EventTypeOrder, start: datetime, guest: Guest, order: int) -> Booking:
        return Booking(event_type, start.astimezone(UTC), guest, self._clock(), order)

    def _rendered(self, booking: Booking) -> dict[str, object]:
        number = self._schedule.bookings.index(booking) + 1
        return render.booking(booking, number=number, zone=self._schedule.zone)


class Throttle:
    """Cal.com's limit: 120 requests a minute for each key, then a minute of refusals."""

    def __init__(self) -> None:
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)
        self._blocked_until: dict[str, float] = {}

    def admit(self, client: str) -> None:
        """Count a request, or answer 429."""
        now = time.monotonic()
        recent = self._recent[client]
        while recent and recent[0] <= now - RATE_WINDOW_SECS:
            recent.popleft()
        if len(recent) >= RATE_LIMIT and now >= self._blocked_until.get(client, 0.0):
            self._blocked_until[client] = now + RATE_WINDOW_SECS
        if now < self._blocked_until.get(client, 0.0):
            raise _too_many_requests()
        recent.append(now)

    def headers(self, client: str) -> dict[str, str]:
        """Return the rate headers; the reset is the number of seconds to wait."""
        now = time.monotonic()
        recent = self._recent[client]
        reset_at = self._blocked_until.get(client, 0.0)
        if now >= reset_at:
            reset_at = (recent[0] if recent else now) + RATE_WINDOW_SECS
        remaining = 0 if now < self._blocked_until.get(client, 0.0) else RATE_LIMIT - len(recent)
        return _rate_headers(remaining, reset_at - now)


def build_app(credentials: Credentials, faults: FaultBoard) -> web.Application:
    """Return the stand-in as an application, control endpoints included."""
    stand_in = CalComStandIn(credentials.calcom_api_key, faults)
    acting_out = fault_middleware(faults, OPERATIONS, error_500=_internal_error, rate_limited=_rate_limited)
    app = web.Application(middlewares=[stand_in.answer_errors, stand_in.check_access, acting_out])
    app.add_routes([*stand_in.routes(), *fault_routes(faults)])
    return app


def _rate_headers(remaining: int, reset_secs: float) -> dict[str, str]:
    return {
        "X-RateLimit-Limit-Default": str(RATE_LIMIT),
        "X-RateLimit-Remaining-Default": str(remaining),
        "X-RateLimit-Reset-Default": str(max(1, round(reset_secs))),
    }


def _too_many_requests() -> CalComError:
    text = "CustomThrottlerGuard - Too many requests. Please try again later."
    return CalComError(HTTPStatus.TOO_MANY_REQUESTS, text, code="ThrottlerException")


def _rate_limited(request: web.Request) -> web.Response:
    answer = _too_many_requests().answer(request.path)
    answer.headers.update(_rate_headers(0, request[RETRY_SECS]))
    return answer


def _internal_error(request: web.Request) -> web.Response:
    error = CalComError(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error", is_raw=True)
    return error.answer(request.path)


def _no_route(request: web.Request) -> CalComError:
    return CalComError(HTTPStatus.NOT_FOUND, f"Cannot {request.method} {request.path_qs}")


def _query(request: web.Request, model: type[Model]) -> Model:
    given = {name: ",".join(request.query.getall(name)) for name in request.query}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise wrong_property(error) from error


async def _body(request: web.Request, model: type[Model]) -> Model:
    if request.query:
        raise bad_request(f"property {next(iter(request.query))} should not exist")
    try:
        given = json.loads(await request.read()) if request.content_type == "application/json" else None
    except ValueError as error:
        raise bad_request(f"Unexpected token in JSON: {error}") from error
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise wrong_property(error) from error


def _widened(end: datetime) -> datetime:
    """Return `end`, moved to the end of its day when it is exactly midnight UTC, as Cal.com does."""
    end = end.astimezone(UTC)
    return end + timedelta(days=1, seconds=-1) if end.time() == clock_time.min else end


def _matches(booking: Booking, query: ListQuery, now: datetime) -> bool:
    guest = booking.guest
    checks = (
        query.status is None or _standing(booking, now) in query.status,
        query.attendee_email in (None, guest.email),
        query.attendee_name in (None, guest.name),
        query.booking_uid in (None, booking.uid),
        query.event_type_id in (None, booking.event_type.id),
        query.event_type_ids is None or booking.event_type.id in query.event_type_ids,
        query.after_start is None or booking.start >= query.after_start,
        query.before_end is None or booking.end <= query.before_end,
        # Nothing changes a booking here: it was last updated when it was created.
        all(after is None or booking.created_at >= after for after in (query.after_created_at, query.after_updated_at)),
        all(b is None or booking.created_at <= b for b in (query.before_created_at, query.before_updated_at)),
    )
    return all(checks)


def _standing(booking: Booking, now: datetime) -> str:
    return "upcoming" if booking.end > now else "past"


def _sorting(query: ListQuery) -> list[tuple[Callable[[Booking], datetime], str]]:
    keys: list[tuple[Callable[[Booking], datetime], str | None]] = [
        (lambda booking: booking.created_at, query.sort_updated_at),
        (lambda booking: booking.created_at, query.sort_created),
        (lambda booking: booking.end, query.sort_end),
        (lambda booking: booking.start, query.sort_start),
    ]
    return [(key, direction) for key, direction in keys if direction]
