"""The stand-in Cal.com's bookings over the API: made, read, moved and cancelled."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from simulator import calcom_render as render
from simulator.calcom_list import chosen
from simulator.calcom_people import OWNER
from simulator.calcom_wire import (
    CalComError,
    CancelBooking,
    CreateBooking,
    ListQuery,
    NoQuery,
    RescheduleBooking,
    bad_request,
    read_body,
    read_query,
    success,
)

if TYPE_CHECKING:
    from simulator.calcom_diary import Diary
    from simulator.calcom_making import Making
    from simulator.calcom_schedule import Booking, Schedule
    from simulator.world import SimulatedClock

ARRIVED = web.RequestKey("arrived", int)
"""In a request: its place among all requests and bookings."""


class Bookings:
    """The handlers of what attendees may do too."""

    def __init__(self, schedule: Schedule, clock: SimulatedClock, diary: Diary, making: Making) -> None:
        self._schedule = schedule
        self._clock = clock
        self._diary = diary
        self._making = making

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v2/bookings", self.create),
            web.get("/v2/bookings", self.list),
            web.get("/v2/bookings/{uid}", self.get),
            web.post("/v2/bookings/{uid}/reschedule", self.reschedule),
            web.post("/v2/bookings/{uid}/cancel", self.cancel),
        ]

    async def create(self, request: web.Request) -> web.Response:
        order = await read_body(request, CreateBooking)
        return answer(self._schedule, self._making.make(order, request[ARRIVED]), HTTPStatus.CREATED)

    async def get(self, request: web.Request) -> web.Response:
        read_query(request, NoQuery)
        return answer(self._schedule, named(self._schedule, request))

    async def list(self, request: web.Request) -> web.Response:
        query = read_query(request, ListQuery)
        found = chosen(self._schedule.bookings, query, self._clock())
        page = found[query.skip : query.skip + query.take]
        pagination = render.pagination(len(found), len(page), take=query.take, skip=query.skip)
        return success([rendered(self._schedule, booking) for booking in page], pagination=pagination)

    async def reschedule(self, request: web.Request) -> web.Response:
        """Move a booking, which keeps its length whatever its event type has become."""
        order = await read_body(request, RescheduleBooking)
        booking = named(self._schedule, request)
        self._check_movable(booking)
        event_type = self._schedule.event_type(booking.event_type.id)
        if event_type is None:
            raise CalComError(HTTPStatus.NOT_FOUND, f"Event type with id={booking.event_type.id} not found")
        event_type = event_type.lasting(booking.event_type.minutes)
        needs_host = event_type.requires_confirmation and order.rescheduled_by != OWNER.email
        is_accepted = not needs_host and (booking.is_paid or not event_type.price)
        existing = self._making.requested(event_type, order.start, booking.guest)
        if existing and not is_accepted:
            return answer(self._schedule, existing, HTTPStatus.CREATED)
        self._making.check_free("reschedule", event_type, order.start, request[ARRIVED], moving=booking)
        moved = self._diary.move(
            booking,
            event_type,
            order.start,
            "api",
            reason=order.rescheduling_reason or "",
            is_accepted=is_accepted,
            rescheduled_by=order.rescheduled_by,
        )
        return answer(self._schedule, moved, HTTPStatus.CREATED)

    async def cancel(self, request: web.Request) -> web.Response:
        order = await read_body(request, CancelBooking)
        booking = named(self._schedule, request, "not found")
        if not booking.is_live:
            raise _cancelled_already(booking, request[ARRIVED])
        if booking.event_type.disable_cancelling:
            raise bad_request("This event type does not allow cancellations", is_raw=True)
        # Whoever shows a key is the host; only hosts must say why.
        is_host = "Authorization" in request.headers
        reason = order.cancellation_reason or ""
        if is_host and not reason.strip():
            raise bad_request("Cancellation reason is required", is_raw=True)
        if self._clock() > booking.end:
            raise bad_request("Cannot cancel a booking that has already ended", is_raw=True)
        if not await self._diary.cancel(booking, "api", reason=reason):
            raise _cancelled_already(booking, request[ARRIVED])
        return answer(self._schedule, booking)

    def _check_movable(self, booking: Booking) -> None:
        cannot = f"Can't reschedule booking with uid={booking.uid} because it has been cancelled"
        if booking.moved_to:
            raise bad_request(
                f"{cannot} and rescheduled already to booking with uid={booking.moved_to}. You probably want to "
                f"reschedule {booking.moved_to} instead by passing it within the request URL."
            )
        if not booking.is_live:
            raise bad_request(f"{cannot}. Please provide uid of a booking that is not cancelled.")
        if booking.event_type.disable_rescheduling:
            # Stricter than Cal.com, which only takes away the link to the page that reschedules.
            raise bad_request("This event type does not allow rescheduling", is_raw=True)
        if booking.start - self._clock() < booking.event_type.reschedule_notice:
            text = "Rescheduling is not allowed within the minimum notice period before the event"
            raise CalComError(HTTPStatus.FORBIDDEN, text, is_raw=True)


def named(schedule: Schedule, request: web.Request, what: str = "was not found in the database") -> Booking:
    """Return the booking that the path names, or answer 404."""
    uid = request.match_info["uid"]
    booking = schedule.booking(uid)
    if booking is None:
        raise CalComError(HTTPStatus.NOT_FOUND, f"Booking with uid={uid} {what}")
    return booking


def answer(schedule: Schedule, booking: Booking, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Answer with a booking."""
    return success(rendered(schedule, booking), status=status)


def rendered(schedule: Schedule, booking: Booking) -> dict[str, object]:
    return render.booking(booking, number=schedule.number(booking), zone=schedule.zone)


def _cancelled_already(booking: Booking, arrived: int) -> CalComError:
    if booking.changed > arrived:
        # Both requests found it live; the second is told so from deeper down.
        return bad_request("This booking has already been cancelled.", is_raw=True)
    return bad_request(
        f"Can't cancel booking with uid={booking.uid} because it has been cancelled already. "
        "Please provide uid of a booking that is not cancelled."
    )
