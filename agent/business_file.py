"""What a business file may hold: its tables and fields, and what is wrong with a single value."""

from __future__ import annotations

import difflib
import itertools
import re
from datetime import date, time
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from agent.addresses import is_loopback
from agent.booking_questions import Filler
from agent.message_tables import ActionMessagesTable, MessagesTable, Template
from appointments.contact import known_country

if TYPE_CHECKING:
    from collections.abc import Callable

_CLOCK = r"([01]\d|2[0-3]):([0-5]\d)"
_INTERVAL = re.compile(f"{_CLOCK}-{_CLOCK}")
SHORTEST, USUAL, LONGEST = 5, 30, 480
"""How many minutes something may take, and what takes neither `minutes` nor has them in its title."""


def _between(lowest: int, highest: int) -> Callable[[int], int]:
    def check(value: int) -> int:
        if not lowest <= value <= highest:
            raise ValueError(f"must be {lowest} to {highest}")
        return value

    return check


def _valid_number(text: str) -> str:
    try:
        is_valid = text.startswith("+") and phonenumbers.is_valid_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        is_valid = False
    if not is_valid or not text.removeprefix("+").isdigit():
        raise ValueError("must be a valid phone number in E.164, such as +14155550100")
    return text


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder's name or a path is an OSError or a ValueError
        what = "must be the IANA name of a time zone, such as America/New_York"
        names = {known.casefold(): known for known in available_timezones()}
        close = difflib.get_close_matches(name.casefold().replace(" ", "_"), names, n=1, cutoff=0.85)
        raise ValueError(f"{what}; did you mean {names[close[0]]}?" if close else what) from None
    return name


def _apart(intervals: list[str]) -> list[str]:
    spans = sorted(span_of(text) for text in intervals)
    for (_, closes), (opens, _) in itertools.pairwise(spans):
        if opens < closes:
            raise ValueError(f"must not overlap: the one from {opens:%H:%M} begins before the one before it ends")
    return intervals


def span_of(text: str) -> tuple[time, time]:
    found = _INTERVAL.fullmatch(text)
    if found is None:
        raise ValueError(f'must be written like "09:00-17:00", not "{text}"')
    opens, closes = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    if opens >= closes:
        raise ValueError(f'must close after they open, not "{text}"')
    return opens, closes


def _clock(text: str) -> str:
    if not re.fullmatch(_CLOCK, text):
        raise ValueError(f'must be a time such as "12:00", not "{text}"')
    return text


