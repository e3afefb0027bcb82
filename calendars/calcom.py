"""Cal.com API v2 as a Calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from appointments.errors import CalendarRejected, CalendarUnavailable, SlotTaken
from appointments.model import Booking, BookingStatus, BookingUid, EventType, Slot
from calendars.client import Refusal, ServiceClient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appointments.model import Attendee, EventTypeId

# One version per resource; an unknown one silently falls back to an older shape:
# https://cal.com/docs/api-reference/v2/introduction
SLOTS = {"cal-api-version": "2024-09-04"}
BOOKINGS = {"cal-api-version": "2024-08-13"}
EVENT_TYPES = {"cal-api-version": "2024-06-14"}
KEY_HELP = "Create a key under Cal.com → Settings → Developer → API keys and set CALCOM_API_KEY."

TAKEN_TEXTS = (
    "already has booking at this time or is not available",
    "no_available_users_found_error",
    "booking_conflict_error",
    "booking_seats_full_error",
    "can't be booked at the",
    "booking a meeting in the past",
)
"""Cal.com sends no codes: these parts of its messages mean that the slot is not to be had."""

Model = TypeVar("Model", bound=BaseModel)

LIVE_STATUSES = frozenset({BookingStatus.ACCEPTED, BookingStatus.PENDING})


class _Slot(BaseModel):
    start: AwareDatetime
    end: AwareDatetime


class _Slots(BaseModel):
    data: dict[str, list[_Slot]]


class _Field(BaseModel):
    slug: str = ""
    type: str = ""
    required: bool = False
    hidden: bool = False


class _EventType(BaseModel):
    id: int
    title: str
    length: Annotated[int, Field(alias="lengthInMinutes", gt=0)]
    fields: Annotated[list[_Field], Field(alias="bookingFields", default_factory=list)]


class _Host(BaseModel):
    name: str = ""


class _Booking(BaseModel):
    uid: str
    status: BookingStatus
    start: AwareDatetime
    end: AwareDatetime
    location: str | None = None
    hosts: Annotated[list[_Host], Field(default_factory=list)]
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]


class CalComCalendar:
    """One Cal.com account. Refuses overlap by itself, except for round-robin, seated and recurring types."""

    refuses_overlap = True

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    @classmethod
    def connect(cls, base_url: str, *, api_key: str, timeout_secs: float = 8.0) -> CalComCalendar:
        return cls(
            ServiceClient(base_url, api_key=api_key, name="Cal.com", key_help=KEY_HELP, timeout_secs=timeout_secs)
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def me(self) -> str:
        """Return the IANA zone of the key's owner; raises `CalendarRejected` when the key is refused."""
        body = await self._get("/v2/me", {}, {})
        return str(body["data"]["timeZone"])

    async def event_type(self, event_type_id: EventTypeId) -> EventType:
        body = await self._get(f"/v2/event-types/{event_type_id}", {}, EVENT_TYPES)
        found = _parse(_EventType, body["data"])
        requires_email = any(field.required and "email" in (field.slug, field.type) for field in found.fields)
        return EventType(event_type_id, found.title, timedelta(minutes=found.length), requires_email)

    async def free_slots(self, event_type_id: EventTypeId, *, start: datetime, end: datetime) -> Sequence[Slot]:
        # Cal.com widens an `end` of exactly midnight UTC to the whole day, and has returned slots outside the
        # range (calcom/cal.diy#24260): filter here.
        params = {
            "eventTypeId": event_type_id,
            "start": _utc(start),
            "end": _utc(end),
            "timeZone": "UTC",
            "format": "range",
        }
        days = _parse(_Slots, await self._get("/v2/slots", params, SLOTS)).data
        slots = {Slot(slot.start, slot.end - slot.start) for day in days.values() for slot in day}
        return sorted(slot for slot in slots if start <= slot.start < end)

    async def book(
        self, event_type: EventType, slot: Slot, attendee: Attendee, *, notes: str, idempotency_key: str
    ) -> Booking:
        body = {
            "eventTypeId": int(event_type.id),
            "start": _utc(slot.start),
            "attendee": _attendee(attendee),
            # Cal.com has no Idempotency-Key header and does not filter by metadata, but returns it.
            "metadata": {"idem": idempotency_key},
        }
        if notes:
            body["bookingFieldsResponses"] = {"notes": notes}
        try:
            answer = await self._client.post("/v2/bookings", body=body, headers=BOOKINGS)
        except Refusal as refusal:
            if any(text in refusal.text for text in TAKEN_TEXTS):
                raise SlotTaken(slot) from refusal
            raise _rejected(refusal) from refusal
        return _booking(answer["data"])

    async def get(self, booking_uid: BookingUid) -> Booking | None:
        """Return one booking, None when Cal.com knows no such uid."""
        try:
            body = await self._client.get(f"/v2/bookings/{booking_uid}", params={}, headers=BOOKINGS)
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise _rejected(refusal) from refusal
        return _booking(body["data"])

    async def find(self, event_type_id: EventTypeId, slot: Slot, *, idempotency_key: str) -> Booking | None:
        params = {
            "eventTypeIds": event_type_id,
            "afterStart": _utc(slot.start - timedelta(seconds=1)),
            "beforeEnd": _utc(slot.end + timedelta(seconds=1)),
            "take": "100",
        }
        body = await self._get("/v2/bookings", params, BOOKINGS)
        for entry in body["data"]:
            booking = _booking(entry)
            if booking.idempotency_key == idempotency_key and booking.status in LIVE_STATUSES:
                return booking
        return None

    async def _get(self, path: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        try:
            return await self._client.get(path, params=params, headers=headers)
        except Refusal as refusal:
            raise _rejected(refusal) from refusal


def _rejected(refusal: Refusal) -> CalendarRejected:
    return CalendarRejected(f"Cal.com refused the request ({refusal.status}): {refusal.text or 'no reason given'}")


def _attendee(attendee: Attendee) -> dict[str, str]:
    wire = {"name": attendee.name, "timeZone": attendee.zone, "language": "en"}
    if attendee.email:
        wire["email"] = attendee.email
    if attendee.phone:
        wire["phoneNumber"] = attendee.phone
    return wire


def _booking(data: object) -> Booking:
    found = _parse(_Booking, data)
    location = found.location or ""
    is_link = location.startswith(("http://", "https://"))
    return Booking(
        uid=BookingUid(found.uid),
        slot=Slot(found.start, found.end - found.start),
        status=found.status,
        idempotency_key=str(found.metadata.get("idem", "")),
        meeting_link=location if is_link else "",
        location="" if is_link else location,
        host_name=found.hosts[0].name if found.hosts else "",
    )


def _parse(model: type[Model], data: object) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # `from None`: the cause holds the attendee's data.
        fields = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False))
        raise CalendarUnavailable(f"Cal.com answered in an unknown shape: {fields}", is_unclear=True) from None


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
