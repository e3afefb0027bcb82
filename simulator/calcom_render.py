"""Cal.com's answers: the stand-in's event types, slots and bookings in the shapes of API v2."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from simulator.calcom_schedule import BOOKING_WINDOW_DAYS, HOST_USERNAME
from simulator.calcom_wire import wire_time

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    from simulator.calcom_schedule import Booking, EventTypeOrder, Reservation

HOST_ID = 7
HOST_NAME = "Ada"
HOST_EMAIL = "ada@example.com"


def success(data: object, *, status: HTTPStatus = HTTPStatus.OK, **more: object) -> web.Response:
    return web.json_response({"status": "success", "data": data, **more}, status=status)


def me(zone: ZoneInfo) -> dict[str, object]:
    return {
        "id": HOST_ID,
        "username": HOST_USERNAME,
        "email": HOST_EMAIL,
        "name": HOST_NAME,
        "avatarUrl": None,
        "bio": None,
        "timeFormat": 12,
        "defaultScheduleId": 1,
        "weekStart": "Sunday",
        "timeZone": zone.key,
        "organizationId": None,
    }


def event_type(ordered: EventTypeOrder) -> dict[str, object]:
    return {
        "id": ordered.id,
        "ownerId": HOST_ID,
        "lengthInMinutes": ordered.minutes,
        "title": ordered.title,
        "slug": ordered.slug,
        "description": "",
        "locations": [ordered.location.model_dump()],
        "bookingFields": _booking_fields(requires_email=ordered.requires_email),
        "disableGuests": False,
        "slotInterval": None,
        "minimumBookingNotice": ordered.notice_minutes,
        "beforeEventBuffer": 0,
        "afterEventBuffer": 0,
        "bookingWindow": [{"type": "calendarDays", "value": BOOKING_WINDOW_DAYS, "rolling": False}],
        "recurrence": None,
        "metadata": {},
        "price": 0,
        "currency": "usd",
        "lockTimeZoneToggleOnBookingPage": False,
        "forwardParamsSuccessRedirect": None,
        "successRedirectUrl": None,
        "isInstantEvent": False,
        "scheduleId": 1,
        "requiresBookerEmailVerification": False,
        "disableCancelling": {"disabled": ordered.disable_cancelling},
        "disableRescheduling": _disable_rescheduling(ordered),
        "confirmationPolicy": _confirmation_policy(ordered),
        "hidden": False,
        "bookingRequiresAuthentication": False,
        "users": [{"id": HOST_ID, "name": HOST_NAME, "username": HOST_USERNAME}],
        "bookingUrl": f"https://cal.com/{HOST_USERNAME}/{ordered.slug}",
    }


def _disable_rescheduling(ordered: EventTypeOrder) -> dict[str, object]:
    if ordered.reschedule_notice_minutes and not ordered.disable_rescheduling:
        return {"minutesBefore": ordered.reschedule_notice_minutes}
    return {"disabled": ordered.disable_rescheduling}


def _confirmation_policy(ordered: EventTypeOrder) -> dict[str, object]:
    if not ordered.requires_confirmation:
        return {"disabled": True}
    return {"type": "always", "blockUnconfirmedBookingsInBooker": False}


def _booking_fields(*, requires_email: bool) -> list[dict[str, object]]:
    common = {"isDefault": True, "hidden": False, "label": "", "placeholder": ""}
    return [
        {**common, "type": "name", "slug": "name", "required": True},
        {**common, "type": "email", "slug": "email", "required": requires_email},
        {**common, "type": "phone", "slug": "attendeePhoneNumber", "required": False},
        {**common, "type": "textarea", "slug": "notes", "required": False},
    ]


def slots(free: Iterable[datetime], zone: ZoneInfo | None, length: timedelta | None) -> dict[str, list[dict[str, str]]]:
    """Return slots by the day they fall on in `zone` (None: UTC), with their ends when `length` is given."""
    days: dict[str, list[dict[str, str]]] = {}
    for start in free:
        slot = {"start": _in_zone(start, zone)}
        if length is not None:
            slot["end"] = _in_zone(start + length, zone)
        days.setdefault(slot["start"][:10], []).append(slot)
    return days


def _in_zone(moment: datetime, zone: ZoneInfo | None) -> str:
    if zone is None or zone.key == "UTC":
        return wire_time(moment)
    return moment.astimezone(zone).isoformat(timespec="milliseconds")


def booking(made: Booking, *, number: int, zone: ZoneInfo) -> dict[str, object]:
    ordered = made.event_type
    described = {
        "id": number,
        "uid": made.uid,
        "title": f"{ordered.title} between {HOST_NAME} and {made.guest.name}",
        "description": made.responses.get("notes", ""),
        "hosts": [_host(zone)],
        "status": made.status,
        "cancellationReason": made.reason,
        "cancelledByEmail": HOST_EMAIL if made.status == "cancelled" and not made.moved_to else "",
        "start": wire_time(made.start),
        "end": wire_time(made.end),
        "duration": ordered.minutes,
        "eventTypeId": ordered.id,
        "eventType": {"id": ordered.id, "slug": ordered.slug},
        "meetingUrl": made.location,  # even where it is no link
        "location": made.location,
        "absentHost": False,
        "createdAt": wire_time(made.created_at),
        "updatedAt": wire_time(made.updated_at),
        "metadata": made.metadata,
        "rating": None,
        "icsUid": f"{made.uid}@Cal.com",
        "attendees": [_attendee(made)],
        "guests": made.guests,
        "bookingFieldsResponses": {"name": made.guest.name, "email": made.guest.email, **made.responses},
    }
    if made.moved_from:
        described |= {"rescheduledFromUid": made.moved_from, "reschedulingReason": made.reason}
    if made.moved_to:
        described["rescheduledToUid"] = made.moved_to
    return described


def reservation(made: Reservation) -> dict[str, object]:
    return {
        "eventTypeId": made.event_type.id,
        "slotStart": wire_time(made.start),
        "slotEnd": wire_time(made.end),
        "slotDuration": made.event_type.minutes,
        "reservationUid": made.uid,
        "reservationDuration": made.minutes,
        "reservationUntil": wire_time(made.until),
    }


def _host(zone: ZoneInfo) -> dict[str, object]:
    return {
        "id": HOST_ID,
        "name": HOST_NAME,
        "email": HOST_EMAIL,
        "displayEmail": HOST_EMAIL,
        "username": HOST_USERNAME,
        "timeZone": zone.key,
    }


def _attendee(made: Booking) -> dict[str, object]:
    guest = made.guest
    attendee: dict[str, object] = {
        "name": guest.name,
        "email": guest.email,
        "displayEmail": guest.email,
        "timeZone": guest.zone,
        "language": guest.language,
        "absent": False,
    }
    if guest.phone is not None:
        attendee["phoneNumber"] = guest.phone
    return attendee


def pagination(total: int, returned: int, *, take: int, skip: int) -> dict[str, object]:
    return {
        "totalItems": total,
        "remainingItems": max(0, total - skip - returned),
        "returnedItems": returned,
        "itemsPerPage": take,
        "currentPage": skip // take + 1,
        "totalPages": -(-total // take),
        "hasNextPage": skip + returned < total,
        "hasPreviousPage": skip > 0,
    }
