"""A business file and the message templates as a check reads them: all that is wrong, and what holds all the same."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.authoring.cures import better_business
from agent.authoring.rules import Finding
from agent.authoring.zones import check_fixed_zones
from agent.business import (
    business_of,
    business_problems,
    code_template_problems,
    email_template_problems,
    template_problems,
    value_problems,
)
from agent.business_file import BusinessFile
from agent.front_desk import actions_without_key, is_meant_for_calcom
from agent.toml_lines import parse_toml
from appointments.contact import country_of
from appointments.errors import ConfigError
from appointments.messages import MOST_SEGMENTS, render_sms, segments
from appointments.model import Slot
from appointments.rules import open_slots
from prompts.loader import (
    CODE_TEMPLATE,
    EMAIL_TEMPLATES,
    REHEARSAL_BUSINESS,
    SMS_TEMPLATES,
    email_template_path,
    sms_template_path,
)
from prompts.reading import FileProblem, nearest_line, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from agent.settings import AuthorSettings, Settings
    from appointments.model import Action, Business
    from prompts.reading import LineOf, Loc, Problem

SHIPPED = ("rehearsal.toml", "plumber.toml", "salon.toml")
"""The examples among the shipped business files: their numbers and addresses are made up on purpose."""


@dataclass(frozen=True, slots=True)
class BusinessReading:
    """A business file as far as it can be read.

    `wrong` are the top-level keys that are not to be trusted in `business`, which is None when nothing can be used.
    """

    path: Path
    findings: tuple[Finding, ...]
    business: Business | None = None
    wrong: frozenset[str] = frozenset()
    line_of: LineOf = lambda _: None
    is_for_calcom: bool = True
    """Whether it is meant to be booked at Cal.com, as far as is known."""

    def line(self, *loc: int | str) -> int:
        return nearest_line(loc, self.line_of)

    @property
    def is_shipped(self) -> bool:
        return self.path.name in SHIPPED and self.path.resolve().parent == REHEARSAL_BUSINESS.parent.resolve()


def read_business(path: Path, settings: Settings | AuthorSettings, *, event_type_id: str) -> BusinessReading:
    """Return what can be read of the business file `path`, and all for which a worker refuses it.

    Args:
        settings: Say which calendar is booked.
        event_type_id: CALCOM_EVENT_TYPE_ID where it is meant for this file.
    """
    try:
        data, line_of = parse_toml(read_text(path), path)
    except FileProblem as problem:
        return BusinessReading(path, tuple(_findings(problem.problems, path, "unreadable")))
    findings: list[Finding] = []
    wrong: frozenset[str] = frozenset()
    try:
        file = BusinessFile.model_validate(data)
    except ValidationError as error:
        findings += _findings(value_problems(error, data, line_of), path, "business-file")
        costly = (details["loc"] for details in error.errors() if _is_costly(details["loc"], details["type"]))
        wrong = frozenset(str(loc[0]) for loc in costly)
        file = _mended(data, error)
    findings += _findings(business_problems(file, path, line_of, event_type_id), path, "business-file")
    try:
        business = business_of(file, path, event_type_id, line_of)
    except ConfigError:  # a shipped template is wrong, which is found where it stands
        return BusinessReading(path, tuple(findings), None, wrong, line_of)
    is_for_calcom = is_meant_for_calcom(settings, business)
    return BusinessReading(path, tuple(findings), business, wrong, line_of, is_for_calcom)


def check_business(reading: BusinessReading, now: datetime) -> Iterator[Finding]:
    """Find what a worker accepts and an owner will regret."""
    business = reading.business
    if business is None:
        return
    if "hours" not in reading.wrong:
        yield from _check_hours(reading, business)
    yield from _check_reach(reading, business)
    yield from check_fixed_zones(reading, business)
    if "actions" not in reading.wrong:
        yield from _check_event_types(reading, business)
        for index, action in enumerate(business.actions):
            yield from _check_action(reading, business, action, index, now)


def check_key(reading: BusinessReading, settings: AuthorSettings) -> Iterator[Finding]:
    """Find event types of Cal.com without a key for it: no worker starts so, unless it has the key."""
    business = reading.business
    if business is None or reading.is_shipped:
        return
    for action in actions_without_key(settings, business):
        line = reading.line("actions", business.actions.index(action), "event_type")
        what = (
            f'"{action.title}" has event_type {action.event_type_id}, a number at Cal.com, and CALCOM_API_KEY is unset '
            "here: a worker without it does not start"
        )
        better = (
            f"set CALCOM_API_KEY where the worker runs; or delete {action.event_type_place}, or set CALENDAR=builtin, "
            "to book into the calendar that slotline has itself"
        )
        yield Finding(reading.path, line, "no-calcom-key", what, better)


def check_texts() -> Iterator[Finding]:
    """Find what is wrong with the shipped message templates."""
    for name in SMS_TEMPLATES:
        yield from check_text(sms_template_path(name))
    yield from check_text(sms_template_path(CODE_TEMPLATE), code_template_problems)
    for name in EMAIL_TEMPLATES:
        yield from check_text(email_template_path(name), email_template_problems)


def check_text(path: Path, problems_of: Callable[[str], Iterable[Problem]] = template_problems) -> Iterator[Finding]:
    """Find what is wrong with a message template in a file of its own."""
    try:
        template = read_text(path)
    except FileProblem as problem:
        yield from _findings(problem.problems, path, "unreadable")
        return
    yield from _findings(problems_of(template), path, "text-template")


def text_segments(business: Business) -> dict[str, int]:
    """Return how many segments each action's confirmation is billed as, with values of ordinary length."""
    return {action.title: _segments(business, action) for action in business.actions if action.sms_confirmation}


