"""Days, times and slots in words: how they are said aloud, and whether a sentence said them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Protocol, TypeVar

from appointments.clock_words import ORDINALS, canonical, cardinal, find_clock_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date, datetime, time
    from zoneinfo import ZoneInfo

    from appointments.clock_words import ClockTime
    from appointments.model import Slot


class Span(Protocol):
    """Something found at [begin, end) of a text."""

    @property
    def begin(self) -> int: ...

    @property
    def end(self) -> int: ...


SpanT = TypeVar("SpanT", bound=Span)

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip

_ZONE_NAMES = {
    "Eastern": ("America/New_York", "America/Detroit", "America/Toronto", "US/Eastern"),
    "Central": ("America/Chicago", "America/Winnipeg", "US/Central"),
    "Mountain": ("America/Denver", "America/Boise", "America/Edmonton", "US/Mountain"),
    "Arizona": ("America/Phoenix", "US/Arizona"),
    "Pacific": ("America/Los_Angeles", "America/Vancouver", "US/Pacific"),
    "Alaska": ("America/Anchorage", "US/Alaska"),
    "Hawaii": ("Pacific/Honolulu", "US/Hawaii"),
    "Atlantic": ("America/Halifax",),
}
_NAME_OF_ZONE = {key: name for name, keys in _ZONE_NAMES.items() for key in keys}


def say_day(day: date) -> str:
    """Return ``Thursday, December third``."""
    return f"{WEEKDAYS[day.weekday()]}, {MONTHS[day.month - 1]} {ORDINALS[day.day]}"


def say_time(moment: time) -> str:
    """Return ``two in the afternoon``, ``nine thirty in the morning`` or ``noon``."""
    if moment.minute == 0 and moment.hour in (0, 12):
        return "noon" if moment.hour else "midnight"
    words = cardinal(moment.hour % 12 or 12)
    if moment.minute:
        words += f" {'oh ' if moment.minute < 10 else ''}{cardinal(moment.minute)}"
    if moment.hour < 12:
        return f"{words} in the morning"
    return f"{words} in the {'afternoon' if moment.hour < 17 else 'evening'}"


def say_slot(slot: Slot, zone: ZoneInfo, *, spoken_zone: str = "") -> str:
    """Return ``Thursday, December third, at two in the afternoon``, and the zone's name when there is one to say."""
    local = slot.start.astimezone(zone)
    words = f"{say_day(local.date())}, at {say_time(local.time())}"
    return f"{words}, {spoken_zone}" if spoken_zone else words


def say_zone(zone: ZoneInfo, at: datetime) -> str:
    """Return ``Eastern time`` or ``London time``; a zone without a place is told by its distance from UTC `at` then."""
    if name := _NAME_OF_ZONE.get(zone.key):
        return f"{name} time"
    area, _, place = zone.key.rpartition("/")
    if area and area != "Etc":
        return f"{place.replace('_', ' ')} time"
    offset = at.astimezone(zone).utcoffset()
    hours = round(offset.total_seconds() / 3600) if offset else 0
    if hours == 0:
        return "U T C"
    return f"U T C {'plus' if hours > 0 else 'minus'} {cardinal(abs(hours))}"


def say_choices(slots: Sequence[Slot], zone: ZoneInfo) -> str:
    """Return ``on Thursday, December third, at ten in the morning or noon, or on Friday, …``, a day said once."""
    starts = sorted(slot.start for slot in slots)
    by_day = groupby((start.astimezone(zone) for start in starts), key=lambda local: local.date())
    return either(
        [f"on {say_day(day)}, at {either([say_time(local.time()) for local in locals_])}" for day, locals_ in by_day],
        before_or=", ",
    )


def either(choices: Sequence[str], *, before_or: str = " ") -> str:
    """Join with commas and a last "or"."""
    if len(choices) < 2:
        return "".join(choices)
    before_or = ", " if len(choices) > 2 else before_or
    return f"{', '.join(choices[:-1])}{before_or}or {choices[-1]}"


def mentions(text: str, slot: Slot, zone: ZoneInfo) -> bool:
    """Claim that `text` names the day of `slot` and, with it, its clock time, in any usual form."""
    text = canonical(text)
    local = slot.start.astimezone(zone)
    days = tuple(find_days(text))
    text = blotted(text, days)
    dated = [day for day in days if day.day is not None]
    if dated and not any(day.is_on(local) for day in dated):
        return False
    return any(
        (day := day_of(found, days, text)) is not None and day.is_on(local)
        for found in find_starts(text)
        if local.time().replace(second=0, microsecond=0) in found.readings
    )


