"""Cal.com API v2 as a Calendar."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from appointments.booking_fields import LOCATION
from appointments.errors import CalendarRejected, CalendarUnavailable, EventTypeChanged, SlotTaken
from appointments.model import BookingStatus, BookingUid, Slot
from calendars.calcom_account import CalComAccount
from calendars.calcom_event_types import WireEventType, WireEventTypeDetails
from calendars.calcom_places import place_to_book
from calendars.calcom_requests import (
    BOOKINGS,
    EVENT_TYPE_HELP,
    EVENT_TYPES,
    NO_ROUTE_TEXTS,
    SLOTS,
    ask,
    connect,
    is_taken,
    not_booked,
    not_changed,
    number,
    rejected,
    without_personal_data,
)
from calendars.calcom_wire import WireReservation, WireSlot, data_of, read, read_booking, wire_time
from calendars.client import READ_PAUSES_SECS, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from appointments.model import Action, Attendee, Booking, EventType, EventTypeId
    from appointments.ports import Clock
    from calendars.calcom_event_types import EventTypeDetails
    from calendars.client import ServiceClient

WireShape = TypeVar("WireShape", bound=WireEventType)

CANCELLED_TEXTS = ("has been cancelled already", "has already been cancelled")
"""What a second cancellation is answered with, and one of a booking that was moved: its old uid is cancelled."""

MOVED_TEXT = "has been cancelled and rescheduled already"

NO_REASON = "No reason was given"

MOST_MOVES = 20
"""So many times a booking's trail is followed from one uid to the next."""

LOOK_AROUND = timedelta(hours=12)
"""How much later than expected a booking may end and still be found: its event type may have grown meanwhile."""

LIVE_STATUSES = frozenset({BookingStatus.ACCEPTED, BookingStatus.PENDING})


def _real_time() -> datetime:
    return datetime.now(UTC)


def _no_action(_event_type_id: EventTypeId) -> Action | None:
    return None


