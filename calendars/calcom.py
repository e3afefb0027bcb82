"""Cal.com API v2 as a Calendar."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from appointments.errors import CalendarRejected, CalendarUnavailable, SlotTaken
from appointments.model import BookingStatus, BookingUid, Slot
from calendars.calcom_event_types import WireEventType, WireEventTypeDetails
from calendars.calcom_wire import WireMe, WireReservation, WireSlot, data_of, read, read_booking, wire_time
from calendars.client import READ_PAUSES_SECS, Refusal, ServiceClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from appointments.model import Attendee, Booking, EventType, EventTypeId
    from appointments.ports import Clock
    from calendars.calcom_event_types import EventTypeDetails

# One version per resource; an unknown one silently falls back to an older shape:
# https://cal.com/docs/api-reference/v2/introduction
SLOTS = {"cal-api-version": "2024-09-04"}
BOOKINGS = {"cal-api-version": "2024-08-13"}
EVENT_TYPES = {"cal-api-version": "2024-06-14"}

KEY_HELP = "Create a key under Cal.com → Settings → Developer → API keys and set CALCOM_API_KEY."
ADDRESS_HELP = "Set CALCOM_BASE_URL to the address of Cal.com's API v2, without /v2: https://api.cal.com"
EVENT_TYPE_PLACES = "CALCOM_EVENT_TYPE_ID, or event_type in the business file,"
"""What names an event type. Which of both it is, only they know who have read them."""
EVENT_TYPE_HELP = (
    f"Set {EVENT_TYPE_PLACES} to the number in the event type's address at "
    "Cal.com, https://app.cal.com/event-types/<number>, in the account of CALCOM_API_KEY."
)

TAKEN_TEXTS = (
    "already has booking at this time or is not available",
    "no_available_users_found_error",
    "fixed_hosts_unavailable_for_booking",
    "round_robin_host_unavailable_for_booking",
    "booking_conflict_error",
    "booking_seats_full_error",
    "can't be booked at the",
    "book a meeting in the past",
)
"""Cal.com sends no codes: these parts of its messages mean that the slot is not to be had."""

CANCELLED_TEXTS = ("has been cancelled already", "has already been cancelled")
"""What a second cancellation is answered with, and one of a booking that was moved: its old uid is cancelled."""

MOVED_TEXT = "has been cancelled and rescheduled already"

NOT_ALLOWED_TEXTS = ("does not allow", "is not allowed within")
"""The settings of the event type are against it."""
CHANGE_HELP = (
    "Whether its bookings may be moved or cancelled is set at Cal.com under Advanced of the event type. "
    "Until then a person must change this one there."
)

NO_REASON = "No reason was given"

MOST_MOVES = 20
"""So many times a booking's trail is followed from one uid to the next."""

NO_ROUTE_TEXTS = ("Cannot GET ", "Cannot POST ")
"""What the 404 of a wrong address says; others say what was not found."""

LOOK_AROUND = timedelta(hours=12)
"""How much later than expected a booking may end and still be found: its event type may have grown meanwhile."""

LIVE_STATUSES = frozenset({BookingStatus.ACCEPTED, BookingStatus.PENDING})

E_MAIL = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+")


def _real_time() -> datetime:
    return datetime.now(UTC)


