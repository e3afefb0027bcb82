"""Cal.com's wire format as its stand-in accepts and answers it: queries, bodies, and both error envelopes.

What slotline never sends (event types by a team's address, recurrence, routing, instant meetings) is refused as
unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from aiohttp import web
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from typing import Self

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_DAY_OR_INSTANT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?")
_LANGUAGES = (
    "ar az bg bn ca cs da de el en es es-419 et eu fi fr he hr hu id it iw ja km ko lv nl no pl pt pt-BR ro ru "
    "sk sr sv ta th tr uk vi zh-CN zh-TW"
)
_APPS = (
    "cal-video google-meet zoom whereby-video whatsapp-video webex-video telegram-video tandem sylaps-video "
    "skype-video sirius-video signal-video shimmer-video salesroom-video roam-video riverside-video ping-video "
    "office365-video mirotalk-video jitsi jelly-video jelly-conferencing huddle facetime-video element-call-video "
    "eightxeight-video discord-video demodesk-video campfire-video"
)

Model = TypeVar("Model", bound=BaseModel)


class CalComError(Exception):
    """An error answer. `is_raw`: without Cal.com's envelope, as its library errors come through."""

    def __init__(
        self,
        status: HTTPStatus,
        message: str,
        *,
        code: str = "",
        is_raw: bool = False,
        problems: Sequence[Mapping[str, object]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or f"{status.phrase.title().replace(' ', '')}Exception"
        self.is_raw = is_raw
        self._problems = problems

    def answer(self, path: str) -> web.Response:
        """Return the error as the answer to a request for `path`."""
        if self.is_raw:
            return web.json_response({"statusCode": self.status, "message": self.message}, status=self.status)
        details: dict[str, object] = {
            "message": self.message,
            "error": self.status.phrase,
            "statusCode": self.status,
        }
        if self._problems:
            details = {"errors": self._problems}
        envelope = {
            "status": "error",
            "timestamp": wire_time(datetime.now(UTC)),
            "path": path,
            "error": {"code": self.code, "message": self.message, "details": details},
        }
        return web.json_response(envelope, status=self.status)


def success(data: object, *, status: HTTPStatus = HTTPStatus.OK, **more: object) -> web.Response:
    return web.json_response({"status": "success", "data": data, **more}, status=status)


def bad_request(message: str, *, is_raw: bool = False) -> CalComError:
    return CalComError(HTTPStatus.BAD_REQUEST, message, is_raw=is_raw)


def wrong_property(error: ValidationError) -> CalComError:
    """Return the flat text that Cal.com's pipes for slots and bookings make of what does not fit."""
    texts = [f"{path} property is wrong,{constraint} " for path, constraint in _problems(error)]
    return bad_request(", ".join(texts))


def wrong_properties(error: ValidationError) -> CalComError:
    """Return the list that Cal.com's pipe for everything else makes of what does not fit."""
    problems = [{"property": path, "constraints": {"fits": constraint}} for path, constraint in _problems(error)]
    return CalComError(HTTPStatus.BAD_REQUEST, "Bad Request Exception", problems=problems)


def _problems(error: ValidationError) -> list[tuple[str, str]]:
    found = []
    for problem in error.errors(include_url=False):
        path = ".".join(str(part) for part in problem["loc"]) or "body"
        unknown = problem["type"] == "extra_forbidden"
        constraint = f"property {path} should not exist" if unknown else problem["msg"].removeprefix("Value error, ")
        found.append((path, constraint))
    return found


def read_query(request: web.Request, model: type[Model]) -> Model:
    """Return the query of a request, or answer 400 saying what is wrong with it."""
    given = {name: ",".join(request.query.getall(name)) for name in request.query}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise wrong_property(error) from error


async def read_body(
    request: web.Request,
    model: type[Model],
    *,
    refusal: Callable[[ValidationError], CalComError] = wrong_property,
) -> Model:
    """Return the body of a request, or answer 400 saying what is wrong with it."""
    if request.query:
        raise bad_request(f"property {next(iter(request.query))} should not exist")
    try:
        given = json.loads(await request.read()) if request.content_type == "application/json" else None
    except ValueError as error:
        raise bad_request(f"Unexpected token in JSON: {error}") from error
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise refusal(error) from error


def wire_time(moment: datetime) -> str:
    """Return `moment` as Cal.com writes times in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _instant(value: object) -> datetime:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("must be a valid ISO 8601 date string with seconds and an offset")
    return datetime.fromisoformat(value)


def _day_or_instant(value: object) -> datetime:
    if not isinstance(value, str) or not _DAY_OR_INSTANT.fullmatch(value):
        raise ValueError("must be a valid ISO 8601 date string")
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _zone(value: object) -> ZoneInfo:
    if not isinstance(value, str) or value not in available_timezones():
        raise ValueError("must be a valid IANA time-zone")
    return ZoneInfo(value)


def _phone(value: str) -> str:
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise ValueError("Invalid phone number format. Please use international format.")
    return value


def _language(value: str) -> str:
    if value not in _LANGUAGES.split():
        raise ValueError(f"language must be one of the following values: {_LANGUAGES.replace(' ', ', ')}")
    return value


def _app(value: str) -> str:
    if value not in _APPS.split():
        raise ValueError(f"integration must be one of the following values: {_APPS.replace(' ', ', ')}")
    return value


def _metadata_size(metadata: dict[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
    if len(metadata) > 50 or any(len(key) > 40 for key in metadata):
        raise ValueError("Metadata must have at most 50 keys, each key up to 40 characters.")
    if any(isinstance(value, str) and len(value) > 500 for value in metadata.values()):
        raise ValueError("Metadata string values must be up to 500 characters.")
    return metadata


Instant = Annotated[datetime, BeforeValidator(_instant)]
DayOrInstant = Annotated[datetime, BeforeValidator(_day_or_instant)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
Metadata = Annotated[dict[str, str | int | float | bool], AfterValidator(_metadata_size)]
Order = Literal["asc", "desc"]
PhoneNumber = Annotated[str, AfterValidator(_phone)]


class Wire(BaseModel):
    """What comes over the wire: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, arbitrary_types_allowed=True)


class NoQuery(Wire):
    """The query of an endpoint that takes none."""


class PageQuery(Wire):
    """The query of a list that tells no totals."""

    take: int = Field(default=250, ge=1, le=250)
    skip: int = Field(default=0, ge=0)


class TeamTypesQuery(Wire):
    """The query of ``GET /v2/teams/{id}/event-types``."""

    event_slug: str | None = None
    hosts_limit: int | None = None
    sort_created_at: Order | None = None


class EventTypesQuery(Wire):
    """The query of ``GET /v2/event-types``."""

    username: str | None = None
    event_slug: str | None = None
    sort_created_at: Order | None = None


class SlotsQuery(Wire):
    """The query of ``GET /v2/slots``; a start or end without an offset is UTC."""

    event_type_id: int | None = None
    event_type_slug: str | None = None
    username: str | None = None
    start: DayOrInstant
    end: DayOrInstant
    time_zone: Zone | None = None
    duration: int | None = None
    format: Literal["time", "range"] = "time"
    booking_uid_to_reschedule: str | None = None

    @model_validator(mode="after")
    def _names_one_event_type(self) -> Self:
        by_slug = bool(self.event_type_slug and self.username)
        if by_slug == (self.event_type_id is not None):
            raise ValueError("Either eventTypeId or eventTypeSlug with username must be provided.")
        return self


class ListQuery(Wire):
    """The query of ``GET /v2/bookings`` (2024-08-13)."""

    status: list[Literal["upcoming", "recurring", "past", "cancelled", "unconfirmed"]] | None = None
    attendee_email: str | None = None
    attendee_name: str | None = None
    booking_uid: str | None = None
    event_type_id: int | None = None
    event_type_ids: list[int] | None = None
    after_start: Instant | None = None
    before_end: Instant | None = None
    after_created_at: Instant | None = None
    before_created_at: Instant | None = None
    after_updated_at: Instant | None = None
    before_updated_at: Instant | None = None
    sort_start: Order | None = None
    sort_end: Order | None = None
    sort_created: Order | None = None
    sort_updated_at: Order | None = None
    take: int = Field(default=100, ge=1, le=250)
    skip: int = Field(default=0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, query: dict[str, str]) -> dict[str, str | list[str]]:
        return {name: text.split(",") if name in ("status", "eventTypeIds") else text for name, text in query.items()}


class Body(Wire):
    """A JSON body, whose values are taken as they are: "101" is no number."""

    model_config = ConfigDict(strict=True)


class AskedHostPlace(Body):
    """A place that the host has named in the event type."""

    type: Literal["address", "link", "phone"]

    @property
    def answer(self) -> str:
        return ""


class AskedMeeting(Body):
    """A meeting by video, with one of the event type's apps."""

    type: Literal["integration"]
    integration: Annotated[str, AfterValidator(_app)]


class AskedPhone(Body):
    """The attendee's number, which the host calls."""

    type: Literal["attendeePhone"]
    phone: PhoneNumber

    @property
    def answer(self) -> str:
        return self.phone


class AskedAddress(Body):
    """The attendee's address, where the host comes."""

    type: Literal["attendeeAddress"]
    address: Annotated[str, Field(min_length=1)]

    @property
    def answer(self) -> str:
        return self.address


class AskedElsewhere(Body):
    """A place that the attendee thought of."""

    type: Literal["attendeeDefined"]
    location: Annotated[str, Field(min_length=1)]

    @property
    def answer(self) -> str:
        return self.location


AskedPlace = Annotated[
    AskedHostPlace | AskedMeeting | AskedPhone | AskedAddress | AskedElsewhere, Field(discriminator="type")
]


class CreateAttendee(Body):
    """Who comes, as ``POST /v2/bookings`` takes it."""

    name: Annotated[str, Field(min_length=1)]
    time_zone: Zone
    email: EmailStr | None = None
    phone_number: PhoneNumber | None = None
    language: Annotated[str, AfterValidator(_language)] = "en"

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if not self.email and not self.phone_number:
            raise ValueError("Attendee must have at least one contact method (email or phone number)")
        return self


class CreateBooking(Body):
    """The body of ``POST /v2/bookings``."""

    start: Instant
    attendee: CreateAttendee
    event_type_id: int | None = None
    event_type_slug: str | None = None
    username: str | None = None
    guests: list[EmailStr] = []
    booking_fields_responses: dict[str, object] = {}
    location: AskedPlace | None = None
    metadata: Metadata = {}
    length_in_minutes: int | None = None

    @model_validator(mode="after")
    def _names_an_event_type(self) -> Self:
        if self.event_type_id is None and not (self.event_type_slug and self.username):
            raise ValueError("Either eventTypeId or eventTypeSlug with username must be provided.")
        return self


class RescheduleBooking(Body):
    """The body of ``POST /v2/bookings/{uid}/reschedule``. The host's e-mail in `rescheduled_by` confirms the move."""

    start: Instant
    rescheduling_reason: str | None = None
    rescheduled_by: str | None = None


class CancelBooking(Body):
    """The body of ``POST /v2/bookings/{uid}/cancel``."""

    cancellation_reason: str | None = None
    cancel_subsequent_bookings: Literal[False] = False


class ReserveSlot(Body):
    """The body that makes a reservation and the one that changes it; durations are in minutes."""

    event_type_id: int
    slot_start: Instant
    slot_duration: int | None = None
    reservation_duration: Annotated[int, Field(ge=1)] | None = None
