"""The stand-in Cal.com's bookings: made, read, moved and cancelled over the API, and changed by their owner.

A slot that is gone is refused with 400; with the raw 409 only when a booking of the same start and end was made
between the arrival of the request and its turn, because that is the race which Cal.com's unique key decides.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator

from simulator import calcom_render as render
from simulator.calcom_list import chosen
from simulator.calcom_schedule import Booking, Guest
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
)
from simulator.world import read_order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal, Self

    from simulator.calcom_schedule import EventTypeOrder, Schedule
    from simulator.calcom_wire import CreateAttendee
    from simulator.faults import FaultBoard
    from simulator.world import SimulatedClock

ARRIVED = web.RequestKey("arrived", int)
"""In a request: its place among all requests and bookings."""


class OwnerOrder(BaseModel):
    """The body of ``POST /control/owner``: the owner cancels a booking at Cal.com, or moves it to `move_to`.

    It is the one of this `uid`, or the accepted or pending one that begins at `start`.
    """

    model_config = ConfigDict(extra="forbid")

    uid: str | None = None
    start: AwareDatetime | None = None
    move_to: AwareDatetime | None = None
    reason: str = ""

    @model_validator(mode="after")
    def _names_one_booking(self) -> Self:
        if (self.uid is None) == (self.start is None):
            raise ValueError("needs either uid or start")
        return self


class Bookings:
    """The handlers of the API's bookings; `ticks` count requests and bookings."""

    def __init__(self, schedule: Schedule, clock: SimulatedClock, faults: FaultBoard, ticks: Iterator[int]) -> None:
        self._schedule = schedule
        self._clock = clock
        self._faults = faults
        self._ticks = ticks

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v2/bookings", self.create),
            web.get("/v2/bookings", self.list),
            web.get("/v2/bookings/{uid}", self.get),
            web.post("/v2/bookings/{uid}/reschedule", self.reschedule),
            web.post("/v2/bookings/{uid}/cancel", self.cancel),
            web.post("/control/owner", self.change_as_owner),
        ]

    async def create(self, request: web.Request) -> web.Response:
        order = await read_body(request, CreateBooking)
        event_type = self._schedule.named(order.event_type_id, order.event_type_slug, order.username)
        if event_type is None:
            raise CalComError(HTTPStatus.NOT_FOUND, f"Event type with id {order.event_type_id} not found.")
        if order.length_in_minutes is not None:
            raise bad_request("Can't specify 'lengthInMinutes' because event type does not have multiple lengths.")
        guest = _guest(event_type, order.attendee)
        if existing := self._requested(event_type, order.start, guest):
            return self._answer(existing, HTTPStatus.CREATED)
        self._check_free("create", event_type, order.start, request[ARRIVED])
        booking = self._new(event_type, order.start, guest)
        booking.metadata = order.metadata
        booking.guests = list(order.guests)
        booking.responses = order.booking_fields_responses.model_dump(exclude_none=True)
        self._schedule.bookings.append(booking)
        return self._answer(booking, HTTPStatus.CREATED)

    async def get(self, request: web.Request) -> web.Response:
        read_query(request, NoQuery)
        return self._answer(self._named(request, "was not found in the database"))

    async def list(self, request: web.Request) -> web.Response:
        query = read_query(request, ListQuery)
        found = chosen(self._schedule.bookings, query, self._clock())
        page = found[query.skip : query.skip + query.take]
        pagination = render.pagination(len(found), len(page), take=query.take, skip=query.skip)
        return render.success([self._rendered(booking) for booking in page], pagination=pagination)

    async def reschedule(self, request: web.Request) -> web.Response:
        order = await read_body(request, RescheduleBooking)
        booking = self._named(request, "was not found in the database")
        self._check_movable(booking)
        is_accepted = not booking.event_type.requires_confirmation or order.rescheduled_by == render.HOST_EMAIL
        existing = self._requested(booking.event_type, order.start, booking.guest)
        if existing and not is_accepted:
            return self._answer(existing, HTTPStatus.CREATED)
        self._check_free("reschedule", booking.event_type, order.start, request[ARRIVED], moving=booking)
        moved = self._move(booking, order.start, "api", reason=order.rescheduling_reason or "")
        moved.status = "accepted" if is_accepted else "pending"
        return self._answer(moved, HTTPStatus.CREATED)

    async def cancel(self, request: web.Request) -> web.Response:
        order = await read_body(request, CancelBooking)
        booking = self._named(request, "not found")
        if booking.status == "cancelled":
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
        booking.reason = reason
        self._cancel(booking, "api")
        return self._answer(booking)

    async def change_as_owner(self, request: web.Request) -> web.Response:
        """Cancel or move a booking as its owner does at Cal.com, whatever its event type allows over the API."""
        order = await read_order(request, OwnerOrder)
        booking = self._schedule.booking(order.uid) if order.uid else self._live_at(order.start)
        if booking is None or booking.status == "cancelled":
            raise web.HTTPBadRequest(text="there is no such booking")
        if order.move_to is None:
            booking.reason = order.reason
            self._cancel(booking, "owner")
        elif self._schedule.busy(booking.event_type, order.move_to, moving=booking):
            raise web.HTTPBadRequest(text="another booking is in the way")
        else:
            booking = self._move(booking, order.move_to, "owner", reason=order.reason)
        return web.json_response({"uid": booking.uid})

    def _named(self, request: web.Request, what: str) -> Booking:
        """Return the booking that the path names, or answer 404."""
        uid = request.match_info["uid"]
        booking = self._schedule.booking(uid)
        if booking is None:
            raise CalComError(HTTPStatus.NOT_FOUND, f"Booking with uid={uid} {what}")
        return booking

    def _live_at(self, start: datetime | None) -> Booking | None:
        live = (booking for booking in self._schedule.bookings if booking.status != "cancelled")
        return next((booking for booking in live if booking.start == start), None)

    def _requested(self, event_type: EventTypeOrder, start: datetime, guest: Guest) -> Booking | None:
        """Return what the same attendee has asked the host for already: Cal.com makes no second request of it."""
        for booking in self._schedule.bookings:
            same = (booking.event_type, booking.start, booking.guest.email) == (event_type, start, guest.email)
            if same and booking.status == "pending":
                return booking
        return None

    def _check_movable(self, booking: Booking) -> None:
        cannot = f"Can't reschedule booking with uid={booking.uid} because it has been cancelled"
        if booking.moved_to:
            raise bad_request(
                f"{cannot} and rescheduled already to booking with uid={booking.moved_to}. You probably want to "
                f"reschedule {booking.moved_to} instead by passing it within the request URL."
            )
        if booking.status == "cancelled":
            raise bad_request(f"{cannot}. Please provide uid of a booking that is not cancelled.")
        if booking.event_type.disable_rescheduling:
            # Stricter than Cal.com, which only takes away the link to the page that reschedules.
            raise bad_request("This event type does not allow rescheduling", is_raw=True)
        if booking.start - self._clock() < booking.event_type.reschedule_notice:
            text = "Rescheduling is not allowed within the minimum notice period before the event"
            raise CalComError(HTTPStatus.FORBIDDEN, text, is_raw=True)

    def _check_free(
        self,
        operation: Literal["create", "reschedule"],
        event_type: EventTypeOrder,
        start: datetime,
        arrived: int,
        *,
        moving: Booking | None = None,
    ) -> None:
        """Answer 400 or 409 unless a booking can be made at `start` by a request that came when it did."""
        if self._faults.take(operation, frozenset({"taken"})):
            self._let_somebody_else_book(event_type, start, arrived, moving)
        for booking in self._schedule.busy(event_type, start, moving=moving):
            is_equal = (booking.start, booking.end) == (start, start + event_type.duration)
            if is_equal and booking.order > arrived:
                raise CalComError(HTTPStatus.CONFLICT, "booking_conflict_error", is_raw=True)
        self._schedule.check_bookable(event_type, start, moving=moving)

    def _let_somebody_else_book(
        self, event_type: EventTypeOrder, start: datetime, arrived: int, moving: Booking | None
    ) -> None:
        if self._schedule.free_slots(event_type, start, start, moving=moving):
            guest = Guest("Somebody Else", "somebody.else@example.com", self._schedule.zone.key)
            booking = self._new(event_type, start, guest)
            booking.by, booking.status, booking.order = "fault", "accepted", arrived
            self._schedule.bookings.append(booking)

    def _new(self, event_type: EventTypeOrder, start: datetime, guest: Guest) -> Booking:
        booking = Booking(event_type, start.astimezone(UTC), guest, self._clock(), next(self._ticks))
        booking.status = "pending" if event_type.requires_confirmation else "accepted"
        return booking

    def _move(self, booking: Booking, start: datetime, by: Literal["api", "owner"], *, reason: str) -> Booking:
        """Put another booking in the place of this one; what was said of it goes along."""
        moved = self._new(booking.event_type, start, booking.guest)
        moved.status = booking.status
        moved.by = booking.by
        moved.metadata = dict(booking.metadata)
        moved.responses, moved.guests = dict(booking.responses), [*booking.guests]
        moved.moved_from, moved.reason, moved.changed_by = booking.uid, reason, by
        booking.moved_to = moved.uid
        self._cancel(booking, by)
        self._schedule.bookings.append(moved)
        return moved

    def _cancel(self, booking: Booking, by: Literal["api", "owner"]) -> None:
        booking.status = "cancelled"
        booking.changed, booking.changed_at, booking.changed_by = next(self._ticks), self._clock(), by

    def _answer(self, booking: Booking, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        return render.success(self._rendered(booking), status=status)

    def _rendered(self, booking: Booking) -> dict[str, object]:
        number = self._schedule.bookings.index(booking) + 1
        return render.booking(booking, number=number, zone=self._schedule.zone)


def _guest(event_type: EventTypeOrder, attendee: CreateAttendee) -> Guest:
    if attendee.email is None and event_type.requires_email:
        raise bad_request("{email}error_required_field")
    email = attendee.email or "".join(filter(str.isdigit, attendee.phone_number or "")) + "@sms.cal.com"
    return Guest(attendee.name, email, attendee.time_zone.key, attendee.phone_number, attendee.language)


def _cancelled_already(booking: Booking, arrived: int) -> CalComError:
    if booking.changed > arrived:
        # Both requests found it live; the second is told so from deeper down.
        return bad_request("This booking has already been cancelled.", is_raw=True)
    return bad_request(
        f"Can't cancel booking with uid={booking.uid} because it has been cancelled already. "
        "Please provide uid of a booking that is not cancelled."
    )