class CalComCalendar:
    """One Cal.com account. Books no event type of which Cal.com would book a repeated request twice."""

    refuses_overlap = True

    def __init__(self, client: ServiceClient, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    @classmethod
    def connect(
        cls,
        base_url: str,
        *,
        api_key: str,
        timeout_secs: float = 8.0,
        pauses_secs: Sequence[float] = READ_PAUSES_SECS,
        clock: Clock = _real_time,
    ) -> CalComCalendar:
        client = ServiceClient(
            base_url,
            api_key=api_key,
            name="Cal.com",
            key_help=KEY_HELP,
            timeout_secs=timeout_secs,
            pauses_secs=pauses_secs,
        )
        return cls(client, clock=clock)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def me(self) -> str:
        """Return the IANA zone of the key's owner; raises `CalendarRejected` when the key is refused."""
        return read(WireMe, await self._get("/v2/me", {}, {})).zone

    def resource(self, event_type_id: EventTypeId) -> str:
        return event_type_id

    async def event_type(self, event_type_id: EventTypeId) -> EventType:
        path = f"/v2/event-types/{_number(event_type_id)}"
        found = read(WireEventType, await self._get(path, {}, EVENT_TYPES, event_type_id))
        if found.obstacles:
            raise CalendarRejected(
                f"Cal.com's event type {event_type_id}, {found.title!r}, cannot be booked by phone: "
                f"{', and '.join(found.obstacles)}. Change it at Cal.com, or choose another: {EVENT_TYPE_HELP}"
            )
        return found.named(event_type_id)

    async def describe(self, event_type_id: EventTypeId) -> EventTypeDetails:
        """Return all that matters for booking by phone, also of an event type that cannot be booked."""
        path = f"/v2/event-types/{_number(event_type_id)}"
        found = read(WireEventTypeDetails, await self._get(path, {}, EVENT_TYPES, event_type_id))
        return found.details(event_type_id)

    async def understands_us(self) -> bool:
        """Tell whether the server knows our version of bookings; one that does not answers in an older shape."""
        try:
            body = await self._client.get("/v2/bookings", params={"take": "1"}, headers=BOOKINGS)
        except Refusal as refusal:
            raise _rejected(refusal) from None
        return isinstance(body, dict) and "pagination" in body

    async def free_slots(
        self, event_type_id: EventTypeId, *, start: datetime, end: datetime, moving: BookingUid | None = None
    ) -> Sequence[Slot]:
        if end <= start:
            return []
        params = {
            "eventTypeId": _number(event_type_id),
            "start": wire_time(start),
            # Whole seconds, and never the midnight UTC that Cal.com takes for the end of the day it begins.
            "end": wire_time(end + timedelta(seconds=1)),
            "timeZone": "UTC",
            "format": "range",
        }
        if moving:
            params["bookingUidToReschedule"] = moving
        days = read(dict[str, list[WireSlot]], await self._get("/v2/slots", params, SLOTS, event_type_id))
        # Cal.com has returned slots outside the range (calcom/cal.diy#24260).
        slots = {Slot(slot.start, slot.end - slot.start) for day in days.values() for slot in day}
        return sorted(slot for slot in slots if start <= slot.start < end)

    async def book(
        self, event_type: EventType, slot: Slot, attendee: Attendee, *, notes: str, idempotency_key: str
    ) -> Booking:
        body = {
            "eventTypeId": int(_number(event_type.id)),
            "start": wire_time(slot.start),
            "attendee": _attendee(attendee),
            # Cal.com has no Idempotency-Key header and does not filter by metadata, but returns it.
            "metadata": {"idem": idempotency_key},
        }
        if notes:
            body["bookingFieldsResponses"] = {"notes": notes}
        try:
            answer = await self._client.post("/v2/bookings", body=body, headers=BOOKINGS)
        except Refusal as refusal:
            # `from None`, because the refusal may repeat what was sent.
            if _is_taken(refusal):
                raise SlotTaken(slot) from None
            phone = attendee.phone or ""
            private = (notes, attendee.email, attendee.name, phone, phone.removeprefix("+"))
            said = _without_personal_data(refusal.text, private)
            raise _rejected(Refusal(refusal.status, said), event_type.id) from None
        return read_booking(data_of(answer, is_unclear=True), is_unclear=True)

    async def get(self, booking_uid: BookingUid) -> Booking | None:
        for _ in range(MOST_MOVES):
            data = await self._read(booking_uid)
            if data is None:
                return None
            moved_to = data.get("rescheduledToUid")
            if not isinstance(moved_to, str) or not moved_to:
                return read_booking(data)
            booking_uid = BookingUid(moved_to)
        raise CalendarUnavailable(f"Cal.com says that a booking was moved more than {MOST_MOVES} times")

    async def _read(self, booking_uid: BookingUid) -> dict[str, Any] | None:
        try:
            body = await self._client.get(_path(booking_uid), params={}, headers=BOOKINGS)
        except Refusal as refusal:
            if refusal.status == 404 and not refusal.text.startswith(NO_ROUTE_TEXTS):
                return None
            raise _rejected(refusal) from None
        return read(dict[str, Any], data_of(body))

    async def reschedule(self, booking_uid: BookingUid, slot: Slot, *, reason: str) -> Booking:
        body = {"start": wire_time(slot.start), "reschedulingReason": reason}
        try:
            return await self._change(booking_uid, "reschedule", body)
        except Refusal as refusal:
            if _is_taken(refusal):
                raise SlotTaken(slot) from None
            moved = await self.get(booking_uid) if MOVED_TEXT in refusal.text else None
            if moved is None or moved.uid == booking_uid:
                raise _not_changed(refusal, reason) from None
        # Its uid leads to another: we moved it before and lost the answer, or its host moved it.
        if moved.slot.start == slot.start and moved.status in LIVE_STATUSES:
            return moved
        return await self.reschedule(moved.uid, slot, reason=reason)

    async def cancel(self, booking_uid: BookingUid, *, reason: str) -> Booking:
        # To Cal.com an API key is the host, who must give a reason.
        body = {"cancellationReason": reason.strip() or NO_REASON}
        try:
            return await self._change(booking_uid, "cancel", body)
        except Refusal as refusal:
            is_cancelled = any(text in refusal.text for text in CANCELLED_TEXTS)
            known = await self._get_after_cancel(booking_uid) if is_cancelled else None
            if known is None:
                raise _not_changed(refusal, reason) from None
        if known.uid == booking_uid:
            return replace(known, status=BookingStatus.CANCELLED)
        # It was moved: what shall not take place is the booking that it has become.
        return known if known.status not in LIVE_STATUSES else await self.cancel(known.uid, reason=reason)

    async def _change(self, booking_uid: BookingUid, change: str, body: Mapping[str, str]) -> Booking:
        answer = await self._client.post(f"{_path(booking_uid)}/{change}", body=body, headers=BOOKINGS)
        return read_booking(data_of(answer, is_unclear=True), is_unclear=True)

    async def _get_after_cancel(self, booking_uid: BookingUid) -> Booking | None:
        try:
            return await self.get(booking_uid)
        except CalendarUnavailable as error:
            raise CalendarUnavailable(str(error), is_unclear=True) from error

    async def hold(self, event_type_id: EventTypeId, slot: Slot, *, until: datetime) -> str:
        minutes = (until - self._clock()).total_seconds() / 60
        body = {
            "eventTypeId": int(_number(event_type_id)),
            "slotStart": wire_time(slot.start),
            "reservationDuration": max(1, math.ceil(minutes)),
        }
        try:
            answer = await self._client.post("/v2/slots/reservations", body=body, headers=SLOTS)
        except Refusal as refusal:
            if refusal.status == 422:
                raise SlotTaken(slot) from None
            return ""  # a key that may not reserve can still book
        return read(WireReservation, data_of(answer, is_unclear=True), is_unclear=True).uid

    async def release(self, reservation: str) -> None:
        if not reservation:
            return
        try:
            await self._client.delete(f"/v2/slots/reservations/{quote(reservation, safe='')}", headers=SLOTS)
        except Refusal as refusal:
            if refusal.status != 404:
                raise _rejected(refusal) from None

    async def find(self, event_type_id: EventTypeId, slot: Slot, *, idempotency_key: str) -> Booking | None:
        params = {
            "eventTypeIds": _number(event_type_id),
            "afterStart": wire_time(slot.start - timedelta(seconds=1)),
            "beforeEnd": wire_time(slot.end + LOOK_AROUND),
            # Ours is among the youngest, and so on the first page even where the filters are ignored
            # (calcom/cal.diy#18010).
            "sortCreated": "desc",
            "take": "100",
        }
        entries = read(list[dict[str, Any]], await self._get("/v2/bookings", params, BOOKINGS, event_type_id))
        # Others' bookings are not read any further: an odd one must not hide ours.
        ours = [read_booking(entry) for entry in entries if _is_marked(entry, idempotency_key)]
        return next((booking for booking in ours if booking.status in LIVE_STATUSES), None)

    async def _get(
        self, path: str, params: Mapping[str, str], headers: Mapping[str, str], event_type_id: str = ""
    ) -> Any:
        try:
            body = await self._client.get(path, params=params, headers=headers)
        except Refusal as refusal:
            raise _rejected(refusal, event_type_id) from None
        return data_of(body)


def _is_taken(refusal: Refusal) -> bool:
    return refusal.status == 409 or any(text in refusal.text for text in TAKEN_TEXTS)


def _not_changed(refusal: Refusal, reason: str) -> CalendarRejected:
    """Say why a booking was not moved or cancelled; `reason` is what the caller said."""
    text = _without_personal_data(refusal.text, (reason,))
    if any(each in refusal.text for each in NOT_ALLOWED_TEXTS):
        return CalendarRejected(f"Cal.com does not let this be changed ({refusal.status}): {text}. {CHANGE_HELP}")
    return _rejected(Refusal(refusal.status, text))


def _rejected(refusal: Refusal, event_type_id: str = "") -> CalendarRejected:
    """Say what was refused and the way out, as far as it is known."""
    said = f"({refusal.status}): {refusal.text}" if refusal.text else f"({refusal.status})"
    if refusal.status < 400 or refusal.text.startswith(NO_ROUTE_TEXTS):
        return CalendarRejected(f"Cal.com's API v2 is not at this address {said}. {ADDRESS_HELP}")
    if refusal.status == 403:
        return CalendarRejected(f"Cal.com does not allow the key to do this {said}. {KEY_HELP}")
    if refusal.status == 404 and event_type_id:
        return CalendarRejected(f"Cal.com knows no event type {event_type_id} {said}. {EVENT_TYPE_HELP}")
    about = f" about event type {event_type_id}" if event_type_id else ""
    return CalendarRejected(f"Cal.com refused a request{about} {said}")


def _path(booking_uid: BookingUid) -> str:
    return f"/v2/bookings/{quote(booking_uid, safe='')}"


def _number(event_type_id: EventTypeId) -> str:
    if not (event_type_id.isascii() and event_type_id.isdigit()):
        raise CalendarRejected(f"{event_type_id!r} is no event type of Cal.com: those are numbers. {EVENT_TYPE_HELP}")
    return event_type_id


def _attendee(attendee: Attendee) -> dict[str, str]:
    wire = {"name": attendee.name, "timeZone": attendee.zone, "language": "en"}
    if attendee.email:
        wire["email"] = attendee.email
    if attendee.phone:
        wire["phoneNumber"] = attendee.phone
    return wire


def _without_personal_data(text: str, private: Iterable[str | None]) -> str:
    """Return `text` without what is `private` of what was sent, and without any e-mail address."""
    for each in filter(None, private):
        text = re.sub(rf"(?<!\w){re.escape(each)}(?!\w)", "…", text, flags=re.IGNORECASE)
    return E_MAIL.sub("…", text)


def _is_marked(entry: Mapping[str, Any], idempotency_key: str) -> bool:
    metadata = entry.get("metadata")
    return isinstance(metadata, dict) and metadata.get("idem") == idempotency_key
