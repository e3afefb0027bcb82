"""Twilio's REST wire format as its stand-in accepts and answers it: forms, queries, errors, dates."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal

import phonenumbers
from aiohttp import web
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, model_validator
from pydantic.alias_generators import to_pascal

if TYPE_CHECKING:
    from typing import Self

    from pydantic import ValidationError

API = "2010-04-01"
"""The version of the REST API, which is part of every path."""

INVALID_PARAMETER = 20001
NOT_AUTHENTICATED = 20003
NOT_FOUND = 20404
TOO_MANY_REQUESTS = 20429
INTERNAL_ERROR = 20500
INVALID_TO = 21211
INVALID_FROM = 21212
REGION_NOT_ENABLED = 21408
BODY_REQUIRED = 21602
FROM_REQUIRED = 21603
TO_REQUIRED = 21604
FROM_NOT_OWNED = 21606
INVALID_CALLBACK = 21609
OPTED_OUT = 21610
QUEUE_FULL = 21611
UNROUTABLE = 21612
NOT_MOBILE = 21614
BODY_TOO_LONG = 21617
CALL_NOT_IN_PROGRESS = 21220

# The numbers of Twilio's test credentials: https://www.twilio.com/docs/iam/test-credentials
MAGIC_FROM = {"+15005550001": INVALID_FROM, "+15005550007": FROM_NOT_OWNED, "+15005550008": QUEUE_FULL}
MAGIC_VALID_FROM = "+15005550006"
MAGIC_TO = {
    "+15005550001": INVALID_TO,
    "+15005550002": UNROUTABLE,
    "+15005550003": REGION_NOT_ENABLED,
    "+15005550004": OPTED_OUT,
    "+15005550009": NOT_MOBILE,
}
TEXTS = {
    INVALID_TO: "Invalid 'To' Phone Number: {number}",
    INVALID_FROM: "Invalid 'From' Phone Number: {number}",
    REGION_NOT_ENABLED: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
    FROM_NOT_OWNED: "The 'From' phone number {number} is not a valid, message-capable phone number of this account",
    OPTED_OUT: "Attempt to send to unsubscribed recipient",
    QUEUE_FULL: "This 'From' number has exceeded the maximum number of queued messages",
    UNROUTABLE: "The 'To' phone number: {number}, is not currently reachable using the 'From' phone number",
    NOT_MOBILE: "'To' number is not a valid mobile number",
}


class TwilioError(Exception):
    """An error answer in Twilio's shape."""

    def __init__(self, code: int, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def answer(self) -> web.Response:
        envelope = {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return web.json_response(envelope, status=self.status)


def number_error(code: int, number: str) -> TwilioError:
    return TwilioError(code, TEXTS[code].format(number=number))


def no_resource(path: str) -> TwilioError:
    return TwilioError(NOT_FOUND, f"The requested resource {path} was not found", HTTPStatus.NOT_FOUND)


def invalid_parameters(error: ValidationError) -> TwilioError:
    """Return the error for a form or query that does not fit.

    A validator of ours may start its message with a Twilio code, as in "21604: ...".
    """
    problem = error.errors(include_url=False)[0]
    code, colon, message = problem["msg"].removeprefix("Value error, ").partition(": ")
    if colon and code.isdigit():
        return TwilioError(int(code), message)
    name = ".".join(str(part) for part in problem["loc"])
    return TwilioError(INVALID_PARAMETER, f"Invalid Parameter: {name}: {problem['msg']}")


def rfc2822(moment: datetime | None) -> str | None:
    """Return `moment` as Twilio writes dates."""
    return None if moment is None else format_datetime(moment.astimezone(UTC))


def is_e164(number: str) -> bool:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(parsed) and number == phonenumbers.format_number(
        parsed, phonenumbers.PhoneNumberFormat.E164
    )


def _callback(url: str) -> str:
    try:
        HttpUrl(url)
    except ValueError as error:
        raise ValueError(f"{INVALID_CALLBACK}: The 'StatusCallback' URL {url} is not a valid URL.") from error
    return url


def _moment(value: object) -> object:
    # Twilio documents a bare date as well; it means midnight UTC.
    return f"{value}T00:00:00Z" if isinstance(value, str) and len(value) == len("2026-12-01") else value


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Texts = Annotated[list[str], BeforeValidator(_as_list)]
CallbackUrl = Annotated[str, AfterValidator(_callback)]
Moment = Annotated[datetime, BeforeValidator(_moment), AfterValidator(_aware)]
Method = Literal["GET", "POST"]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_pascal)


class CreateMessage(_Wire):
    """The form of ``POST Messages.json``: the API's fields, checked. Those slotline never sends have no effect."""

    to: str | None = None
    from_: str | None = Field(default=None, alias="From")
    messaging_service_sid: str | None = Field(default=None, pattern=r"^MG[0-9a-fA-F]{32}$")
    body: str | None = None
    status_callback: CallbackUrl | None = None
    application_sid: str | None = Field(default=None, pattern=r"^AP[0-9a-fA-F]{32}$")
    max_price: float | None = None
    provide_feedback: bool | None = None
    attempt: int | None = None
    validity_period: int | None = Field(default=None, ge=1, le=36000)
    force_delivery: bool | None = None
    content_retention: Literal["retain", "discard"] | None = None
    address_retention: Literal["retain", "obfuscate"] | None = None
    smart_encoded: bool | None = None
    persistent_action: Texts | None = None
    traffic_type: Literal["free"] | None = None
    shorten_urls: bool | None = None
    schedule_type: Literal["fixed"] | None = None
    send_at: Moment | None = None
    send_as_mms: bool | None = None
    content_variables: str | None = None
    risk_check: Literal["enable", "disable"] | None = None
    fallback_from: str | None = None
    media_url: Texts | None = None
    content_sid: str | None = Field(default=None, pattern=r"^HX[0-9a-fA-F]{32}$")

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if not self.to:
            raise ValueError(f"{TO_REQUIRED}: A 'To' phone number is required.")
        if not self.from_ and not self.messaging_service_sid:
            raise ValueError(f"{FROM_REQUIRED}: A 'From' phone number is required.")
        if not self.body:
            raise ValueError(f"{BODY_REQUIRED}: Message body is required.")
        if len(self.body) > 1600:
            raise ValueError(f"{BODY_TOO_LONG}: The concatenated message body exceeds the 1600 character limit.")
        return self


class ListMessages(_Wire):
    """The query of ``GET Messages.json``; ``DateSent>=x`` is the parameter ``DateSent>`` with the value ``x``."""

    to: str | None = None
    from_: str | None = Field(default=None, alias="From")
    date_sent: Moment | None = None
    date_sent_before: Moment | None = Field(default=None, alias="DateSent<")
    date_sent_after: Moment | None = Field(default=None, alias="DateSent>")
    page_size: int = Field(default=50, ge=1, le=1000)
    page: int = Field(default=0, ge=0)
    page_token: str | None = None


class ListNumbers(_Wire):
    """The query of ``GET IncomingPhoneNumbers.json``."""

    beta: bool | None = None
    friendly_name: str | None = None
    phone_number: str | None = Field(default=None, pattern=r"^\+?[0-9*]+$")
    origin: Literal["twilio", "hosted"] | None = None
    page_size: int = Field(default=50, ge=1, le=1000)
    page: int = Field(default=0, ge=0)
    page_token: str | None = None


class UpdateCall(_Wire):
    """The form of ``POST Calls/{CA}.json``."""

    url: CallbackUrl | None = None
    method: Method | None = None
    status: Literal["canceled", "completed"] | None = None
    fallback_url: CallbackUrl | None = None
    fallback_method: Method | None = None
    status_callback: CallbackUrl | None = None
    status_callback_method: Method | None = None
    twiml: str | None = Field(default=None, max_length=4000)
    time_limit: int | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.url and self.twiml:
            raise ValueError("Url and Twiml are mutually exclusive")
        if not (self.url or self.twiml or self.status or self.time_limit):
            raise ValueError("one of Url, Twiml, Status and TimeLimit is required")
        return self


class NoQuery(_Wire):
    """The query of an endpoint that takes none."""
