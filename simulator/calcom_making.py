"""What the stand-in Cal.com looks at before it makes or moves a booking, in the real service's order and words.

A slot that is gone is refused with 400; with the raw 409 only when a booking of the same start and end was made
between the arrival of the request and its turn, because that is the race which Cal.com's unique key decides.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from simulator.calcom_fields import NO_PHONE, check_answers
from simulator.calcom_places import chosen
from simulator.calcom_schedule import Guest
from simulator.calcom_wire import CalComError, bad_request

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Literal

    from simulator.calcom_diary import Diary
    from simulator.calcom_event_types import EventTypeOrder
    from simulator.calcom_schedule import Booking, By, Schedule
    from simulator.calcom_wire import CreateAttendee, CreateBooking
    from simulator.faults import FaultBoard
    from simulator.world import SimulatedClock

NO_LENGTHS = (
    "Can't specify 'lengthInMinutes' because event type does not have multiple possible lengths. "
    "Please, remove the 'lengthInMinutes' field from the request."
)
TOO_MANY = "Attendee with this email can't book because the maximum number of active bookings has been reached."


class Making:
    """Makes bookings of orders, and finds out whether a time is free."""

    def __init__(self, schedule: Schedule, clock: SimulatedClock, faults: FaultBoard, diary: Diary) -> None:
        self._schedule = schedule
        self._clock = clock
        self._faults = faults
        self._diary = diary

    def make(self, order: CreateBooking, arrived: int, *, by: By = "api") -> Booking:
        """Return the booking that is ordered, or answer what is wrong with it."""
        event_type = self._schedule.named(order.event_type_id, order.event_type_slug, order.username)
        if event_type is None:
            raise CalComError(HTTPStatus.NOT_FOUND, f"Event type with id {order.event_type_id} not found.")
        _check_kind(event_type)
        answers = order.booking_fields_responses
        if event_type.requires_phone and order.attendee.phone_number is None:
            raise bad_request(NO_PHONE)
        check_answers(event_type.fields, answers, event_type.id)
        event_type = _of_length(event_type, order.length_in_minutes)
        place, said = chosen(event_type.locations, order.location, event_type.id)
        guest = _guest(event_type, order.attendee)
        if existing := self.requested(event_type, order.start, guest):
            return existing
        self._check_limit(event_type, guest)
        self.check_free("create", event_type, order.start, arrived)
        booking = self._diary.draft(event_type, order.start, guest)
        booking.by, booking.metadata, booking.guests = by, order.metadata, list(order.guests)
        booking.responses, booking.place, booking.said_place = dict(answers), place, said
        self._diary.enter(booking)
        return booking

    def requested(self, event_type: EventTypeOrder, start: datetime, guest: Guest) -> Booking | None:
        """Return what the same attendee has asked for already, where Cal.com makes no second booking of it."""
        for booking in self._schedule.bookings:
            wish = (booking.event_type.id, booking.start, booking.guest.email, booking.guest.phone)
            takes_turns = booking.status == "accepted" and event_type.scheduling == "roundRobin"
            is_kept = booking.status == "pending" or takes_turns
            if is_kept and wish == (event_type.id, start, guest.email, guest.phone):
                return booking
        return None

    def check_free(
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
        while self._schedule.free_slots(event_type, start, start, moving=moving):
            guest = Guest("Somebody Else", "somebody.else@example.com", self._schedule.zone.key)
            booking = self._diary.draft(event_type, start, guest)
            booking.by, booking.status, booking.order = "fault", "accepted", arrived
            self._diary.enter(booking)

    def _check_limit(self, event_type: EventTypeOrder, guest: Guest) -> None:
        of_guest = [each for each in self._schedule.bookings if each.is_live and each.guest.email == guest.email]
        ahead = [each for each in of_guest if each.event_type.id == event_type.id and each.end > self._clock()]
        if event_type.booker_limit and len(ahead) >= event_type.booker_limit:
            raise bad_request(TOO_MANY)


def _check_kind(event_type: EventTypeOrder) -> None:
    """Answer what keeps an event type from being booked at all."""
    if event_type.scheduling == "managed":
        raise bad_request(
            f"Event type with id={event_type.id} is the parent managed event type that can't be booked. You have to "
            "provide the child event type id aka id of event type that has been assigned to one of the users."
        )
    if not event_type.people:
        raise CalComError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "Can't book this team event type because it has no hosts. "
            f"Please, add at least 1 host to event type with id={event_type.id}.",
            code="UnprocessableEntityException",
        )
    if event_type.verifies_email:
        raise bad_request("email_verification_required", is_raw=True)
    if event_type.seats or event_type.recurs:
        raise web.HTTPNotImplemented(text="the stand-in does not book event types with seats or recurrence")


def _of_length(event_type: EventTypeOrder, minutes: int | None) -> EventTypeOrder:
    if minutes is None:
        return event_type
    if not event_type.lengths:
        raise bad_request(NO_LENGTHS)
    if minutes not in event_type.lengths:
        lengths = ", ".join(map(str, event_type.lengths))
        raise bad_request(
            "Provided 'lengthInMinutes' is not one of the possible lengths for the event type. "
            f"The possible lengths are: {lengths}"
        )
    return event_type.lasting(minutes)


def _guest(event_type: EventTypeOrder, attendee: CreateAttendee) -> Guest:
    if attendee.email is None and event_type.requires_email:
        raise bad_request("{email}error_required_field")
    email = attendee.email or "".join(filter(str.isdigit, attendee.phone_number or "")) + "@sms.cal.com"
    return Guest(attendee.name, email, attendee.time_zone.key, attendee.phone_number, attendee.language)
