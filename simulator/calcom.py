"""A stand-in of Cal.com's API v2: one account with some event types, strict about versions, keys and fields.

Where the real service would fall back to an older version silently, this one answers 404.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from simulator import calcom_render as render
from simulator.calcom_bookings import ARRIVED, Bookings
from simulator.calcom_calendars import Calendars
from simulator.calcom_diary import Diary
from simulator.calcom_event_types import EventTypePages, EventTypesOrder
from simulator.calcom_host import HostChanges
from simulator.calcom_making import Making
from simulator.calcom_owner import Owner
from simulator.calcom_reservations import Reservations
from simulator.calcom_schedule import ClockOrder, Schedule, ScheduleOrder
from simulator.calcom_throttle import Throttle, rate_limited
from simulator.calcom_webhooks import Webhooks
from simulator.calcom_wire import CalComError, NoQuery, SlotsQuery, bad_request, read_query, success
from simulator.faults import fault_middleware, fault_routes
from simulator.world import SimulatedClock, read_order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import Handler

    from simulator.faults import FaultBoard
    from simulator.world import Credentials

OPERATIONS = {
    ("GET", "/v2/slots"): "slots",
    ("POST", "/v2/bookings"): "create",
    ("GET", "/v2/bookings"): "list",
    ("GET", "/v2/bookings/{uid}"): "get",
    ("POST", "/v2/bookings/{uid}/reschedule"): "reschedule",
    ("POST", "/v2/bookings/{uid}/cancel"): "cancel",
    ("POST", "/v2/bookings/{uid}/confirm"): "decide",
    ("POST", "/v2/bookings/{uid}/decline"): "decide",
    ("POST", "/v2/bookings/{uid}/mark-absent"): "decide",
    ("GET", "/v2/bookings/{uid}/calendar-links"): "links",
    ("GET", "/v2/event-types"): "event_types",
    ("GET", "/v2/event-types/{id}"): "event_types",
    ("GET", "/v2/teams/{id}/event-types"): "event_types",
    ("GET", "/v2/calendars"): "calendars",
    ("GET", "/v2/conferencing"): "calendars",
    ("GET", "/v2/webhooks"): "webhooks",
    ("POST", "/v2/webhooks"): "webhooks",
    ("PATCH", "/v2/webhooks/{id}"): "webhooks",
    ("DELETE", "/v2/webhooks/{id}"): "webhooks",
    ("POST", "/v2/slots/reservations"): "reservations",
    ("GET", "/v2/slots/reservations/{uid}"): "reservations",
    ("PATCH", "/v2/slots/reservations/{uid}"): "reservations",
    ("DELETE", "/v2/slots/reservations/{uid}"): "reservations",
}
VERSIONS = {
    "slots": frozenset({"2024-09-04"}),
    "bookings": frozenset({"2024-08-13", "2026-02-25"}),
    "event-types": frozenset({"2024-06-14"}),
}
PUBLIC = frozenset(
    {
        ("GET", "/v2/slots"),
        ("POST", "/v2/bookings"),
        ("GET", "/v2/bookings/{uid}"),
        ("POST", "/v2/bookings/{uid}/reschedule"),
        ("POST", "/v2/bookings/{uid}/cancel"),
        ("POST", "/v2/slots/reservations"),
        ("GET", "/v2/slots/reservations/{uid}"),
        ("PATCH", "/v2/slots/reservations/{uid}"),
        ("DELETE", "/v2/slots/reservations/{uid}"),
        ("GET", "/v2/event-types"),
    }
)
"""What Cal.com answers without a key; a wrong key is refused even there."""


class CalComStandIn:
    """The handlers of one account and the state they share."""

    def __init__(self, api_key: str, faults: FaultBoard) -> None:
        self._api_key = api_key
        self._faults = faults
        self._clock = SimulatedClock()
        self._schedule = Schedule(self._clock)
        self._throttle = Throttle()
        self._ticks = itertools.count()
        self._webhooks = Webhooks()
        self._diary = Diary(self._schedule, self._clock, self._webhooks, self._ticks)
        making = Making(self._schedule, self._clock, faults, self._diary)
        self._parts = (
            EventTypePages(self._schedule),
            Calendars(self._schedule),
            Reservations(self._schedule, self._clock),
            Bookings(self._schedule, self._clock, self._diary, making),
            HostChanges(self._schedule, self._clock, self._diary),
            Owner(self._schedule, self._diary, making, self._ticks),
            self._webhooks,
        )

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/me", self.me),
            web.get("/v2/slots", self.slots),
            *(route for part in self._parts for route in part.routes()),
            web.post("/control/world", self.set_world),
            web.post("/control/event_types", self.set_event_types),
            web.post("/control/clock", self.set_clock),
            web.get("/control/state", self.state),
        ]

    def running(self, app: web.Application) -> AsyncIterator[None]:
        """Own what goes on in the background for as long as the application runs."""
        return self._webhooks.running(app)

    @web.middleware
    async def answer_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn errors into Cal.com's envelopes and put the rate headers on every answer."""
        if request.path.startswith("/control/"):
            return await handler(request)
        request[ARRIVED] = next(self._ticks)
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
        read_query(request, NoQuery)
        return success(render.me(self._schedule.zone))

    async def slots(self, request: web.Request) -> web.Response:
        query = read_query(request, SlotsQuery)
        event_type = self._schedule.named(query.event_type_id, query.event_type_slug, query.username)
        if event_type is None:
            raise CalComError(HTTPStatus.NOT_FOUND, "Event Type not found")
        if query.duration is not None:
            if query.duration not in event_type.lengths:
                raise bad_request("Invalid duration: the event type does not have that length.")
            event_type = event_type.lasting(query.duration)
        end = _widened(query.end)
        if query.start >= end:
            raise bad_request("Invalid time range given - check the 'start' and 'end' query parameters.")
        moving = self._schedule.booking(query.booking_uid_to_reschedule)
        free = self._schedule.listed_slots(event_type, query.start, end, moving=moving)
        length = event_type.duration if query.format == "range" else None
        return success(render.slots(free, query.time_zone, length))

    async def set_world(self, request: web.Request) -> web.Response:
        self._schedule.reset(await read_order(request, ScheduleOrder))
        self._webhooks.reset()
        self._throttle = Throttle()
        return web.json_response({})

    async def set_event_types(self, request: web.Request) -> web.Response:
        self._schedule.event_types = (await read_order(request, EventTypesOrder)).event_types
        return web.json_response({})

    async def set_clock(self, request: web.Request) -> web.Response:
        self._clock.set((await read_order(request, ClockOrder)).now)
        self._diary.report_due()
        return web.json_response({})

    async def state(self, _request: web.Request) -> web.Response:
        bookings = [booking.summary for booking in self._schedule.bookings]
        reservations = [render.reservation(each) for each in self._schedule.reservations]
        held = {"bookings": bookings, "reservations": reservations, **self._webhooks.summary}
        return web.json_response({"faults": self._faults.fired, **held})


def build_app(credentials: Credentials, faults: FaultBoard) -> web.Application:
    """Return the stand-in as an application, control endpoints included."""
    stand_in = CalComStandIn(credentials.calcom_api_key, faults)
    acting_out = fault_middleware(faults, OPERATIONS, error_500=_internal_error, rate_limited=rate_limited)
    app = web.Application(middlewares=[stand_in.answer_errors, stand_in.check_access, acting_out])
    app.add_routes([*stand_in.routes(), *fault_routes(faults)])
    app.cleanup_ctx.append(stand_in.running)
    return app


def _internal_error(request: web.Request) -> web.Response:
    error = CalComError(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error", is_raw=True)
    return error.answer(request.path)


def _no_route(request: web.Request) -> CalComError:
    return CalComError(HTTPStatus.NOT_FOUND, f"Cannot {request.method} {request.path_qs}")


def _widened(end: datetime) -> datetime:
    """Return `end`, moved to the end of its day when it is exactly midnight UTC, as Cal.com does."""
    end = end.astimezone(UTC)
    return end + timedelta(days=1, seconds=-1) if end.time() == clock_time.min else end
