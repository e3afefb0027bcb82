"""What the agent is told at the start of a call: the prompt, the business, a calendar table and the caller."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from appointments.errors import ConfigError
from prompts.loader import FRONT_DESK, Prompt, fill, load_booking_script, load_prompt, load_transfer_script
from prompts.reading import FileProblem, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import date, datetime
    from pathlib import Path

    from appointments.model import Action, Business, OpeningHours, PhoneNumber

RECORDING_NOTICE = "This call is recorded."

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_PLATFORMS = {
    "cal_video": "by video",
    "zoom": "by Zoom",
    "google_meet": "by Google Meet",
    "microsoft_teams": "by Microsoft Teams",
    "phone": "by phone",
    "in_person": "in person",
}
_SNAKE_CASE = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")


class Source(StrEnum):
    """Whose words a part of the system prompt is made of."""

    AUTHOR = "author"
    """The instructions file."""
    SCRIPT = "script"
    """The shipped booking script, and that of putting callers through."""
    BUSINESS = "business"
    """The business file."""
    CALL = "call"
    """Nobody: it is made anew for each call."""
    LIBRARY = "pipecat"
    """The Pipecat library, which adds to the prompt on its way to the model."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the system prompt with its line ends.

    `line` is where it stands in the file of its source, placeholders unfilled; None when it is no line of a file.
    """

    source: Source
    text: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Instructions:
    """What one call's agent follows, says first and sounds like. `model` is "" when the settings' model is meant."""

    parts: tuple[Part, ...]
    greeting: str
    voice: str
    language: str
    model: str
    temperature: float

    @property
    def system(self) -> str:
        """The system prompt: its parts, one after the other."""
        return "".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True)
class PromptSet:
    """The prompt, the booking script of an action and that of putting callers through, loaded once at start-up."""

    prompt: Prompt
    booking_script: str
    transfer_script: str


def load_prompt_set(path: Path = FRONT_DESK) -> PromptSet:
    """Return the prompt in `path` and the shipped booking script; raises `ConfigError` with file and line."""
    try:
        return PromptSet(load_prompt(path), load_booking_script(), load_transfer_script())
    except FileProblem as problem:
        raise ConfigError(str(problem)) from problem


def check_tool_names(prompt: Prompt, known: Collection[str]) -> None:
    """Refuse a prompt that names a tool the agent does not have. Every snake_case word is a tool's name."""
    problems = [
        Problem(prompt.text_line + offset, _unknown_tool(name, known))
        for offset, line in enumerate(prompt.text.splitlines())
        for name in _SNAKE_CASE.findall(re.sub(r"\{\w*\}", "", line))
        if name not in known
    ]
    if problems:
        raise ConfigError(str(FileProblem(prompt.path, problems)))


def render_instructions(
    prompts: PromptSet,
    business: Business,
    *,
    caller: PhoneNumber | None,
    now: datetime,
    is_recorded: bool = False,
    note: str = "",
) -> Instructions:
    """Return the instructions of one call.

    What stays the same between calls comes first, so that the provider's prompt cache can keep it.

    Args:
        note: What is known of this caller before they say a word.
    """
    head = prompts.prompt.head
    values = _values(prompts, business, is_recorded=is_recorded)
    parts = [
        *_of_file(Source.AUTHOR, prompts.prompt.text, values, first_line=prompts.prompt.text_line),
        *(part for action in business.actions for part in _script(prompts.booking_script, action, business)),
        *(_of_file(Source.SCRIPT, prompts.transfer_script, {}, first_line=1) if business.transfer_number else ()),
        Part(Source.BUSINESS, f"{_facts(business)}\n\n"),
        Part(Source.CALL, f"{_calendar_table(business, now.astimezone(business.zone).date())}\n\n"),
        Part(Source.CALL, "\n".join(filter(None, (f"Caller's number: {caller or 'unknown'}", note)))),
    ]
    return Instructions(
        parts=tuple(parts),
        greeting=render_greeting(prompts, business, is_recorded=is_recorded),
        voice=head.voice,
        language=head.language,
        model=head.model,
        temperature=head.temperature,
    )


