"""The bodies of Cal.com's webhooks, version 2021-10-20, each with what the real server puts into it, and no more.

What a booking's metadata becomes differs by trigger: only where a booking is made or moved it comes back as it was
sent. An app's meeting has its link in the metadata, while its location is the app's name.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Literal, get_args
from zoneinfo import ZoneInfo

from simulator.calcom_places import MEETINGS, Meeting
from simulator.calcom_wire import wire_time

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.calcom_people import Host
    from simulator.calcom_schedule import Booking, Guest

Trigger = Literal[
    "BOOKING_CREATED",
    "BOOKING_PAYMENT_INITIATED",
    "BOOKING_PAID",
    "BOOKING_RESCHEDULED",
    "BOOKING_REQUESTED",
    "BOOKING_CANCELLED",
    "BOOKING_REJECTED",
    "BOOKING_NO_SHOW_UPDATED",
    "FORM_SUBMITTED",
    "MEETING_ENDED",
    "MEETING_STARTED",
    "RECORDING_READY",
    "INSTANT_MEETING",
    "RECORDING_TRANSCRIPTION_GENERATED",
    "OOO_CREATED",
    "AFTER_HOSTS_CAL_VIDEO_NO_SHOW",
    "AFTER_GUESTS_CAL_VIDEO_NO_SHOW",
    "FORM_SUBMITTED_NO_EVENT",
    "ROUTING_FORM_FALLBACK_HIT",
    "DELEGATION_CREDENTIAL_ERROR",
    "WRONG_ASSIGNMENT_REPORT",
]
TRIGGERS: tuple[Trigger, ...] = get_args(Trigger)

_STATUSES = {
    "BOOKING_REQUESTED": "PENDING",
    "BOOKING_CANCELLED": "CANCELLED",
    "BOOKING_REJECTED": "REJECTED",
}
"""Every other body says ACCEPTED, even of a booking that waits for its payment."""
_MADE_NOW = ("BOOKING_CREATED", "BOOKING_RESCHEDULED", "BOOKING_PAYMENT_INITIATED")


def nested(
    trigger: Trigger, made: Booking, *, number: int, zone: ZoneInfo, at: datetime, **extra: object
) -> dict[str, object]:
    """Return the body that tells of a booking; `extra` is what only this trigger has."""
    payload = {**_payload(trigger, made, number, zone), "status": _STATUSES.get(trigger, "ACCEPTED"), **extra}
    return {"triggerEvent": trigger, "createdAt": wire_time(at), "payload": payload}


def no_show(made: Booking, *, number: int, at: datetime) -> dict[str, object]:
    """Return the body that tells who did not come."""
    word = "marked" if made.is_guest_absent else "unmarked"
    payload = {
        "message": f"{made.guest.email} {word} as no-show",
        "bookingUid": made.uid,
        "bookingId": number,
        "attendees": [{"email": made.guest.email, "noShow": made.is_guest_absent}],
    }
    return {"triggerEvent": "BOOKING_NO_SHOW_UPDATED", "createdAt": wire_time(at), "payload": payload}


def flat(trigger: Trigger, made: Booking, *, number: int) -> dict[str, object]:
    """Return the body of a scheduled trigger: the booking's row, without a payload around it."""
    return {
        "triggerEvent": trigger,
        "id": number,
        "uid": made.uid,
        "userId": made.hosts[0].id,
        "userPrimaryEmail": made.hosts[0].email,
        "eventTypeId": made.event_type.id,
        "title": _title(made),
        "description": made.responses.get("notes", ""),
        "customInputs": {},
        "responses": _raw_answers(made),
        "startTime": wire_time(made.start),
        "endTime": wire_time(made.end),
        "location": _location(made),
        "createdAt": wire_time(made.created_at),
        "updatedAt": wire_time(made.updated_at),
        "status": "ACCEPTED",
        "paid": made.is_paid,
        "cancellationReason": None,
        "fromReschedule": made.moved_from or None,
        "rescheduled": None,
        "smsReminderNumber": None,
        "metadata": booked_metadata(made),
        "iCalUID": f"{made.uid}@Cal.com",
    }