def mentions_time_alone(text: str, slot: Slot, zone: ZoneInfo) -> bool:
    """Claim that `text` names the clock time of `slot` and no day at all, as in "Two, please."."""
    text = canonical(text)
    at = slot.start.astimezone(zone).time().replace(second=0, microsecond=0)
    starts = find_starts(text, may_be_bare=True)
    return not any(find_days(text)) and any(at in found.readings for found in starts)


def blotted(text: str, spans: Iterable[Span]) -> str:
    """Return `text` with `spans` made illegible, so that the numbers of days are not taken for times."""
    for span in spans:
        text = text[: span.begin] + "#" * (span.end - span.begin) + text[span.end :]
    return text


def find_starts(text: str, *, may_be_bare: bool = False) -> Iterator[ClockTime]:
    """Find the clock times that do not end or bound something: "until two" does not name two."""
    previous_end: int | None = None
    for found in find_clock_times(text, may_be_bare=may_be_bare):
        is_range_end = previous_end is not None and text[previous_end : found.begin] == " to "
        if not is_range_end and not _BOUND.search(text, 0, found.begin):
            yield found
        previous_end = found.end


def day_of(found: Span, days: Sequence[SpanT], text: str) -> SpanT | None:
    """Return the day a time belongs to: the one it leans on ("two on Thursday"), else the last, else the next."""
    before = [day for day in days if day.end <= found.begin]
    after = [day for day in days if day.begin >= found.end]
    if after and _LEANS.fullmatch(text, found.end, after[0].begin):
        return after[0]
    if before:
        return before[-1]
    return after[0] if after else None


@dataclass(frozen=True, slots=True)
class DayWords:
    """A day named at [begin, end) of a text, as far as it was named."""

    weekday: int | None
    month: int | None
    day: int | None
    begin: int
    end: int

    def is_on(self, local: datetime) -> bool:
        return (
            self.weekday in (None, local.weekday())
            and self.month in (None, local.month)
            and self.day in (None, local.day)
        )


def find_days(text: str) -> Iterator[DayWords]:
    """Find the days named in the `canonical` text: "thursday", "december 3rd", "thursday the 3rd"."""
    weekday: re.Match[str] | None = None
    for match in _DAY.finditer(text):
        is_joined = weekday is not None and _JOINS.fullmatch(text, weekday.end(), match.start()) is not None
        month = match["month"] or match["month_after"]
        if not match["weekday"] and not month and not match["the"] and not is_joined:
            continue
        if weekday and not is_joined:
            yield DayWords(_WEEKDAY_NUMBERS[weekday[0]], None, None, *weekday.span())
        if match["weekday"]:
            weekday = match
            continue
        yield DayWords(
            _WEEKDAY_NUMBERS[weekday[0]] if weekday and is_joined else None,
            _MONTH_NUMBERS[month[:3]] if month else None,
            int(match["day"] or match["day_before"]),
            weekday.start() if weekday and is_joined else match.start(),
            match.end(),
        )
        weekday = None
    if weekday:
        yield DayWords(_WEEKDAY_NUMBERS[weekday[0]], None, None, *weekday.span())


_WEEKDAY_NUMBERS = {name.lower(): number for number, name in enumerate(WEEKDAYS)}
_MONTH_NUMBERS = {name[:3].lower(): number for number, name in enumerate(MONTHS, start=1)}
_MONTH = "|".join([*(name.lower() for name in MONTHS), "sept", *_MONTH_NUMBERS])
_DAY = re.compile(
    rf"""
    \b(?:
      (?P<weekday>{"|".join(_WEEKDAY_NUMBERS)})
    | (?P<month>{_MONTH})\.?\ (?:the\ )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?!\w|[:.]\d|\ [ap]m\b|\ oclock)
    | (?P<the>the\ )?(?P<day_before>\d{{1,2}})
      (?: (?:st|nd|rd|th)?(?:\ of)?\ (?P<month_after>{_MONTH})(?!\ (?:i|we|you)\b)
        | (?:st|nd|rd|th)(?!\ (?:1|option|choice|time|slot|opening|appointment)\b)
      )
    )\b
    """,
    re.VERBOSE,
)
_JOINS = re.compile(r",? ")
_LEANS = re.compile(r" (?:(?:on|this|next|of|for) )?")
_BOUND = re.compile(r"\b(?:until|till|before|after|past|not|than|through) $")
