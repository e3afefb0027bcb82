"""The business file: one TOML file that says whose phone it is, when it is open and what can be booked."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from agent.booking_questions import Question
from agent.business_file import LONGEST, SHORTEST, USUAL, BusinessFile, Weekday, span_of
from agent.instructions import check_tool_names, load_prompt_set
from agent.message_tables import message_settings, sending_limits
from agent.toml_lines import parse_toml, toml_table
from appointments.clock_words import ORDINALS
from appointments.errors import ConfigError
from appointments.messages import (
    CODE_PLACEHOLDERS,
    PLACEHOLDERS,
    check_code_template,
    check_length,
    check_letters,
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
    OwnerChannels,
    OwnerEvent,
    PhoneNumber,
    Scope,
    WhenFull,
)
from appointments.reply_texts import REPLY_PLACEHOLDERS, check_reply_template
from prompts.loader import CODE_TEMPLATE, FRONT_DESK, email_template_path, sms_template_path, unknown_placeholders
from prompts.reading import FileProblem, Problem, dotted, explained, nearest_line, read_text
from tools.booking import tool_name
from tools.toolbox import tool_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.business_file import ActionTable, BlockedTable, HoursTable, OwnerTable, RulesTable
    from agent.instructions import PromptSet
    from prompts.reading import LineOf, Loc

_MINUTES = re.compile(r"\b(\d+)[- ]minutes?\b", re.IGNORECASE)


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
    return _shipped(sms_template_path(name), template_problems)


def load_code_template() -> str:
    """Return the template of the text that brings a code; raises `ConfigError` with file and line."""
    return _shipped(sms_template_path(CODE_TEMPLATE), code_template_problems)


def load_reply_template(name: str) -> str:
    """Return a shipped template of an answer to a text; raises `ConfigError` with file and line."""
    return _shipped(sms_template_path(name), reply_template_problems)


def load_email_template(name: str) -> str:
    """Return a shipped template of an e-mail; raises `ConfigError` with file and line."""
    return _shipped(email_template_path(name), email_template_problems)


def _shipped(path: Path, problems_of: Callable[[str], list[Problem]]) -> str:
    try:
        template = read_text(path).strip()
        if problems := problems_of(template):
            raise FileProblem(path, problems)
    except FileProblem as problem:
        raise ConfigError(str(problem)) from problem
    return template


def template_problems(template: str) -> list[Problem]:
    """Return what is wrong with the template of a text about an appointment."""
    return _template_problems(template, PLACEHOLDERS, check_length)


def code_template_problems(template: str) -> list[Problem]:
    """Return what is wrong with the template of the text that brings a code."""
    return _template_problems(template, CODE_PLACEHOLDERS, check_code_template)


def reply_template_problems(template: str) -> list[Problem]:
    """Return what is wrong with the template of an answer to a text."""
    return _template_problems(template, REPLY_PLACEHOLDERS, check_reply_template)


def email_template_problems(template: str) -> list[Problem]:
    """Return what is wrong with the template of an e-mail."""
    problems = unknown_placeholders(template, PLACEHOLDERS)
    if not template.strip().partition("\n")[2].strip():
        problems.append(Problem(1, "has nothing below its first line, which is the subject"))
    if not problems:
        try:
            check_template(template)
        except ConfigError as error:
            problems.append(Problem(1, str(error)))
    return problems


def _template_problems(template: str, placeholders: Sequence[str], check_whole: Callable[[str], None]) -> list[Problem]:
    problems = []
    for number, line in enumerate(template.splitlines(), start=1):
        try:
            check_template(line, placeholders)
            check_letters(line)
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
                messages=message_settings(file.messages, table.messages, is_texted=table.sms_confirmation),
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
        messages=message_settings(file.messages),
        sending=sending_limits(file.messages),
        owner=_owner(file.owner),
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
    return tuple(OpeningHours(weekday, *span) for weekday, day in enumerate(days) for span in sorted(map(span_of, day)))


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


def _owner(table: OwnerTable) -> OwnerChannels:
    return OwnerChannels(
        sms=table.sms or "",
        email=table.email or "",
        webhook=table.webhook or "",
        notify=tuple(map(OwnerEvent, table.notify)),
    )


def _blocked(table: BlockedTable) -> BlockedTime:
    weekdays = frozenset(get_args(Weekday).index(name) for name in table.weekdays)
    return BlockedTime(time.fromisoformat(table.begins), time.fromisoformat(table.ends), weekdays, table.day)


def _action(table: ActionTable, business_zone: str, event_type_id: str) -> Action:
    minutes = table.minutes or _minutes_of(table.title)
    action = Action(
        name=f"Book {table.title}",
        event_type_id=EventTypeId(event_type_id or table.event_type),
        title=table.title,
        zone=ZoneInfo(table.zone or business_zone),
        duration=timedelta(minutes=minutes or USUAL),
        has_length=minutes is not None,
        platform=table.platform,
        address=table.address,
        offer=OfferSettings(**table.offer.model_dump()),
        fallback_email=table.fallback_email,
        sms_confirmation=table.sms_confirmation,
        sms_template=table.sms_template or load_sms_template("confirmation"),
        default_instructions=table.default_instructions,
        questions={slug: each.words for slug, each in table.fields.items() if isinstance(each, Question)},
        constants={slug: each for slug, each in table.fields.items() if not isinstance(each, Question)},
    )
    return action if action.event_type_id else replace(action, event_type_id=EventTypeId(tool_name(action)))


def _minutes_of(title: str) -> int | None:
    found = _MINUTES.search(title)
    return int(found[1]) if found and SHORTEST <= int(found[1]) <= LONGEST else None
