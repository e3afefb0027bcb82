"""The stand-in Cal.com's reservations: they hide a time from everybody who looks for slots, and lock nothing."""

from __future__ import annotations

from datetime import UTC, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from simulator import calcom_render as render
from simulator.calcom_schedule import Reservation
from simulator.calcom_wire import (
    CalComError,
    NoQuery,
    ReserveSlot,
    bad_request,
    read_body,
    read_query,
    success,
    wrong_properties,
)

if TYPE_CHECKING:
    from simulator.calcom_schedule import Schedule
    from simulator.world import SimulatedClock

DEFAULT_MINUTES = 5
NEEDS_KEY = (
    "reservationDuration can only be used for authenticated requests - use access token, api key or OAuth credentials"
)
NOT_VARIABLE = "You passed 'slotDuration' but this event type is not a variable length event type."
BOOKED = "Can't reserve a slot if the event is already booked."
RESERVED = "This time slot is already reserved by another user. Please choose a different time."


class Reservations:
    """The handlers of the API's reservations."""

    def __init__(self, schedule: Schedule, clock: SimulatedClock) -> None:
        self._schedule = schedule
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        path = "/v2/slots/reservations"
        return [
            web.post(path, self.reserve),
            web.get(path + "/{uid}", self.get),
            web.patch(path + "/{uid}", self.change),
            web.delete(path + "/{uid}", self.release),
        ]

    async def reserve(self, request: web.Request) -> web.Response:
        order = await read_body(request, ReserveSlot, refusal=wrong_properties)
        if order.reservation_duration and "Authorization" not in request.headers:
            raise CalComError(HTTPStatus.UNAUTHORIZED, NEEDS_KEY)
        reservation = self._reservation(order)
        self._schedule.reservations.append(reservation)
        return success(render.reservation(reservation), status=HTTPStatus.CREATED)

    async def get(self, request: web.Request) -> web.Response:
        read_query(request, NoQuery)
        found = self._live(request)
        return success(None if found is None else render.reservation(found))

    async def change(self, request: web.Request) -> web.Response:
        """Put another reservation in the place of this one, which must not overlap it: Cal.com does not look whose."""
        order = await read_body(request, ReserveSlot, refusal=wrong_properties)
        old = self._live(request)
        if old is None:
            raise CalComError(HTTPStatus.NOT_FOUND, f"Slot with uid={request.match_info['uid']} not found")
        new = self._reservation(order, uid=old.uid)
        self._schedule.reservations[self._schedule.reservations.index(old)] = new
        return success(render.reservation(new))

    async def release(self, request: web.Request) -> web.Response:
        uid = request.match_info["uid"]
        self._schedule.reservations = [each for each in self._schedule.reservations if each.uid != uid]
        return web.json_response({"status": "success"})

    def _live(self, request: web.Request) -> Reservation | None:
        uid = request.match_info["uid"]
        live = (each for each in self._schedule.reservations if each.until > self._clock())
        return next((each for each in live if each.uid == uid), None)

    def _reservation(self, order: ReserveSlot, **uid: str) -> Reservation:
        """Return what is ordered, or answer what is wrong with it. Whether it is a slot at all is not looked at."""
        event_type = self._schedule.event_type(order.event_type_id)
        if event_type is None:
            raise CalComError(HTTPStatus.NOT_FOUND, f"Event Type with ID={order.event_type_id} not found")
        if order.slot_duration is not None:
            if order.slot_duration not in event_type.lengths:
                raise bad_request(NOT_VARIABLE)
            event_type = event_type.lasting(order.slot_duration)
        minutes = order.reservation_duration or DEFAULT_MINUTES
        start, until = order.slot_start.astimezone(UTC), self._clock() + timedelta(minutes=minutes)
        reservation = Reservation(event_type, start, minutes, until, **uid)
        # Of other event types, bookings and reservations are not looked at.
        bookings = (booking for booking in self._schedule.bookings if booking.is_live)
        of_type = [booking for booking in bookings if booking.event_type.id == event_type.id]
        if any(booking.start < reservation.end and start < booking.end for booking in of_type):
            raise _unprocessable(BOOKED)
        if any(each.event_type.id == event_type.id for each in self._schedule.reserved(start, reservation.end)):
            raise _unprocessable(RESERVED)
        return reservation


def _unprocessable(text: str) -> CalComError:
    return CalComError(HTTPStatus.UNPROCESSABLE_ENTITY, text, code="UnprocessableEntityException")
