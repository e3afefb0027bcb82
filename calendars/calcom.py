"""Cal.com API v2 as a Calendar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from appointments.errors import CalendarRejected, CalendarUnavailable, SlotTaken
from appointments.model import Booking, BookingStatus, BookingUid, EventType, Slot
from calendars.client import READ_PAUSES_SECS, Refusal, ServiceClient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appointments.model import Attendee, EventTypeId

# One version per resource; an unknown one silently falls back to an older shape:
# https://cal.com/docs/api-reference/v2/introduction
SLOTS = {"cal-api-version": "2024-09-04"}
BOOKINGS = {"cal-api-version": "2024-08-13"}
EVENT_TYPES = {"cal-api-version": "2024-06-14"}

KEY_HELP = "Create a key under Cal.com → Settings → Developer → API keys and set CALCOM_API_KEY."
ADDRESS_HELP = "Set CALCOM_BASE_URL to the address of Cal.com's API v2, without /v2: https://api.cal.com"
EVENT_TYPE_HELP = (
    "Set CALCOM_EVENT_TYPE_ID, or event_type in the business file, to the number in the event type's address at "
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

NO_ROUTE_TEXTS = ("Cannot GET ", "Cannot POST ")
"""What the 404 of a wrong address says; others say what was not found."""

LOOK_AROUND = timedelta(hours=12)
"""How much later than expected a booking may end and still be found: its event type may have grown meanwhile."""

LIVE_STATUSES = frozenset({BookingStatus.ACCEPTED, BookingStatus.PENDING})

E_MAIL = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+")

Wire = TypeVar("Wire")


def _or(empty: type[dict[str, Any]] | type[list[Any]] | type[str]) -> BeforeValidator:
    """Cal.com sends null as readily as nothing at all."""
    return BeforeValidator(lambda value: empty() if value is None else value)


class Obstacle(StrEnum):
    """Why no phone call can book an event type once and for good."""

    MANAGED = "it is the parent of a managed event type"
    PRICE = "it has a price, and Cal.com gives callers no way to pay"
    # Of these Cal.com would book a repeated request twice.
    SEATS = "it has seats"
    RECURRENCE = "it recurs"
    VERIFICATION = "it has callers verify their e-mail with a code"


@dataclass(frozen=True, slots=True)
class EventTypeDetails:
    """What an event type says that matters for booking by phone.

    `required_fields` are the questions, by slug, that must be answered beside the name and the e-mail.
    `locations` are the kinds of place it can happen at, Cal.com's default first: "phone", "address", "zoom" …
    """

    event_type: EventType
    obstacles: tuple[Obstacle, ...] = ()
    needs_confirmation: bool = False
    lacks_hosts: bool = False
    required_fields: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()


class _Me(BaseModel):
    zone: Annotated[str, Field(alias="timeZone", min_length=1)]


class _Slot(BaseModel):
    start: AwareDatetime
    end: AwareDatetime


class _Field(BaseModel):
    slug: Annotated[str, _or(str)] = ""
    type: Annotated[str, _or(str)] = ""
    required: bool | None = False
    hidden: bool | None = False


class _EventType(BaseModel):
    title: str
    length: Annotated[int, Field(alias="lengthInMinutes", gt=0)]
    fields: Annotated[list[_Field], _or(list), Field(alias="bookingFields")] = []
    price: float | None = None
    seats: dict[str, Any] | None = None
    recurrence: dict[str, Any] | None = None
    requires_code: Annotated[bool | None, Field(alias="requiresBookerEmailVerification")] = False
    scheduling: Annotated[Any, Field(alias="schedulingType")] = None

    @property
    def requires_email(self) -> bool:
        return any(field.required and "email" in (field.slug, field.type) for field in self.fields)

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        applies = {
            Obstacle.MANAGED: self.scheduling == "managed",
            Obstacle.PRICE: self.price,
            Obstacle.SEATS: self.seats and "seatsPerTimeSlot" in self.seats,
            Obstacle.RECURRENCE: self.recurrence and not self.recurrence.get("disabled"),
            Obstacle.VERIFICATION: self.requires_code,
        }
        return tuple(obstacle for obstacle, is_there in applies.items() if is_there)

    def named(self, event_type_id: EventTypeId) -> EventType:
        return EventType(event_type_id, self.title, timedelta(minutes=self.length), self.requires_email)


class _EventTypeDetails(_EventType):
    """What booking does without, and so must not fail for: each of these may have any shape."""

    confirmation: Annotated[Any, Field(alias="confirmationPolicy")] = None
    hosts: Any = None
    has_all_members: Annotated[Any, Field(alias="assignAllTeamMembers")] = None
    places: Annotated[Any, Field(alias="locations")] = None

    def details(self, event_type_id: EventTypeId) -> EventTypeDetails:
        policy = self.confirmation if isinstance(self.confirmation, dict) else {}
        is_team = self.scheduling in ("roundRobin", "collective")
        return EventTypeDetails(
            event_type=self.named(event_type_id),
            obstacles=self.obstacles,
            needs_confirmation=bool(policy.get("type")) and not policy.get("disabled"),
            lacks_hosts=is_team and self.hosts == [] and not self.has_all_members,
            required_fields=tuple(
                field.slug or field.type
                for field in self.fields
                if field.required and not field.hidden and not {field.slug, field.type} & {"name", "email"}
            ),
            locations=tuple(filter(None, map(_kind_of_place, self.places if isinstance(self.places, list) else []))),
        )


class _Host(BaseModel):
    name: Annotated[str, _or(str)] = ""


class _Booking(BaseModel):
    uid: Annotated[str, Field(min_length=1)]
    status: BookingStatus
    start: AwareDatetime
    end: AwareDatetime
    location: str | None = None
    hosts: Annotated[list[_Host], _or(list)] = []
    metadata: Annotated[dict[str, Any], _or(dict)] = {}


class CalComCalendar:
    """One Cal.com account. Books no event type of which Cal.com would book a repeated request twice."""

    refuses_overlap = True

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    @classmethod
    def connect(
        cls,
        base_url: str,
        *,
        api_key: str,
        timeout_secs: float = 8.0,
        pauses_secs: Sequence[float] = READ_PAUSES_SECS,
    ) -> CalComCalendar:
        client = ServiceClient(
            base_url,
            api_key=api_key,
            name="Cal.com",
            key_help=KEY_HELP,
            timeout_secs=timeout_secs,
            pauses_secs=pauses_secs,
        )
        return cls(client)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def me(self) -> str:
        """Return the IANA zone of the key's owner; raises `CalendarRejected` when the key is refused."""
        return _parse(_Me, await self._get("/v2/me", {}, {})).zone

    async def event_type(self, event_type_id: EventTypeId) -> EventType:
        path = f"/v2/event-types/{_number(event_type_id)}"
        found = _parse(_EventType, await self._get(path, {}, EVENT_TYPES, event_type_id))
        if found.obstacles:
            raise CalendarRejected(
                f"Cal.com's event type {event_type_id}, {found.title!r}, cannot be booked by phone: "
                f"{', and '.join(found.obstacles)}. Change it at Cal.com, or choose another: {EVENT_TYPE_HELP}"
            )
        return found.named(event_type_id)

    async def describe(self, event_type_id: EventTypeId) -> EventTypeDetails:
        """Return all that matters for booking by phone, also of an event type that cannot be booked."""
        path = f"/v2/event-types/{_number(event_type_id)}"
        found = _parse(_EventTypeDetails, await self._get(path, {}, EVENT_TYPES, event_type_id))
        return found.details(event_type_id)

    async def understands_us(self) -> bool:
        """Tell whether the server knows our version of bookings; one that does not answers in an older shape."""
        try:
            body = await self._client.get("/v2/bookings", params={"take": "1"}, headers=BOOKINGS)
        except Refusal as refusal:
            raise _rejected(refusal) from None
        return isinstance(body, dict) and "pagination" in body

    async def free_slots(self, event_type_id: EventTypeId, *, start: datetime, end: datetime) -> Sequence[Slot]:
        if end <= start:
            return []
        params = {
            "eventTypeId": _number(event_type_id),
            "start": _utc(start),
            # Whole seconds, and never the midnight UTC that Cal.com takes for the end of the day it begins.
            "end": _utc(end + timedelta(seconds=1)),
            "timeZone": "UTC",
            "format": "range",
        }
        days = _parse(dict[str, list[_Slot]], await self._get("/v2/slots", params, SLOTS, event_type_id))
        # Cal.com has returned slots outside the range (calcom/cal.diy#24260).
        slots = {Slot(slot.start, slot.end - slot.start) for day in days.values() for slot in day}
        return sorted(slot for slot in slots if start <= slot.start < end)

    async def book(
        self, event_type: EventType, slot: Slot, attendee: Attendee, *, notes: str, idempotency_key: str
    ) -> Booking:
        body = {
            "eventTypeId": int(_number(event_type.id)),
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
            # `from None`, because the refusal may repeat what was sent.
            if refusal.status == 409 or any(text in refusal.text for text in TAKEN_TEXTS):
                raise SlotTaken(slot) from None
            said = _without_personal_data(refusal.text, attendee, notes)
            raise _rejected(Refusal(refusal.status, said), event_type.id) from None
        return _booking(_data(answer, is_unclear=True), is_unclear=True)

    async def get(self, booking_uid: BookingUid) -> Booking | None:
        """Return one booking, None when Cal.com knows no such uid."""
        path = f"/v2/bookings/{quote(booking_uid, safe='')}"
        try:
            body = await self._client.get(path, params={}, headers=BOOKINGS)
        except Refusal as refusal:
            if refusal.status == 404 and not refusal.text.startswith(NO_ROUTE_TEXTS):
                return None
            raise _rejected(refusal) from None
        return _booking(_data(body))

    async def find(self, event_type_id: EventTypeId, slot: Slot, *, idempotency_key: str) -> Booking | None:
        params = {
            "eventTypeIds": _number(event_type_id),
            "afterStart": _utc(slot.start - timedelta(seconds=1)),
            "beforeEnd": _utc(slot.end + LOOK_AROUND),
            # Ours is among the youngest, and so on the first page even where the filters are ignored
            # (calcom/cal.diy#18010).
            "sortCreated": "desc",
            "take": "100",
        }
        entries = _parse(list[dict[str, Any]], await self._get("/v2/bookings", params, BOOKINGS, event_type_id))
        # Others' bookings are not read any further: an odd one must not hide ours.
        ours = [_booking(entry) for entry in entries if _is_marked(entry, idempotency_key)]
        return next((booking for booking in ours if booking.status in LIVE_STATUSES), None)

    async def _get(
        self, path: str, params: Mapping[str, str], headers: Mapping[str, str], event_type_id: str = ""
    ) -> Any:
        try:
            body = await self._client.get(path, params=params, headers=headers)
        except Refusal as refusal:
            raise _rejected(refusal, event_type_id) from None
        return _data(body)


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


def _kind_of_place(place: object) -> str:
    if not isinstance(place, dict):
        return ""
    kind = place.get("integration") if place.get("type") == "integration" else place.get("type")
    return kind if isinstance(kind, str) else ""


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


def _without_personal_data(text: str, attendee: Attendee, notes: str) -> str:
    phone = attendee.phone or ""
    for private in (notes, attendee.email, attendee.name, phone, phone.removeprefix("+")):
        if private:
            text = re.sub(rf"(?<!\w){re.escape(private)}(?!\w)", "…", text, flags=re.IGNORECASE)
    return E_MAIL.sub("…", text)


def _is_marked(entry: Mapping[str, Any], idempotency_key: str) -> bool:
    metadata = entry.get("metadata")
    return isinstance(metadata, dict) and metadata.get("idem") == idempotency_key


def _booking(data: object, *, is_unclear: bool = False) -> Booking:
    found = _parse(_Booking, data, is_unclear=is_unclear)
    location = found.location or ""
    is_link = location.startswith(("http://", "https://"))
    return Booking(
        uid=BookingUid(found.uid),
        slot=Slot(found.start, found.end - found.start),
        status=found.status,
        idempotency_key=str(found.metadata.get("idem") or ""),
        meeting_link=location if is_link else "",
        location="" if is_link else location,
        host_name=found.hosts[0].name if found.hosts else "",
    )


def _data(body: object, *, is_unclear: bool = False) -> object:
    return _parse(dict[str, Any], body, is_unclear=is_unclear).get("data")


def _parse(model: type[Wire], data: object, *, is_unclear: bool = False) -> Wire:
    try:
        return TypeAdapter(model).validate_python(data)
    except ValidationError as error:
        # `from None`: the cause holds the attendee's data.
        fields = ", ".join(
            ".".join(map(str, problem["loc"])) or "data" for problem in error.errors(include_input=False)
        )
        raise CalendarUnavailable(f"Cal.com answered in an unknown shape: {fields}", is_unclear=is_unclear) from None


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