def _day(value: object) -> object:
    """Take a date in quotes for one without."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _address(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(f"must be an e-mail address: {error}") from None


def _safe_url(url: str) -> str:
    parts = urlsplit(url)
    # What is posted there is personal: it goes in the clear to nobody else's machine.
    is_private = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))
    if not parts.hostname or not is_private:
        raise ValueError("must start with https://, or with http:// and be on this machine")
    return url


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Number = Annotated[str, AfterValidator(_valid_number)]
Email = Annotated[str, AfterValidator(_address)]
Webhook = Annotated[str, AfterValidator(_safe_url)]
Zone = Annotated[str, AfterValidator(_known_zone)]
Country = Annotated[str, AfterValidator(known_country)]
Intervals = Annotated[list[str], AfterValidator(_apart)]
Clock = Annotated[str, AfterValidator(_clock)]
Day = Annotated[date, BeforeValidator(_day)]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Id = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
Platform = Literal["phone", "in_person", "cal_video", "zoom", "google_meet", "microsoft_teams"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class OfferTable(_Table):
    """``[actions.offer]``."""

    look_ahead_days: Annotated[int, AfterValidator(_between(1, 3))] = 2
    slots_per_day: Annotated[int, AfterValidator(_between(2, 5))] = 3
    hours_between: Annotated[int, AfterValidator(_between(1, 4))] = 3
    start_date: date | None = None


class ActionTable(_Table):
    """``[[actions]]``."""

    event_type: Id = ""
    title: Text
    minutes: Annotated[int, AfterValidator(_between(SHORTEST, LONGEST))] | None = None
    platform: Platform = "phone"
    zone: Zone | None = None
    address: str = ""
    fallback_email: str = ""
    sms_confirmation: bool = True
    sms_template: Template = ""
    messages: ActionMessagesTable = ActionMessagesTable()
    default_instructions: bool = True
    offer: OfferTable = OfferTable()
    fields: dict[Text, Filler] = {}

    @field_validator("title")
    @classmethod
    def _makes_a_tool_name(cls, title: str) -> str:
        if not re.search("[a-z0-9]", title.casefold()):
            raise ValueError("needs a letter from a to z or a digit, because the booking tool is named after it")
        return title

    @field_validator("fallback_email")
    @classmethod
    def _is_email_template(cls, template: str) -> str:
        if not template:
            return template
        if "{digits}" not in template:
            raise ValueError("must hold {digits}, so that every caller has an address of their own")
        try:
            validate_email(template.replace("{digits}", "14155550123"), check_deliverability=False)
        except EmailNotValidError as error:
            raise ValueError(f"must be an e-mail address with {{digits}} in it: {error}") from None
        return template

    @model_validator(mode="after")
    def _has_address_in_person(self) -> ActionTable:
        if self.platform == "in_person" and not self.address:
            raise ValueError("needs an address, because its platform is in_person")
        return self


class HoursTable(_Table):
    """``[hours]``: a day left out is closed."""

    monday: Intervals = []
    tuesday: Intervals = []
    wednesday: Intervals = []
    thursday: Intervals = []
    friday: Intervals = []
    saturday: Intervals = []
    sunday: Intervals = []


class BlockedTable(_Table):
    """``[[rules.blocked]]``."""

    begins: Clock = Field(alias="from")
    ends: Clock = Field(alias="until")
    weekdays: list[Weekday] = []
    day: Day | None = Field(default=None, alias="date")

    @model_validator(mode="after")
    def _is_some_time(self) -> BlockedTable:
        if self.begins >= self.ends:
            raise ValueError(f'must end after it begins, not from "{self.begins}" until "{self.ends}"')
        if bool(self.weekdays) == (self.day is not None):
            raise ValueError('needs either weekdays, such as ["monday"], or a date, such as 2026-12-24')
        return self


class RulesTable(_Table):
    """``[rules]``."""

    minimum_notice_minutes: Annotated[int, AfterValidator(_between(0, 43_200))] = 120
    maximum_advance_days: Annotated[int, AfterValidator(_between(0, 365))] = 30
    buffer_before_minutes: Annotated[int, AfterValidator(_between(0, 240))] = 15
    buffer_after_minutes: Annotated[int, AfterValidator(_between(0, 240))] = 15
    grid_minutes: Annotated[int, AfterValidator(_between(0, 240))] = 30
    most_a_day: Annotated[int, AfterValidator(_between(1, 1000))] | None = None
    most_per_caller: Annotated[int, AfterValidator(_between(1, 1000))] = 5
    closed: list[Day] = []
    blocked: list[BlockedTable] = []

    @model_validator(mode="after")
    def _leaves_something(self) -> RulesTable:
        if self.minimum_notice_minutes >= (self.maximum_advance_days + 1) * 24 * 60:
            raise ValueError("leaves nothing to book: minimum_notice_minutes is longer than maximum_advance_days")
        return self


class OwnerTable(_Table):
    """``[owner]``: what is left out is told nowhere."""

    sms: Number | None = None
    email: Email | None = None
    webhook: Webhook | None = None
    notify: list[Literal["booked", "moved", "cancelled", "failed", "call_back", "waitlist"]] = [
        "booked",
        "moved",
        "cancelled",
        "failed",
        "call_back",
        "waitlist",
    ]


class BusinessFile(_Table):
    """The whole file."""

    name: Text
    number: Number
    zone: Zone
    about: str = ""
    fallback_number: Number | None = None
    when_full: Literal["queue", "dial", "call_back"] = "queue"
    transfer_number: Number | None = None
    transfer_to: Text | None = None
    transfer_hours: Literal["open", "always"] = "open"
    sms_from: Number | None = None
    sms_countries: list[Country] = ["US", "CA"]
    scopes: list[Literal["read", "create", "reschedule", "cancel"]] = ["read", "create", "reschedule", "cancel"]
    prompt: str = ""
    hours: HoursTable
    rules: RulesTable = RulesTable()
    messages: MessagesTable = MessagesTable()
    owner: OwnerTable = OwnerTable()
    actions: list[ActionTable] = Field(min_length=1)
