"""What stands in the fields of a scenario file: its kinds of text, times and numbers, and how they are checked."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from simulator.calcom_event_types import EventTypeOrder
from simulator.script import SMS_CODE
from simulator.voices import UnknownVoice, VoicesMissing, check_voice

_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?")


def _regular_expression(text: str) -> str:
    try:
        re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


def _known_voice(name: str) -> str:
    try:
        check_voice(name)
    except UnknownVoice as error:
        raise ValueError(f"is wrong: {error}") from None
    except VoicesMissing:
        # A typed rehearsal needs no voice, and a spoken one says what to install.
        return name
    return name


def _local_time(value: object) -> datetime:
    try:
        if isinstance(value, str) and _LOCAL_TIME.fullmatch(value):
            return datetime.fromisoformat(value)
    except ValueError:
        pass  # such as the 31st of a month that has 30 days
    raise ValueError(f"must be a day and a time of the business's clock such as 2026-12-01T09:00, not {value!r}")


def _list_of_times(value: object) -> object:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of times such as [2026-12-01T09:00, 2026-12-01T14:30], not {value!r}")
    return value


def _times_or_none(value: object) -> datetime | tuple[datetime, ...] | None:
    if isinstance(value, list):
        return tuple(map(_local_time, value))
    return None if value is None else _local_time(value)


def _like(pattern: str, what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {what}, not {text!r}")
        return text

    return AfterValidator(check)


def _moment(value: float | str) -> float | str:
    is_right = re.fullmatch(r"[a-z][a-z0-9_]*", value) if isinstance(value, str) else 0 <= value <= 60
    if not is_right:
        raise ValueError(f"must be a number of seconds, 60 at most, or the name of a tool, not {value!r}")
    return value


def _only_sms_code(text: str) -> str:
    for placeholder in re.findall(r"\{\w*\}", text):
        if placeholder != SMS_CODE:
            raise ValueError(f"has {placeholder}, which is no placeholder; there is {SMS_CODE}")
    return text


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1)]
Replies = Annotated[tuple[Text, ...], BeforeValidator(_as_list)]
"""The texts that somebody sends, one after the other."""
Spoken = Annotated[str, Field(min_length=1), AfterValidator(_only_sms_code)]
Keys = Annotated[str, _like(r"([0-9*#]|\{sms_code\})+", f"keys, of 0 to 9, * and #, or {SMS_CODE}")]
Number = Annotated[str, _like(r"\+[1-9][0-9]{5,14}", "a number in E.164 such as +14155550123")]
Voice = Annotated[
    str,
    _like(r"[a-z]+(-[a-z0-9]+)*(\+[A-Za-z0-9]+)?", "a voice of espeak-ng such as en-us+f3"),
    AfterValidator(_known_voice),
]
Expression = Annotated[str, Field(min_length=1), AfterValidator(_regular_expression)]
LocalTime = Annotated[datetime, BeforeValidator(_local_time)]
"""A time on the business's wall clock."""
Times = Annotated[tuple[LocalTime, ...], BeforeValidator(_list_of_times)]
TimesOrNone = Annotated[datetime | tuple[datetime, ...] | None, BeforeValidator(_times_or_none)]
Moment = Annotated[float | str, AfterValidator(_moment)]
"""When a line barges in: so many seconds after the agent starts to speak, or when a tool starts."""


def _known_options(options: dict[str, Any]) -> dict[str, Any]:
    try:
        EventTypeOrder.model_validate(options)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ValueError(f"cannot be: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    return options


EventTypeOptions = dict[str, Annotated[dict[str, Any], AfterValidator(_known_options)]]
"""What event types are at Cal.com, by title, in the words of its stand-in."""


class Part(BaseModel):
    """A part of a scenario: an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)
