"""The business file: one TOML file that says whose phone it is, when it is open and what can be booked."""

from __future__ import annotations

import itertools
import os
import re
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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

from agent.instructions import check_tool_names, load_prompt_set
from agent.toml_lines import parse_toml
from appointments.contact import known_country
from appointments.errors import ConfigError
from appointments.messages import check_length, check_template
from appointments.model import Action, Business, EventTypeId, OfferSettings, OpeningHours, PhoneNumber
from prompts.loader import FRONT_DESK, sms_template, sms_template_path
from prompts.reading import FileProblem, Problem, nearest_line, read_text, validate
from tools.booking import tool_name, tool_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.instructions import PromptSet
    from prompts.reading import LineOf

_INTERVAL = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


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
        raise ValueError("must be the IANA name of a time zone, such as America/New_York") from None
    return name


def _apart(intervals: list[str]) -> list[str]:
    spans = sorted(_span(text) for text in intervals)
    for (_, closes), (opens, _) in itertools.pairwise(spans):
        if opens < closes:
            raise ValueError(f"must not overlap: the one from {opens:%H:%M} begins before the one before it ends")
    return intervals


def _span(text: str) -> tuple[time, time]:
    found = _INTERVAL.fullmatch(text)
    if found is None:
        raise ValueError(f'must be written like "09:00-17:00", not "{text}"')
    opens, closes = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    if opens >= closes:
        raise ValueError(f'must close after they open, not "{text}"')
    return opens, closes


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Number = Annotated[str, AfterValidator(_valid_number)]
Zone = Annotated[str, AfterValidator(_known_zone)]
Country = Annotated[str, AfterValidator(known_country)]
Intervals = Annotated[list[str], AfterValidator(_apart)]
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
    platform: Platform = "phone"
    zone: Zone | None = None
    address: str = ""
    fallback_email: str = ""
    sms_confirmation: bool = True
    sms_template: str = ""
    default_instructions: bool = True
    offer: OfferTable = OfferTable()

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

    @field_validator("sms_template")
    @classmethod
    def _is_message_template(cls, template: str) -> str:
        try:
            check_template(template)
            check_length(template)
        except ConfigError as error:
            raise ValueError(f"is wrong: {error}") from None
        return template.strip()

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


class BusinessFile(_Table):
    """The whole file."""

    name: Text
    number: Number
    zone: Zone
    about: str = ""
    fallback_number: Number | None = None
    sms_from: Number | None = None
    sms_countries: list[Country] = ["US", "CA"]
    prompt: str = ""
    hours: HoursTable
    actions: list[ActionTable] = Field(min_length=1)


def load_business(path: Path, *, event_type_id: str = "") -> Business:
    """Return the business that `path` describes, or raise a `ConfigError` with file and line of all that is wrong.

    Args:
        event_type_id: CALCOM_EVENT_TYPE_ID, which overrides or completes the file's single action.
    """
    try:
        data, line_of = parse_toml(read_text(path), path)
        file = validate(BusinessFile, data, path, line_of)
        if problems := business_problems(file, path, line_of, event_type_id):
            raise FileProblem(path, problems)
        return business_of(file, path, event_type_id)
    except FileProblem as problem:
        raise ConfigError(str(problem)) from problem


def load_prompts(business: Business, prompt: Path | None = None) -> PromptSet:
    """Return the instructions of `business`, or a `ConfigError` with file and line of all that is wrong.

    Args:
        prompt: Instructions to use instead of the business's.
    """
    prompts = load_prompt_set(prompt or business.prompt or FRONT_DESK)
    check_tool_names(prompts.prompt, tool_names(business.actions))
    return prompts


def load_sms_template(name: Literal["confirmation", "unconfirmed", "failed"]) -> str:
    """Return a shipped message template; raises `ConfigError` with file and line."""
    try:
        template = sms_template(name)
    except FileProblem as problem:
        raise ConfigError(str(problem)) from problem
    for number, line in enumerate(template.splitlines(), start=1):
        try:
            check_template(line)
        except ConfigError as error:
            raise ConfigError(f"{sms_template_path(name)}:{number}: {error}") from None
    try:
        check_length(template)
    except ConfigError as error:
        raise ConfigError(f"{sms_template_path(name)}:1: {error}") from None
    return template


def business_problems(file: BusinessFile, path: Path, line_of: LineOf, event_type_id: str) -> list[Problem]:
    """Return what is wrong with a business file whose every value is right by itself."""
    problems = _action_problems(file, line_of, event_type_id)
    prompt = _prompt(file, path)
    if prompt is not None and not prompt.is_file():
        problems.append(Problem(nearest_line(("prompt",), line_of), f"prompt: there is no file {prompt}"))
    return problems


def _prompt(file: BusinessFile, path: Path) -> Path | None:
    return Path(os.path.normpath(path.parent / file.prompt)) if file.prompt else None


def _action_problems(file: BusinessFile, line_of: LineOf, event_type_id: str) -> list[Problem]:
    problems = []
    titles: dict[str, str] = {}
    for index, action in enumerate(file.actions):
        line = nearest_line(("actions", index), line_of)
        tool = tool_name(_action(action, file.zone, event_type_id))
        if tool in titles:
            is_same = titles[tool].casefold() == action.title.casefold()
            what = "is used by" if is_same else f'makes the same tool, {tool}, as "{titles[tool]}" of'
            problems.append(Problem(line, f'actions[{index}].title "{action.title}" {what} another action'))
        titles.setdefault(tool, action.title)
        if not action.event_type and not (event_type_id and len(file.actions) == 1):
            problems.append(Problem(line, f"actions[{index}].event_type is missing, and so is CALCOM_EVENT_TYPE_ID"))
    if event_type_id and len(file.actions) > 1:
        line = nearest_line(("actions", 1), line_of)
        problems.append(Problem(line, "CALCOM_EVENT_TYPE_ID fits one action only: unset it, or keep one action"))
    return problems


def business_of(file: BusinessFile, path: Path, event_type_id: str) -> Business:
    """Return the business that a file without problems describes."""
    return Business(
        name=file.name,
        number=PhoneNumber(file.number),
        zone=ZoneInfo(file.zone),
        hours=_hours(file.hours),
        actions=tuple(_action(table, file.zone, event_type_id) for table in file.actions),
        fallback_number=PhoneNumber(file.fallback_number) if file.fallback_number else None,
        sms_from=PhoneNumber(file.sms_from) if file.sms_from else None,
        sms_countries=tuple(file.sms_countries),
        about=file.about.strip(),
        prompt=_prompt(file, path),
    )


def _hours(table: HoursTable) -> tuple[OpeningHours, ...]:
    days: list[list[str]] = list(table.model_dump().values())
    return tuple(OpeningHours(weekday, *span) for weekday, day in enumerate(days) for span in sorted(map(_span, day)))


def _action(table: ActionTable, business_zone: str, event_type_id: str) -> Action:
    return Action(
        name=f"Book {table.title}",
        event_type_id=EventTypeId(event_type_id or table.event_type),
        title=table.title,
        zone=ZoneInfo(table.zone or business_zone),
        platform=table.platform,
        address=table.address,
        offer=OfferSettings(**table.offer.model_dump()),
        fallback_email=table.fallback_email,
        sms_confirmation=table.sms_confirmation,
        sms_template=table.sms_template or load_sms_template("confirmation"),
        default_instructions=table.default_instructions,
    )