class CalComCalendar:
    """One Cal.com account. Books no event type of which Cal.com would book a repeated request twice.

    Args:
        action_of: Returns what the business file says of an event type now: its length and place, where Cal.com
            leaves a choice. None: nothing.
    """

    refuses_overlap = True

    def __init__(
        self,
        client: ServiceClient,
        *,
        clock: Clock,
        action_of: Callable[[EventTypeId], Action | None] = _no_action,
    ) -> None:
        self._client = client
        self._clock = clock
        self._action_of = action_of
        self._known: dict[EventTypeId, WireEventType] = {}

    @classmethod
    def connect(
        cls,
        base_url: str,
        *,
        api_key: str,
        timeout_secs: float = 8.0,
        pauses_secs: Sequence[float] = READ_PAUSES_SECS,
        clock: Clock = _real_time,
        action_of: Callable[[EventTypeId], Action | None] = _no_action,
    ) -> CalComCalendar:
        client = connect(base_url, api_key=api_key, timeout_secs=timeout_secs, pauses_secs=pauses_secs)
        return cls(client, clock=clock, action_of=action_of)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def me(self) -> str:
        """Return the IANA zone of the key's owner; raises `CalendarRejected` when the key is refused."""
        return (await self.account.owner()).zone

    @property
    def account(self) -> CalComAccount:
        """What the key's owner has at Cal.com."""
        return CalComAccount(self._client)

    def resource(self, event_type_id: EventTypeId) -> str:
        return event_type_id

    async def event_type(self, event_type_id: EventTypeId) -> EventType:
        found = self._known[event_type_id] = await self._ask_event_type(event_type_id, WireEventType)
        if found.obstacles:
            raise CalendarRejected(
                f"Cal.com's event type {event_type_id}, {found.title!r}, cannot be booked by phone: "
                f"{', and '.join(found.obstacles)}. Change it at Cal.com, or choose another: {EVENT_TYPE_HELP}"
            )
        return found.named(event_type_id)

    async def describe(self, event_type_id: EventTypeId) -> EventTypeDetails:
        """Return all that matters for booking by phone, also of an event type that cannot be booked."""
        return (await self._ask_event_type(event_type_id, WireEventTypeDetails)).details(event_type_id)

    async def understands_us(self) -> bool:
        """Tell whether the server knows our version of bookings; one that does not answers in an older shape."""
        try:
            body = await self._client.get("/v2/bookings", params={"take": "1"}, headers=BOOKINGS)
        except Refusal as refusal:
            raise rejected(refusal) from None
        return isinstance(body, dict) and "pagination" in body

    async def free_slots(
        self, event_type_id: EventTypeId, *, start: datetime, end: datetime, moving: BookingUid | None = None
    ) -> Sequence[Slot]:
        if end <= start:
            return []
        params = {
            "eventTypeId": number(event_type_id),
            "start": wire_time(start),
            # Whole seconds, and never the midnight UTC that Cal.com takes for the end of the day it begins.
            "end": wire_time(end + timedelta(seconds=1)),
            "timeZone": "UTC",
            "format": "range",
        }
        if minutes := await self._chosen_minutes(event_type_id):
            params["duration"] = str(minutes)
        if moving:
            params["bookingUidToReschedule"] = moving
        days = read(dict[str, list[WireSlot]], await ask(self._client, "/v2/slots", params, SLOTS, event_type_id))
        # Cal.com has returned slots outside the range (calcom/cal.diy#24260).
        slots = {Slot(slot.start, slot.end - slot.start) for day in days.values() for slot in day}
        return sorted(slot for slot in slots if start <= slot.start < end)

    async def _chosen_minutes(self, event_type_id: EventTypeId) -> int | None:
        """Return the length that the business wants of several, None where there is no choice."""
        action = self._action_of(event_type_id)
        if action is None or not action.has_length:
            return None
        return (await self._of(event_type_id)).other_length(action.duration)

    async def book(
        self, event_type: EventType, slot: Slot, attendee: Attendee, *, notes: str, idempotency_key: str
    ) -> Booking:
        body = await self._order(event_type, slot, attendee, notes) | {
            # Cal.com has no Idempotency-Key header and does not filter by metadata, but returns it.
            "metadata": {"idem": idempotency_key},
        }
        try:
            answer = await self._client.post("/v2/bookings", body=body, headers=BOOKINGS)
        except Refusal as refusal:
            # `from None`, because the refusal may repeat what was sent.
            if is_taken(refusal):
                raise SlotTaken(slot) from None
            phone = attendee.phone or ""
            answers = [each for each in attendee.answers.values() if isinstance(each, str)]
            private = (notes, attendee.email, attendee.name, phone, phone.removeprefix("+"), *answers)
            said = without_personal_data(refusal.text, private)
            error = not_booked(Refusal(refusal.status, said), event_type.id)
            if isinstance(error, EventTypeChanged):
                self._known.pop(event_type.id, None)
            raise error from None
        return read_booking(data_of(answer, is_unclear=True), is_unclear=True)

    async def _order(self, event_type: EventType, slot: Slot, attendee: Attendee, notes: str) -> dict[str, Any]:
        """Return what is asked for."""
        order: dict[str, Any] = {
            "eventTypeId": int(number(event_type.id)),
            "start": wire_time(slot.start),
            "attendee": _attendee(attendee),
        }
        answers = {slug: answer for slug, answer in attendee.answers.items() if slug != LOCATION}
        if notes:
            answers["notes"] = notes
        if answers:
            order["bookingFieldsResponses"] = answers
        action = self._action_of(event_type.id)
        known = await self._of(event_type.id) if action else self._known.get(event_type.id)
        if known is None:
            return order
        if minutes := known.other_length(slot.duration):
            order["lengthInMinutes"] = minutes
        if place := place_to_book(known.kinds_of_place, action.platform if action else "", attendee):
            order["location"] = place
        return order

    async def _of(self, event_type_id: EventTypeId) -> WireEventType:
        """Return what Cal.com said of an event type the last time, or says now when nobody has asked."""
        if event_type_id not in self._known:
            self._known[event_type_id] = await self._ask_event_type(event_type_id, WireEventType)
        return self._known[event_type_id]

    async def _ask_event_type(self, event_type_id: EventTypeId, shape: type[WireShape]) -> WireShape:
        path = f"/v2/event-types/{number(event_type_id)}"
        return read(shape, await ask(self._client, path, {}, EVENT_TYPES, event_type_id))

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
            raise rejected(refusal) from None
        return read(dict[str, Any], data_of(body))

    async def reschedule(self, booking_uid: BookingUid, slot: Slot, *, reason: str) -> Booking:
        body = {"start": wire_time(slot.start), "reschedulingReason": reason}
        try:
            return await self._change(booking_uid, "reschedule", body)
        except Refusal as refusal:
            if is_taken(refusal):
                raise SlotTaken(slot) from None
            moved = await self.get(booking_uid) if MOVED_TEXT in refusal.text else None
            if moved is None or moved.uid == booking_uid:
                raise not_changed(refusal, reason) from None
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
                raise not_changed(refusal, reason) from None
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
            "eventTypeId": int(number(event_type_id)),
            "slotStart": wire_time(slot.start),
            "reservationDuration": max(1, math.ceil(minutes)),
        }
        known = self._known.get(event_type_id)
        if known and (chosen := known.other_length(slot.duration)):
            body["slotDuration"] = chosen
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
                raise rejected(refusal) from None

    async def find(self, event_type_id: EventTypeId, slot: Slot, *, idempotency_key: str) -> Booking | None:
        params = {
            "eventTypeIds": number(event_type_id),
            "afterStart": wire_time(slot.start - timedelta(seconds=1)),
            "beforeEnd": wire_time(slot.end + LOOK_AROUND),
            # Ours is among the youngest, and so on the first page even where the filters are ignored
            # (calcom/cal.diy#18010).
            "sortCreated": "desc",
            "take": "100",
        }
        entries = read(list[dict[str, Any]], await ask(self._client, "/v2/bookings", params, BOOKINGS, event_type_id))
        # Others' bookings are not read any further: an odd one must not hide ours.
        ours = [read_booking(entry) for entry in entries if _is_marked(entry, idempotency_key)]
        return next((booking for booking in ours if booking.status in LIVE_STATUSES), None)


def _path(booking_uid: BookingUid) -> str:
    return f"/v2/bookings/{quote(booking_uid, safe='')}"


def _attendee(attendee: Attendee) -> dict[str, str]:
    wire = {"name": attendee.name, "timeZone": attendee.zone, "language": "en"}
    if attendee.email:
        wire["email"] = attendee.email
    if attendee.phone:
        wire["phoneNumber"] = attendee.phone
    return wire


def _is_marked(entry: Mapping[str, Any], idempotency_key: str) -> bool:
    metadata = entry.get("metadata")
    return isinstance(metadata, dict) and metadata.get("idem") == idempotency_key
