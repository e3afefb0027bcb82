"""Cal.com's answers: the stand-in's slots, bookings and reservations in the shapes of API v2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.calcom_people import OWNER
from simulator.calcom_wire import wire_time

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    from simulator.calcom_people import Host
    from simulator.calcom_schedule import Booking, Reservation


def me(zone: ZoneInfo) -> dict[str, object]:
    return {
        "id": OWNER.id,
        "username": OWNER.username,
        "email": OWNER.email,
        "name": OWNER.name,
        "avatarUrl": None,
        "bio": None,
        "timeFormat": 12,
        "defaultScheduleId": 1,
        "weekStart": "Sunday",
        "timeZone": zone.key,
        "organizationId": None,
    }


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
        "title": f"{ordered.title} between {made.hosts[0].name} and {made.guest.name}",
        "description": made.responses.get("notes", ""),
        "hosts": [_host(made.hosts[0], zone)],  # of those who meet together it tells one
        "status": made.status,
        "cancellationReason": made.reason,
        "cancelledByEmail": OWNER.email if made.status == "cancelled" and not made.moved_to else "",
        "start": wire_time(made.start),
        "end": wire_time(made.end),
        "duration": ordered.minutes,
        "eventTypeId": ordered.id,
        "eventType": {"id": ordered.id, "slug": ordered.slug},
        "meetingUrl": made.location,  # even where it is no link
        "location": made.location,
        "absentHost": made.is_host_absent,
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


def _host(host: Host, zone: ZoneInfo) -> dict[str, object]:
    return {
        "id": host.id,
        "name": host.name,
        "email": host.email,
        "displayEmail": host.email,
        "username": host.username,
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
        "absent": made.is_guest_absent,
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
