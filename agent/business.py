"""The business file: one TOML file that says whose phone it is, when it is open and what can be booked."""

from __future__ import annotations

import difflib
import itertools
import os
import re
from dataclasses import replace
from datetime import date, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args
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
    ValidationError,
    field_validator,
    model_validator,
)

from agent.instructions import check_tool_names, load_prompt_set
from agent.toml_lines import parse_toml, toml_table
from appointments.clock_words import ORDINALS
from appointments.contact import known_country
from appointments.errors import ConfigError
from appointments.messages import (
    CODE_PLACEHOLDERS,
    PLACEHOLDERS,
    check_code_template,
    check_length,
    check_template,
)
from appointments.model import (
    Action,
    BlockedTime,
    BookingRules,
    Business,
    EventTypeId,
    OfferSettings,
    OpeningHours,
    PhoneNumber,
    Scope,
    WhenFull,
)
from prompts.loader import CODE_TEMPLATE, FRONT_DESK, sms_template, sms_template_path
from prompts.reading import FileProblem, Problem, dotted, explained, nearest_line, read_text
from tools.booking import tool_name
from tools.toolbox import tool_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.instructions import PromptSet
    from prompts.reading import LineOf, Loc

_CLOCK = r"([01]\d|2[0-3]):([0-5]\d)"
_INTERVAL = re.compile(f"{_CLOCK}-{_CLOCK}")
_MINUTES = re.compile(r"\b(\d+)[- ]minutes?\b", re.IGNORECASE)
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


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Number = Annotated[str, AfterValidator(_valid_number)]
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
    actions: list[ActionTable] = Field(min_length=1)


def load_business(path: Path, *, event_type_id: str = "") -> Business:
    """Return the business that `path` describes, or raise a `ConfigError` with file and line of all that is wrong.

    Args:
        event_type_id: CALCOM_EVENT_TYPE_ID, which overrides or completes the file's single action.
    """
    try:
        data, line_of = parse_toml(read_text(path), path)
        file = _validated(data, path, line_of)
        if problems := business_problems(file, path, line_of, event_type_id):
            raise FileProblem(path, problems)
        return business_of(file, path, event_type_id, line_of)
    except FileProblem as problem:
        raise ConfigError(str(problem)) from problem


def load_prompts(business: Business, prompt: Path | None = None) -> PromptSet:
    """Return the instructions of `business`, or a `ConfigError` with file and line of all that is wrong.

    Args:
        prompt: Instructions to use instead of the business's.
    """
    prompts = load_prompt_set(prompt or business.prompt or FRONT_DESK)
    check_tool_names(prompts.prompt, tool_names(business))
    return prompts


def load_sms_template(name: str) -> str:
    """Return a shipped message template; raises `ConfigError` with file and line."""
    try:
        template = sms_template(name)
        if problems := template_problems(template):
            raise FileProblem(sms_template_path(name), problems)
    except FileProblem as problem:
        raise ConfigError(str(problem)) from problem
    return template


def load_code_template() -> str:
    """Return the template of the text that brings a code; raises `ConfigError` with file and line."""
    try:
        template = sms_template(CODE_TEMPLATE)
        if problems := code_template_problems(template):
            raise FileProblem(sms_template_path(CODE_TEMPLATE), problems)
    except FileProblem as problem:
        raise ConfigError(str(problem)) from problem
    return template


def template_problems(template: str) -> list[Problem]:
    """Return what is wrong with the template of a text about an appointment."""
    return _template_problems(template, PLACEHOLDERS, check_length)


def code_template_problems(template: str) -> list[Problem]:
    """Return what is wrong with the template of the text that brings a code."""
    return _template_problems(template, CODE_PLACEHOLDERS, check_code_template)


def _template_problems(template: str, placeholders: Sequence[str], check_whole: Callable[[str], None]) -> list[Problem]:
    problems = []
    for number, line in enumerate(template.splitlines(), start=1):
        try:
            check_template(line, placeholders)
        except ConfigError as error:
            problems.append(Problem(number, str(error)))
    if not problems:  # a template with unknown placeholders cannot be filled in and measured
        try:
            check_whole(template.strip())
        except ConfigError as error:
            problems.append(Problem(1, str(error)))
    return problems


def _validated(data: dict[str, object], path: Path, line_of: LineOf) -> BusinessFile:
    try:
        return BusinessFile.model_validate(data)
    except ValidationError as error:
        raise FileProblem(path, value_problems(error, data, line_of)) from None


def value_problems(error: ValidationError, data: dict[str, object], line_of: LineOf) -> list[Problem]:
    """Return what is wrong with the values of a business file, one problem for each."""
    return explained(error, BusinessFile, line_of, named=lambda loc: _named(loc, data), home=toml_table)


def business_problems(file: BusinessFile, path: Path, line_of: LineOf, event_type_id: str) -> list[Problem]:
    """Return what is wrong with a business file whose every value is right by itself."""
    problems = [
        *_full_problems(file, line_of),
        *_transfer_problems(file, line_of),
        *_action_problems(file, line_of, event_type_id),
    ]
    prompt = _prompt(file, path)
    if prompt is not None and not prompt.is_file():
        problems.append(Problem(nearest_line(("prompt",), line_of), f"prompt: there is no file {prompt}", ("prompt",)))
    return problems


def _named(loc: Loc, data: dict[str, object]) -> str:
    """Return ``the second action, "Home Visit": title`` for ``("actions", 1, "title")``."""
    if len(loc) < 2 or loc[0] != "actions" or not isinstance(loc[1], int):
        return dotted(loc)
    actions = data["actions"]
    action = actions[loc[1]] if isinstance(actions, list) else None
    title = action.get("title") if isinstance(action, dict) else None
    return f"{_action_named(loc[1], title)}: {dotted(loc[2:])}".rstrip()


