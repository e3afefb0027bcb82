"""All that a check looks at: which files, in which order, by which rules, and what came of it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.authoring.abilities import check_abilities
from agent.authoring.about import check_about
from agent.authoring.business import check_business, check_key, check_texts, read_business, text_segments
from agent.authoring.conduct import check_conduct, check_never_say
from agent.authoring.cures import better_head
from agent.authoring.facts import check_address, check_dates, check_name
from agent.authoring.flow import check_flow
from agent.authoring.head import check_form, check_greeting, check_voice, greeting
from agent.authoring.hours import check_hours
from agent.authoring.length import Tokens, check_length, count
from agent.authoring.model import check_model, model_of, retirement
from agent.authoring.names import check_actions, check_placeholders, check_tool_names, check_unmentioned
from agent.authoring.phones import check_numbers
from agent.authoring.prices import check_prices
from agent.authoring.rules import Finding, Severity
from agent.authoring.speech import check_spoken, check_wishes
from agent.authoring.text import passages
from agent.authoring.tokens import NOT_COUNTED
from agent.authoring.zones import check_zone
from agent.stand_ins import event_type_setting
from appointments.errors import ConfigError
from appointments.model import Scope
from prompts.loader import (
    BOOKING_SCRIPT,
    FRONT_DESK,
    PROMPT_PLACEHOLDERS,
    REHEARSAL_BUSINESS,
    SCRIPT_PLACEHOLDERS,
    read_prompt,
)
from prompts.reading import FileProblem, read_text
from tools.toolbox import tool_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from agent.authoring.business import BusinessReading
    from agent.authoring.text import Passage
    from agent.settings import AuthorSettings
    from prompts.loader import PromptSource


@dataclass(frozen=True, slots=True)
class Review:
    """What a check found, and the numbers it has to tell when all is well."""

    findings: tuple[Finding, ...]
    instructions: Path | None
    """None where only the business file could say which they are, and it is wrong."""
    business: Path
    model: str
    tokens: Tokens
    segments: dict[str, int]
    notes: tuple[str, ...]

    def count(self, severity: Severity) -> int:
        return sum(finding.severity is severity for finding in self.findings)


def review(file: Path | None, business: Path | None, settings: AuthorSettings, now: datetime) -> Review:
    """Check the files that calls would go by, unless others are named.

    Raises:
        ConfigError: a file that was named is not there.
    """
    path, why = _business_file(business, settings)
    event_type_id = settings.event_type_id
    if path != settings.business_file:
        # The setting is for another business, and only completes this one.
        event_type_id = event_type_setting(path, event_type_id)
    reading = read_business(path, settings, event_type_id=event_type_id)
    prompt = _prompt_file(file, reading)
    source, unreadable = _read(prompt) if prompt else (None, [])
    script = _script()
    tokens = Tokens()
    findings = [*unreadable, *reading.findings, *check_business(reading, now), *check_texts()]
    findings += check_key(reading, settings)
    if source is not None:
        tokens = count(source, reading.business, script, now)
        findings += [*_check_prompt(source, reading, settings, now), *check_length(source, tokens)]
    findings += _check_rest(reading, script)
    notes = [why, retirement(source, settings.llm_model, now.date()) if source else ""]
    if prompt is None:
        notes.append("your instructions were not checked: mend the business file first")
    elif reading.business is None:
        notes.append("what depends on the business file was not checked: it cannot be read")
    notes.append(NOT_COUNTED if source and tokens.text is None else "")
    return Review(
        findings=tuple(sorted(set(findings))),
        instructions=prompt,
        business=path,
        model=model_of(source, settings.llm_model),
        tokens=tokens,
        segments=text_segments(reading.business) if reading.business and "actions" not in reading.wrong else {},
        notes=tuple(filter(None, notes)),
    )


def _business_file(named: Path | None, settings: AuthorSettings) -> tuple[Path, str]:
    """Return the business file to check, and a note when nobody chose it."""
    if named is not None:
        return _existing(named, ""), ""
    if settings.business_file is not None:
        return _existing(settings.business_file, "BUSINESS_FILE names a file that is not there: "), ""
    return REHEARSAL_BUSINESS, "BUSINESS_FILE is unset: checked with the business of the rehearsal"


def _prompt_file(named: Path | None, reading: BusinessReading) -> Path | None:
    """Return the instructions to check, None when the business file is too wrong to tell which they are."""
    if named is not None:
        if named.suffix == ".toml":
            raise ConfigError(f"{named} is a business file; write: slotline prompts check --business {named}")
        return _existing(named, "")
    chosen = reading.business.prompt if reading.business else None
    if chosen is not None and chosen.is_file():
        return chosen
    return None if reading.findings else FRONT_DESK


def _existing(path: Path, lead: str) -> Path:
    if path.is_file():
        return path
    if path.is_dir():
        raise ConfigError(f"{lead}{path} is a folder; name a file in it")
    others = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, others, n=1)
    hint = f"; did you mean {path.with_name(close[0])}?" if close else ""
    raise ConfigError(f"{lead}there is no file {path}{hint}")


def _read(path: Path) -> tuple[PromptSource | None, list[Finding]]:
    try:
        return read_prompt(path), []
    except FileProblem as problem:
        return None, [Finding(path, each.line, "unreadable", each.text, better_head(each)) for each in problem.problems]


def _script() -> str:
    try:
        return read_text(BOOKING_SCRIPT).strip()
    except FileProblem as problem:
        raise ConfigError(str(problem)) from problem


def _check_prompt(
    source: PromptSource, reading: BusinessReading, settings: AuthorSettings, now: datetime
) -> Iterator[Finding]:
    """Check the author's file."""
    path, business = source.path, reading.business
    yield from check_form(source)
    spoken = greeting(source)
    yield from check_greeting(spoken)
    yield from check_voice(source)
    yield from check_model(source, settings.llm_model, now.date())
    yield from check_placeholders(source.greeting, PROMPT_PLACEHOLDERS, path, source.greeting_line)
    yield from check_placeholders(source.text, PROMPT_PLACEHOLDERS, path, source.text_line)
    text = passages(source.text, path, source.text_line, agent=source.head.name if source.head else "")
    for passage in (spoken, *text):
        yield from _check_passage(passage, reading)
    yield from check_never_say(text)
    if business is not None and "actions" not in reading.wrong:
        yield from check_flow(source, text, business.actions)
        lines = [reading.line("actions", index) for index in range(len(business.actions))]
        yield from check_unmentioned(source.text, business.actions, reading.path, lines)