def render_greeting(prompts: PromptSet, business: Business, *, is_recorded: bool) -> str:
    """Return what the agent says first."""
    return _greeting(prompts.prompt.head.greeting, _values(prompts, business, is_recorded=is_recorded))


def _values(prompts: PromptSet, business: Business, *, is_recorded: bool) -> Mapping[str, str]:
    """Return what fills the placeholders of a prompt."""
    return {
        "agent": prompts.prompt.head.name,
        "business": business.name,
        "recording_notice": RECORDING_NOTICE if is_recorded else "",
    }


def _of_file(source: Source, text: str, values: Mapping[str, str], *, first_line: int) -> Iterator[Part]:
    """Yield the lines of a text with their placeholders filled, and an empty line after the last."""
    lines = text.split("\n")
    for number, line in enumerate(lines, start=first_line):
        is_last = number == first_line + len(lines) - 1
        yield Part(source, fill(line, values) + ("\n\n" if is_last else "\n"), number)


def _script(script: str, action: Action, business: Business) -> Iterator[Part]:
    if action.default_instructions:
        values = {"business": business.name, "action": action.name, "title": action.title}
        yield from _of_file(Source.SCRIPT, script, values, first_line=1)


def _greeting(template: str, values: Mapping[str, str]) -> str:
    """Return what is said first. A recorded caller is told so, whether the author thought of it or not."""
    is_announced = "{recording_notice}" in template
    words = fill(template if is_announced else f"{{recording_notice}} {template}", values)
    return " ".join(words.split())


def _unknown_tool(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    ending = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}"
    return f"{name} is no tool; {ending}"


def _facts(business: Business) -> str:
    lines = [
        "# Facts",
        f"Business: {business.name}",
        f"Phone: {business.number}",
        f"Opening hours: {_week(business)}",
        f"Time zone: {business.zone.key}",
        *(_describe(action, business) for action in business.actions),
    ]
    if business.about:
        lines.append(business.about.strip())
    return "\n".join(lines)


def _describe(action: Action, business: Business) -> str:
    place = f", {action.address}" if action.address else ""
    zone = f", times in {action.zone.key}" if action.zone.key != business.zone.key else ""
    return f"Can be booked: {action.title}, {_PLATFORMS.get(action.platform, action.platform)}{place}{zone}"


def _week(business: Business) -> str:
    """Return the week's hours with equal neighbours joined: ``Mon-Fri 09:00-17:00; Sat, Sun closed``."""
    by_day = [
        _span(tuple(sorted((h for h in business.hours if h.weekday == day), key=lambda h: h.opens))) for day in range(7)
    ]
    runs: list[tuple[int, int]] = []
    for day in range(7):
        if runs and by_day[runs[-1][0]] == by_day[day]:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return "; ".join(
        f"{_WEEKDAYS[first]}{'' if first == last else f'-{_WEEKDAYS[last]}'} {by_day[first]}" for first, last in runs
    )


def _calendar_table(business: Business, today: date) -> str:
    days = [today + timedelta(days=offset) for offset in range(business.rules.maximum_advance_days + 1)]
    rows = [_row(business, day, is_today=day == today) for day in days]
    return "\n".join(["# Calendar", *rows])


def _row(business: Business, day: date, *, is_today: bool) -> str:
    intervals = business.intervals(day)
    opening = f"open {_span(intervals)}" if intervals else "closed"
    return f"{_WEEKDAYS[day.weekday()]} {day.isoformat()}{' (today)' if is_today else ''} | {opening}"


def _span(intervals: tuple[OpeningHours, ...]) -> str:
    return ", ".join(f"{h.opens:%H:%M}-{h.closes:%H:%M}" for h in intervals) or "closed"