def _findings(problems: Iterable[Problem], path: Path, rule: str) -> Iterator[Finding]:
    for problem in problems:
        yield Finding(path, problem.line, rule, problem.text, better_business(problem))


_REQUIRED = {"name": "the business", "number": "+14155550100", "zone": "UTC", "hours": {}}
"""What stands for a required key that is wrong, so that the rest can be checked."""


def _is_costly(loc: Loc, kind: str) -> bool:
    """Claim that nothing holds of the top-level key that `loc` begins with: more than a part of an action is wrong."""
    if loc[0] != "actions":
        return True
    return loc[-1] == "title" if len(loc) > 2 else kind != "value_error"


def _mended(data: dict[str, object], error: ValidationError) -> BusinessFile:
    """Return the business file without what is wrong with it, and with something in place of what is required."""
    left: Any = copy.deepcopy(data)
    for details in error.errors():
        loc = details["loc"]
        if loc[0] == "actions" and len(loc) > 1:
            left["actions"][loc[1]] = _mended_action(left["actions"][loc[1]], loc[2:])
        else:
            _take_out(left, loc)
    left = {**_REQUIRED, **left}
    left["actions"] = left.get("actions") or [{}]
    for number, action in enumerate(left["actions"], start=1):
        action.setdefault("title", f"Appointment {number}")
    return BusinessFile.model_validate(left)


def _mended_action(action: Any, loc: Loc) -> dict[str, Any]:
    if not isinstance(action, dict):
        return {}
    if loc:
        _take_out(action, loc)
    if action.get("platform") == "in_person" and not action.get("address"):
        action["address"] = "here"
    return action


def _take_out(table: dict[str, Any], loc: Loc) -> None:
    while len(loc) > 1 and isinstance(table.get(str(loc[0])), dict):
        table, loc = table[str(loc[0])], loc[1:]
    table.pop(str(loc[0]), None)


def _check_hours(reading: BusinessReading, business: Business) -> Iterator[Finding]:
    if not business.hours:
        what = "there are no opening hours: every day counts as closed, and two o'clock as any of both"
        yield Finding(reading.path, reading.line("hours"), "no-hours", what, 'write monday = ["09:00-17:00"] and so on')
    for hours in business.hours:
        if time(0) < hours.opens and hours.closes <= time(7):
            day = _DAYS[hours.weekday]
            said = f"{hours.opens:%H:%M}-{hours.closes:%H:%M}"
            later = f"{hours.opens.hour + 12:02}:{hours.opens:%M}-{hours.closes.hour + 12:02}:{hours.closes:%M}"
            what = f'{day} "{said}" is in the night: hours are written from 00:00 to 23:59'
            yield Finding(
                reading.path, reading.line("hours", day), "night-hours", what, f'write "{later}" for the afternoon'
            )


def _check_reach(reading: BusinessReading, business: Business) -> Iterator[Finding]:
    """Check the numbers, and whether texts go to the business's own country."""
    for key in ("number", "sms_from", "fallback_number", "transfer_number"):
        number = getattr(business, key)
        if number and key not in reading.wrong and not reading.is_shipped and _FICTIONAL.fullmatch(number):
            what = f"{key} {number} is reserved for fiction and tests: it can never ring"
            better = "write a number of your own"
            yield Finding(reading.path, reading.line(key), "fictional-number", what, better)
    if business.fallback_number and business.fallback_number == business.number:
        what = "fallback_number is the number itself: a call that fails is sent back to where it failed"
        yield Finding(
            reading.path, reading.line("fallback_number"), "fallback-loop", what, "write a number that a person answers"
        )
    country = "" if {"number", "sms_countries"} & reading.wrong else country_of(business.number)
    if country and country not in business.sms_countries:
        what = (
            f"sms_countries leaves out {country}, where the number {business.number} is: callers from there get no text"
        )
        better = f"write sms_countries = {[country, *business.sms_countries]!r}".replace("'", '"')
        yield Finding(reading.path, reading.line("sms_countries"), "sms-countries", what, better)


