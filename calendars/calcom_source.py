"""Cal.com's bookings as they are read one by one or by when they were changed, whoever made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from pydantic import AwareDatetime, BaseModel, Field

from appointments.contact import valid_caller
from appointments.errors import CalendarUnavailable
from appointments.listed_bookings import ListedBooking
from appointments.model import Attendee, BookingStatus, BookingUid, EventTypeId, Slot
from calendars.calcom_requests import BOOKINGS, NO_ROUTE_TEXTS, ask, rejected
from calendars.calcom_wire import data_of, null_as, place, read, wire_time
from calendars.client import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime

    from appointments.model import PhoneNumber
    from calendars.client import ServiceClient

log = structlog.get_logger(__name__)

PAGE = 250
"""As many as Cal.com lists at once: https://cal.com/docs/api-reference/v2/bookings/get-all-bookings"""

PHONE_FIELDS = ("attendeePhoneNumber", "smsReminderNumber", "phone")
"""Where a booking page asks for a number that is not the attendee's own field."""

BY_PHONE_ALONE = "@sms.cal.com"
"""The domain of the address that Cal.com makes of the number of who gives no e-mail; nobody reads it."""


class _Attendee(BaseModel):
    name: Annotated[str, null_as(str)] = ""
    email: Annotated[str, null_as(str)] = ""
    zone: Annotated[str, null_as(str), Field(alias="timeZone")] = ""
    phone: Annotated[str, null_as(str), Field(alias="phoneNumber")] = ""
    is_absent: Annotated[bool | None, Field(alias="absent")] = False


class _Named(BaseModel):
    name: Annotated[str, null_as(str)] = ""


class _ListedBooking(BaseModel):
    uid: Annotated[str, Field(min_length=1)]
    status: BookingStatus
    start: AwareDatetime
    end: AwareDatetime
    event_type_id: Annotated[int | None, Field(alias="eventTypeId")] = None
    attendees: Annotated[list[_Attendee], null_as(list)] = []
    hosts: Annotated[list[_Named], null_as(list)] = []
    location: Annotated[str, null_as(str)] = ""
    meeting_url: Annotated[str, null_as(str), Field(alias="meetingUrl")] = ""
    metadata: Annotated[dict[str, Any], null_as(dict)] = {}
    responses: Annotated[dict[str, Any], null_as(dict), Field(alias="bookingFieldsResponses")] = {}
    why_cancelled: Annotated[str, null_as(str), Field(alias="cancellationReason")] = ""
    why_moved: Annotated[str, null_as(str), Field(alias="reschedulingReason")] = ""
    moved_from: Annotated[str, null_as(str), Field(alias="rescheduledFromUid")] = ""
    moved_to: Annotated[str, null_as(str), Field(alias="rescheduledToUid")] = ""
    updated_at: Annotated[AwareDatetime | None, Field(alias="updatedAt")] = None


class CalComSource:
    """Reads the bookings of one Cal.com account."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def listed(self, booking_uid: BookingUid) -> ListedBooking | None:
        try:
            body = await self._client.get(f"/v2/bookings/{quote(booking_uid, safe='')}", params={}, headers=BOOKINGS)
        except Refusal as refusal:
            if refusal.status == 404 and not refusal.text.startswith(NO_ROUTE_TEXTS):
                return None
            raise rejected(refusal) from None
        return _listed(data_of(body))

    async def changed_since(self, moment: datetime | None, *, starting_after: datetime) -> AsyncIterator[ListedBooking]:
        since, skip = moment, 0
        while True:
            page = await self._page(since, skip, {} if moment else {"afterStart": wire_time(starting_after)})
            found = [booking for entry in page if (booking := _readable(entry))]
            for booking in found:
                yield booking
            if len(page) < PAGE:
                return
            # The next page begins at the last change of this one: counted places shift while bookings change.
            last = found[-1].updated_at if found else None
            since, skip = (since, skip + PAGE) if last is None or last == since else (last, 0)

    async def _page(self, since: datetime | None, skip: int, more: Mapping[str, str]) -> list[dict[str, Any]]:
        params = {"sortUpdatedAt": "asc", "take": str(PAGE), **more}
        if since:
            params["afterUpdatedAt"] = since.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if skip:
            params["skip"] = str(skip)
        return read(list[dict[str, Any]], await ask(self._client, "/v2/bookings", params, BOOKINGS))


def _readable(entry: Mapping[str, Any]) -> ListedBooking | None:
    """Return a booking of a list, None for one of an unknown shape: it must not hide the others."""
    try:
        return _listed(entry)
    except CalendarUnavailable as error:
        log.warning("booking_not_read", booking_uid=entry.get("uid"), reason=str(error))
        return None


def _listed(data: object) -> ListedBooking:
    """Return one booking; raises as `read` does."""
    found = read(_ListedBooking, data)
    link, location = place(found.location, found.meeting_url)
    notes = found.responses.get("notes")
    return ListedBooking(
        uid=BookingUid(found.uid),
        event_type_id=EventTypeId("" if found.event_type_id is None else str(found.event_type_id)),
        slot=Slot(found.start, found.end - found.start),
        status=found.status,
        attendee=_attendee(found),
        idempotency_key=str(found.metadata.get("idem") or ""),
        meeting_link=link,
        location=location,
        host_name=found.hosts[0].name if found.hosts else "",
        notes=notes if isinstance(notes, str) else "",
        reason=found.why_cancelled or found.why_moved,
        moved_from=found.moved_from,
        moved_to=found.moved_to,
        is_absent=any(attendee.is_absent for attendee in found.attendees),
        updated_at=found.updated_at,
    )


def _attendee(found: _ListedBooking) -> Attendee:
    """Return the first attendee, who is the one that booked."""
    who = found.attendees[0] if found.attendees else _Attendee()
    has_email = bool(who.email) and not who.email.endswith(BY_PHONE_ALONE)
    email = who.email if has_email else None
    return Attendee(name=who.name, zone=_zone(who.zone), phone=_phone(found, who), email=email)


def _zone(name: str) -> str:
    """Return the name of a zone, "" for none that is known here."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the latter for a folder of zones
        return ""


def _phone(found: _ListedBooking, who: _Attendee) -> PhoneNumber | None:
    """Return the number of who booked: their own, one they were asked for, or the one that they are to be called at."""
    answers = (found.responses.get(field) for field in PHONE_FIELDS)
    made = f"+{who.email.removesuffix(BY_PHONE_ALONE)}" if who.email.endswith(BY_PHONE_ALONE) else ""
    for number in (who.phone, *answers, made, found.location):
        if isinstance(number, str) and (valid := valid_caller(number)):
            return valid
    return None
