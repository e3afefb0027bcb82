"""What to write instead of what is refused: how each key is written, and how a broken form is mended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agent.business_file import ActionTable, BlockedTable, BusinessFile, HoursTable, OfferTable, RulesTable
from agent.message_tables import WORDED, ActionMessagesTable, MessagesTable
from prompts.loader import FrontMatter
from prompts.reading import keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from prompts.reading import Problem

HEAD: Final[Mapping[str, str]] = {
    "name": "name: the front desk",
    "voice": "voice: alloy",
    "language": "language: en",
    "greeting": 'greeting: "Thanks for calling {business}. I\'m the automated assistant. How can I help you?"',
    "model": "model: gpt-6-luna",
    "temperature": "temperature: 0.3",
}
"""How each key of the head is written."""
_HOURS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
BUSINESS: Final[Mapping[str, str]] = {
    "name": 'name = "Harbor Street Clinic"',
    "number": 'number = "+14155550100"',
    "zone": 'zone = "America/New_York"',
    "about": 'about = "There is parking behind the building."',
    "prompt": 'prompt = "plumber.md"',
    "fallback_number": 'fallback_number = "+14155550199"',
    "when_full": 'when_full = "queue"',
    "transfer_number": 'transfer_number = "+14155550198"',
    "transfer_to": 'transfer_to = "the office"',
    "transfer_hours": 'transfer_hours = "open"',
    "sms_from": 'sms_from = "+14155550100"',
    "sms_countries": 'sms_countries = ["US", "CA"]',
    "scopes": 'scopes = ["read", "create"]',
    "hours": '[hours], and below it the days that are open, such as monday = ["09:00-17:00"]',
    **{day: f'{day} = ["09:00-12:00", "13:00-17:00"]' for day in _HOURS},
    "rules": "[rules], and below it what is to be other than usual, such as minimum_notice_minutes = 60",
    "minimum_notice_minutes": "minimum_notice_minutes = 120",
    "maximum_advance_days": "maximum_advance_days = 30",
    "buffer_before_minutes": "buffer_before_minutes = 15",
    "buffer_after_minutes": "buffer_after_minutes = 15",
    "grid_minutes": "grid_minutes = 30",
    "most_a_day": "most_a_day = 12",
    "most_per_caller": "most_per_caller = 5",
    "closed": "closed = [2026-12-25, 2027-01-01]",
    "blocked": '[[rules.blocked]], and below it from = "12:00", until = "13:00" and weekdays or date',
    "from": 'from = "12:00"',
    "until": 'until = "13:00"',
    "weekdays": 'weekdays = ["monday", "tuesday"]',
    "date": "date = 2026-12-24",
    "actions": '[[actions]], and below it at least title = "30-Minute Consultation"',
    "event_type": 'event_type = "101"',
    "title": 'title = "30-Minute Consultation"',
    "minutes": "minutes = 45",
    "platform": 'platform = "phone"',
    "address": 'address = "12 Harbor Street"',
    "fallback_email": 'fallback_email = "caller+{digits}@harborstreet.clinic"',
    "sms_confirmation": "sms_confirmation = true",
    "sms_template": 'sms_template = "{business}: see you on {date} at {time}."',
    "owner": '[owner], and below it whom to tell, such as sms = "+14155550190"',
    "messages": "[messages] or [actions.messages], and below it what is to be other than usual, such as quiet_hours",
    "remind_hours_before": "remind_hours_before = [24, 2]",
    "follow_up_after_hours": "follow_up_after_hours = 2",
    "review_link": 'review_link = "https://reviews.example.com/clinic"',
    "review_after_hours": "review_after_hours = 24",
    "rebook_link": 'rebook_link = "https://app.cal.com/reschedule/{booking_uid}"',
    "email": "email = true",
    "invites": "invites = true",
    "invite_title": 'invite_title = "Appointment with {business}"',
    **{kind: f'{kind} = "{{business}}: {{date}} at {{time}}."' for kind in map(str, WORDED)},
    "review": 'review = "{business}: how was it? {link}"',
    "quiet_hours": 'quiet_hours = "21:00-08:00"',
    "most_texts_per_number_an_hour": "most_texts_per_number_an_hour = 6",
    "most_texts_a_day": "most_texts_a_day = 500",
    "default_instructions": "default_instructions = true",
    "fields": "[actions.fields], and below it a line for each question of the event type",
    "offer": "[actions.offer], and below it what is to be other than usual, such as slots_per_day = 3",
    "look_ahead_days": "look_ahead_days = 2",
    "slots_per_day": "slots_per_day = 3",
    "hours_between": "hours_between = 3",
    "start_date": "start_date = 2026-12-01",
}
"""How each key of the business file is written."""


def better_head(problem: Problem) -> str:
    """Return what to write instead of what is wrong in instructions."""
    return _better(problem, HEAD, FrontMatter)


def better_business(problem: Problem) -> str:
    """Return what to write instead of what is wrong in a business file or a text."""
    tables: dict[object, type[BaseModel]] = {
        "hours": HoursTable,
        "offer": OfferTable,
        "messages": ActionMessagesTable if "actions" in problem.loc else MessagesTable,
        "actions": ActionTable,
        "rules": RulesTable,
        "blocked": BlockedTable,
    }
    around = [tables[part] for part in problem.loc[:-1] if part in tables]
    return _better(problem, BUSINESS, around[-1] if around else BusinessFile)


def _better(problem: Problem, forms: Mapping[str, str], table: type[BaseModel]) -> str:
    if found := re.search(r"did you mean (\S+)\?$", problem.text):
        return f"write {found[1]}"
    for pattern, cure in _CURES:
        if re.search(pattern, problem.text):
            return cure
    if "unknown key" in problem.text:
        return f"leave it out; there are {', '.join(keys(table))}"
    key = next((part for part in reversed(problem.loc) if isinstance(part, str)), next(iter(forms)))
    return f"{'add' if 'is missing' in problem.text else 'write it like'} {forms[key]}"


_CURES = (
    # A file that cannot be read at all.
    (r"cannot be read", "allow your account to read it"),
    (r"^is not UTF-8", "save it as UTF-8"),
    # YAML.
    (r"^starts with no front matter|is not closed by", "begin with ---, then name:, voice: and greeting:, then ---"),
    (r"^has no text below", "write below the head what the agent shall do"),
    (r"^is not YAML.* mapping values", "begin each line with its key; a value with a colon in it stands in quotes"),
    (r"^is not YAML.* parsing a flow", "put the value in quotes, because [ and { open a list, or close the bracket"),
    (r"^is not YAML.* simple key", "write a colon and a blank between the key and its value, such as voice: alloy"),
    (
        r"^is not YAML.* (?:quoted scalar|block mapping)",
        'put the value between two marks ", close them on the same line, and write \\" for one inside',
    ),
    (r"^is not YAML.*'\\t'", "begin the line without a tab"),
    (r"^is not YAML|^YAML aliases", "put the value in quotes"),
    (r"is given twice$", "leave one of them out"),
    # TOML.
    (r"^is not TOML.* opens here", "close it with the same three marks on a line of their own"),
    (r"^is not TOML.*'\\n'", 'close the quotation mark; several lines stand between """ and """'),
    (r"^is not TOML.* (?:overwrite|twice)", "leave one of them out"),
    (r"^is not TOML.* array", 'close the bracket, and put a comma between two values: ["09:00-12:00", "13:00-17:00"]'),
    (r"^is not TOML.* table declaration", "close the bracket: [hours], and [[actions]] with two on each side"),
    (r"^is not TOML", 'texts stand in quotes, and a day\'s hours in brackets: monday = ["09:00-17:00"]'),
    # Values that fit nothing else.
    (r"^offer is an unknown key", "write [actions.offer]"),
    (r"unknown key: move it above", "what stands below a [table] belongs to that table"),
    (r"unknown key: move it", "a key belongs to the nearest [table] above it"),
    (
        r"^hours\.\S+ is an unknown key",
        'write a line for each day: monday = ["09:00-17:00"], then tuesday = ["09:00-17:00"] and so on',
    ),
    (r"there is no file", "write the path as seen from the folder of the business file"),
    (r"would come back$", "write the number of a phone that a person answers"),
    (r"makes the same tool", "give one of the two another title"),
    (r"needs an address", 'add address = "12 Harbor Street", or choose another platform'),
    (r"^CALCOM_EVENT_TYPE_ID fits", "unset CALCOM_EVENT_TYPE_ID, and give each action its event_type"),
    # Texts.
    (r"has no placeholder", "write one of those, or leave it out"),
    (r"the reply CANCEL", "ask for another word, or for none"),
    (r"makes a text of", "shorten it: two segments hold some 300 letters, and what is filled in counts"),
)
"""Each: what a message says, and the cure; the first that fits is told."""