def _payload(trigger: Trigger, made: Booking, number: int, zone: ZoneInfo) -> dict[str, object]:
    event_type = made.event_type
    notes = made.responses.get("notes", "")
    payload: dict[str, object] = {
        "bookerUrl": "https://cal.com",
        "type": event_type.slug,
        "title": _title(made),
        "eventTitle": event_type.title,
        "eventDescription": None,
        "description": notes,
        "additionalNotes": notes,
        "customInputs": {},
        "startTime": _moment(made.start, trigger),
        "endTime": _moment(made.end, trigger),
        "length": event_type.minutes,
        "eventTypeId": event_type.id,
        "organizer": _organizer(made.hosts[0], zone, made.start),
        "attendees": [_attendee(made.guest, made.start)],
        "uid": made.uid,
        "bookingId": number,
        "iCalUID": f"{made.uid}@Cal.com",
        "responses": _answers(made),
        "userFieldsResponses": _own_answers(made),
        "location": _location(made),
        "destinationCalendar": [],
        "hashedLink": None,
        "requiresConfirmation": event_type.requires_confirmation or None,
        "price": event_type.price,
        "currency": event_type.currency,
        "assignmentReason": None,
    }
    if isinstance(made.place, Meeting) and made.status == "accepted" and trigger != "BOOKING_CANCELLED":
        payload["videoCallData"] = {"type": made.place.integration, "id": made.uid, "url": made.meeting_link}
    return payload


def booked_metadata(made: Booking) -> dict[str, object]:
    """Return the metadata that comes back where a booking is made or moved: ours, with the link of the meeting."""
    return {**made.metadata, **meeting_metadata(made)}


def meeting_metadata(made: Booking) -> dict[str, object]:
    """Return the metadata that is sent when the host accepts: the link alone."""
    return {"videoCallUrl": made.meeting_link} if made.meeting_link else {}


def payment_metadata(made: Booking, number: int) -> dict[str, object]:
    """Return the metadata that is sent when a booking is paid: about the payment."""
    return {
        "identifier": "cal.com",
        "bookingId": number,
        "eventTypeId": made.event_type.id,
        "bookerEmail": made.guest.email,
        "eventTitle": made.event_type.title,
        "externalId": f"pi_{made.uid}",
    }


def _moment(moment: datetime, trigger: Trigger) -> str:
    """Return a time as this trigger's code writes it: with Z where a booking is made, else with an offset."""
    text = moment.astimezone(UTC).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z") if trigger in _MADE_NOW else text


def _title(made: Booking) -> str:
    return f"{made.event_type.title} between {made.hosts[0].name} and {made.guest.name}"


def _location(made: Booking) -> str:
    return MEETINGS[made.place.integration][0] if isinstance(made.place, Meeting) else made.location


def _organizer(host: Host, zone: ZoneInfo, start: datetime) -> dict[str, object]:
    return {
        "id": host.id,
        "name": host.name,
        "email": host.email,
        "username": host.username,
        "timeZone": zone.key,
        "language": {"locale": "en"},
        "timeFormat": "h:mma",
        "utcOffset": _offset(zone, start),
    }


def _attendee(guest: Guest, start: datetime) -> dict[str, object]:
    first, _, last = guest.name.strip().partition(" ")
    attendee = {
        "email": guest.email,
        "name": guest.name,
        "firstName": first,
        "lastName": last.strip(),
        "timeZone": guest.zone,
        "language": {"locale": guest.language},
        "utcOffset": _offset(ZoneInfo(guest.zone), start),
    }
    # Left out where there is none, as JSON leaves out what is undefined.
    return attendee | ({"phoneNumber": guest.phone} if guest.phone else {})


def _offset(zone: ZoneInfo, start: datetime) -> int:
    offset = start.astimezone(zone).utcoffset()
    assert offset is not None, "a moment in a zone has an offset"
    return int(offset.total_seconds() // 60)


def _answers(made: Booking) -> dict[str, object]:
    labels = {"name": "your_name", "email": "email_address", "notes": "additional_notes"}
    labels |= {"attendeePhoneNumber": "phone_number"}
    labels |= {field.slug: field.label or field.slug for field in made.event_type.fields}
    return {
        slug: {"label": labels.get(slug, slug), "value": value, "isHidden": False}
        for slug, value in _raw_answers(made).items()
    }


def _own_answers(made: Booking) -> dict[str, object]:
    asked = {field.slug for field in made.event_type.fields}
    return {slug: answer for slug, answer in _answers(made).items() if slug in asked}


def _raw_answers(made: Booking) -> dict[str, object]:
    raw: dict[str, object] = {"name": made.guest.name, "email": made.guest.email}
    if made.guest.phone:
        raw["attendeePhoneNumber"] = made.guest.phone
    return {**raw, **made.responses, "guests": made.guests}