def _check_event_types(reading: BusinessReading, business: Business) -> Iterator[Finding]:
    """Find two actions that book the same."""
    others: dict[str, str] = {}
    for index, action in enumerate(business.actions):
        event_type = action.event_type_id
        if reading.line_of(("actions", index, "event_type")) is None:
            continue  # it is named after the title, which others may not have either
        if event_type in others:
            what = f'"{action.title}" books event type {event_type}, and so does "{others[event_type]}"'
            better = f"{_OWN_EVENT_TYPE[reading.is_for_calcom]}, or keep one of the two actions"
            line = reading.line("actions", index, "event_type")
            yield Finding(reading.path, line, "same-event-type", what, better)
        others.setdefault(event_type, action.title)


def _check_action(
    reading: BusinessReading, business: Business, action: Action, index: int, now: datetime
) -> Iterator[Finding]:
    path = reading.path
    # With the built-in calendar nothing is sent to such an address.
    domain = action.fallback_email.rpartition("@")[2] if reading.is_for_calcom else ""
    if domain and not reading.is_shipped and _EXAMPLE_DOMAIN.search(domain):
        line = reading.line("actions", index, "fallback_email")
        what = f"fallback_email is at {domain}, which nobody owns: Cal.com's e-mails about bookings are lost"
        yield Finding(path, line, "example-email", what, "use a domain of yours, or leave it out to ask the caller")
    yield from _check_room(reading, business, action, index, now)
    start, today = action.offer.start_date, now.astimezone(business.zone).date()
    if start is not None and start < today:
        line = reading.line("actions", index, "offer", "start_date")
        yield Finding(path, line, "past-start-date", f"start_date {start} is past and does nothing", "leave it out")
    count = _segments(business, action)
    if action.sms_confirmation and count > MOST_SEGMENTS:
        line = reading.line("actions", index, "sms_template")
        what = f'the text for "{action.title}" has {count} segments with this name and address, each billed as a text'
        yield Finding(path, line, "long-sms", what, "shorten the template; the name and the link take most")


def _check_room(
    reading: BusinessReading, business: Business, action: Action, index: int, now: datetime
) -> Iterator[Finding]:
    """Find an action for which nobody will ever be offered a time."""
    if {"hours", "rules", "zone"} & reading.wrong or not business.hours:
        return
    # A weekend, or the evening of a day that alone is booked, is no mistake.
    days = max(business.rules.maximum_advance_days, _ROOM_DAYS)
    if not any(open_slots(business, action.duration, start=now, end=now + timedelta(days=days))):
        minutes = f"{action.duration.total_seconds() / 60:.0f} minutes"
        what = (
            f'"{action.title}" takes {minutes}, for which [hours] and [rules] leave no room in the next {days} days: '
            "callers are told that all is taken"
        )
        line = reading.line("actions", index, "minutes")
        yield Finding(reading.path, line, "no-room", what, "write fewer minutes, or longer opening hours")


def _segments(business: Business, action: Action) -> int:
    body = render_sms(
        action.sms_template,
        slot=Slot(datetime(2026, 9, 30, 22, tzinfo=UTC), timedelta(minutes=30)),
        zone=action.zone,
        duration=timedelta(minutes=30),
        link="" if action.platform in ("phone", "in_person") else "https://app.cal.com/video/603fc8f7e15f7d7b32cc0c",
        location=action.address,
        name="Maya Chen",
        business=business.name,
    )
    return segments(body)


_ROOM_DAYS = 28
_OWN_EVENT_TYPE = {
    True: "write the number of its own event type at Cal.com",
    False: "leave event_type out of both: the built-in calendar needs none",
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# 555-0100 to 555-0199 are kept for fiction: https://nationalnanpa.com/number_resource_info/555_numbers.html
# +1500555…: Twilio's magic numbers: https://www.twilio.com/docs/iam/test-credentials
_FICTIONAL = re.compile(r"\+1\d{3}55501\d\d|\+1500555\d{4}")
_EXAMPLE_DOMAIN = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|org|net|edu))?|test|invalid|localhost)$", re.IGNORECASE)
