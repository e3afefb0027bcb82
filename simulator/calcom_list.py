"""Which bookings Cal.com lists, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from simulator.calcom_schedule import Booking
    from simulator.calcom_wire import ListQuery


def chosen(bookings: Iterable[Booking], query: ListQuery, now: datetime) -> list[Booking]:
    """Return those of `bookings` that a query asks for."""
    found = [booking for booking in bookings if _matches(booking, query, now)]
    for key, direction in _sorting(query):
        found.sort(key=key, reverse=direction == "desc")
    return found


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
        query.after_created_at is None or booking.created_at >= query.after_created_at,
        query.before_created_at is None or booking.created_at <= query.before_created_at,
        query.after_updated_at is None or booking.updated_at >= query.after_updated_at,
        query.before_updated_at is None or booking.updated_at <= query.before_updated_at,
    )
    return all(checks)


def _standing(booking: Booking, now: datetime) -> str:
    if not booking.is_live:
        return "cancelled"
    if booking.end <= now:
        return "past"
    return "unconfirmed" if booking.status == "pending" else "upcoming"


def _sorting(query: ListQuery) -> list[tuple[Callable[[Booking], datetime], str]]:
    keys: list[tuple[Callable[[Booking], datetime], str | None]] = [
        (lambda booking: booking.updated_at, query.sort_updated_at),
        (lambda booking: booking.created_at, query.sort_created),
        (lambda booking: booking.end, query.sort_end),
        (lambda booking: booking.start, query.sort_start),
    ]
    return [(key, direction) for key, direction in keys if direction]