def _action_named(index: int, title: object) -> str:
    number = ORDINALS[index + 1] if index + 1 < len(ORDINALS) else f"{index + 1}th"
    return f'the {number} action, "{title}"' if isinstance(title, str) and title else f"the {number} action"


def _prompt(file: BusinessFile, path: Path) -> Path | None:
    return Path(os.path.normpath(path.parent / file.prompt)) if file.prompt else None


def _full_problems(file: BusinessFile, line_of: LineOf) -> list[Problem]:
    if file.when_full == "dial" and file.fallback_number is None:
        loc = ("when_full",)
        return [Problem(nearest_line(loc, line_of), 'when_full: "dial" needs a fallback_number to dial', loc)]
    return []


def _transfer_problems(file: BusinessFile, line_of: LineOf) -> list[Problem]:
    if file.transfer_number == file.number:
        loc = ("transfer_number",)
        text = "transfer_number: is the number that callers dial, so a call that is put through would come back"
        return [Problem(nearest_line(loc, line_of), text, loc)]
    return []


def _action_problems(file: BusinessFile, line_of: LineOf, event_type_id: str) -> list[Problem]:
    problems = []
    others: dict[str, str] = {}
    for index, action in enumerate(file.actions):
        named = _action_named(index, action.title)
        tool = tool_name(_action(action, file.zone, event_type_id))
        if tool in others:
            loc = ("actions", index, "title")
            text = f"{named}: title makes the same tool, {tool}, as {others[tool]}"
            problems.append(Problem(nearest_line(loc, line_of), text, loc))
        others.setdefault(tool, named)
    if event_type_id and len(file.actions) > 1:
        line = nearest_line(("actions", 1), line_of)
        problems.append(Problem(line, "CALCOM_EVENT_TYPE_ID fits one action only: unset it, or keep one action"))
    return problems


def business_of(file: BusinessFile, path: Path, event_type_id: str, line_of: LineOf = lambda _: None) -> Business:
    """Return the business that a file without problems describes."""
    return Business(
        name=file.name,
        number=PhoneNumber(file.number),
        zone=ZoneInfo(file.zone),
        hours=_hours(file.hours),
        actions=tuple(
            replace(
                _action(table, file.zone, event_type_id),
                event_type_place=_event_type_place(index, path, event_type_id, line_of),
            )
            for index, table in enumerate(file.actions)
        ),
        fallback_number=PhoneNumber(file.fallback_number) if file.fallback_number else None,
        when_full=WhenFull(file.when_full),
        transfer_number=PhoneNumber(file.transfer_number) if file.transfer_number else None,
        transfer_to=file.transfer_to or "",
        transfers_always=file.transfer_hours == "always",
        sms_from=PhoneNumber(file.sms_from) if file.sms_from else None,
        sms_countries=tuple(file.sms_countries),
        scopes=frozenset(map(Scope, file.scopes)),
        about=file.about.strip(),
        prompt=_prompt(file, path),
        rules=_rules(file.rules),
    )


def _event_type_place(index: int, path: Path, event_type_id: str, line_of: LineOf) -> str:
    if event_type_id:
        return "CALCOM_EVENT_TYPE_ID"
    return f"event_type in line {nearest_line(('actions', index, 'event_type'), line_of)} of {path}"


def names_calcom(action: Action) -> bool:
    """Whether what `action` books is an event type of Cal.com: those are numbers."""
    return action.event_type_id.isascii() and action.event_type_id.isdigit()


def _hours(table: HoursTable) -> tuple[OpeningHours, ...]:
    days: list[list[str]] = list(table.model_dump().values())
    return tuple(OpeningHours(weekday, *span) for weekday, day in enumerate(days) for span in sorted(map(_span, day)))


def _rules(table: RulesTable) -> BookingRules:
    return BookingRules(
        minimum_notice=timedelta(minutes=table.minimum_notice_minutes),
        maximum_advance_days=table.maximum_advance_days,
        buffer_before=timedelta(minutes=table.buffer_before_minutes),
        buffer_after=timedelta(minutes=table.buffer_after_minutes),
        grid_minutes=table.grid_minutes,
        most_a_day=table.most_a_day,
        most_per_caller=table.most_per_caller,
        closed=frozenset(table.closed),
        blocked=tuple(map(_blocked, table.blocked)),
    )


def _blocked(table: BlockedTable) -> BlockedTime:
    weekdays = frozenset(get_args(Weekday).index(name) for name in table.weekdays)
    return BlockedTime(time.fromisoformat(table.begins), time.fromisoformat(table.ends), weekdays, table.day)


def _action(table: ActionTable, business_zone: str, event_type_id: str) -> Action:
    action = Action(
        name=f"Book {table.title}",
        event_type_id=EventTypeId(event_type_id or table.event_type),
        title=table.title,
        zone=ZoneInfo(table.zone or business_zone),
        duration=timedelta(minutes=table.minutes or _minutes_of(table.title)),
        platform=table.platform,
        address=table.address,
        offer=OfferSettings(**table.offer.model_dump()),
        fallback_email=table.fallback_email,
        sms_confirmation=table.sms_confirmation,
        sms_template=table.sms_template or load_sms_template("confirmation"),
        default_instructions=table.default_instructions,
    )
    return action if action.event_type_id else replace(action, event_type_id=EventTypeId(tool_name(action)))


def _minutes_of(title: str) -> int:
    found = _MINUTES.search(title)
    return int(found[1]) if found and SHORTEST <= int(found[1]) <= LONGEST else USUAL