def _check_rest(reading: BusinessReading, script: str) -> Iterator[Finding]:
    """Check the booking script where it is used, and what the business file says in words."""
    business = reading.business
    if business is None:
        return
    if any(action.default_instructions for action in business.actions):
        yield from check_placeholders(script, SCRIPT_PLACEHOLDERS, BOOKING_SCRIPT, 1)
        for passage in passages(script, BOOKING_SCRIPT):
            yield from _check_passage(passage, reading)
    yield from check_about(reading, business)


def _check_passage(passage: Passage, reading: BusinessReading) -> Iterator[Finding]:
    """Check a part of what the agent is told, by all rules that look at words."""
    yield from check_spoken(passage)
    yield from check_wishes(passage)
    yield from check_conduct(passage)
    business = reading.business
    actions = business.actions if business else ()
    yield from check_abilities(
        passage,
        sends_email=reading.is_for_calcom and any(not action.fallback_email for action in actions),
        is_for_calcom=reading.is_for_calcom,
        may_transfer=business is None or business.transfer_number is not None,
        may_change=business is None or business.scopes >= {Scope.READ, Scope.RESCHEDULE, Scope.CANCEL},
    )
    yield from check_dates(passage, business.about if business else "")
    if business is None:
        return
    if "actions" not in reading.wrong:
        yield from check_tool_names(passage, tool_names(business))
        yield from check_actions(passage, actions)
    yield from check_prices(passage, business.about)
    yield from check_address(passage, business)
    checks = {"hours": check_hours(passage, business.hours), "number": check_numbers(passage, business)}
    checks |= {"zone": check_zone(passage, business), "name": check_name(passage, business)}
    for key, found in checks.items():
        if key not in reading.wrong:
            yield from found
