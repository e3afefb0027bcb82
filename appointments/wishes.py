"""What a caller asked for: a day, a part of the day or a clock time, resolved from their words by code."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from appointments.clock_words import canonical, find_clock_times
from appointments.errors import WishNotUnderstood
from appointments.spoken import either

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from appointments.model import Business


class PartOfDay(StrEnum):
    MORNING = "morning"
    LUNCHTIME = "lunchtime"
    AFTERNOON = "afternoon"
    EVENING = "evening"

    def covers(self, moment: dt.time) -> bool:
        """Claim that `moment` lies in this part of the day."""
        begins, ends = _PARTS[self]
        return begins <= moment < ends


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller named, in the action's zone; None: not named."""

    date: dt.date | None = None
    part_of_day: PartOfDay | None = None
    time: dt.time | None = None


def resolve_wish(
    *,
    date: str | None,
    part_of_day: str | None,
    time: str | None,
    business: Business,
    zone: ZoneInfo,
    now: dt.datetime,
) -> Wish:
    """Turn the caller's words into a wish.

    Raises:
        WishNotUnderstood: says which words could not be made out and what to pass instead.
    """
    day = _date(date)
    part = _part_of_day(part_of_day)
    if time is None or _says_any(time):
        return Wish(day, part)
    days = [day] if day else [now.astimezone(zone).date() + dt.timedelta(days=n) for n in range(7)]
    text = canonical(re.sub(r"(?<=\w)-?ish\b", "", time.lower()))
    if "first thing" in time.lower():
        return Wish(day, PartOfDay.MORNING, _first_opening(business, days, zone))
    found = next(find_clock_times(text, may_be_bare=True), None)
    if found is not None:
        moment = _likeliest(found.readings, part, business, days, zone)
        if day:
            _check_clock(day, moment, zone)
        return Wish(day, part, moment)
    if said_part := _find_part(text):
        return Wish(day, said_part)
    raise WishNotUnderstood(
        f"{time!r} is not a clock time. Pass the time in the caller's words, such as 'two', 'half past nine' or "
        "'2:30 pm'; leave `time` out when none was named."
    )


def is_open_at(business: Business, moment: dt.datetime) -> bool:
    """Claim that the business is open at `moment`."""
    local = moment.astimezone(business.zone)
    return any(hours.opens <= local.time() < hours.closes for hours in business.intervals(local.date()))


def _date(said: str | None) -> dt.date | None:
    if said is None or _says_any(said):
        return None
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", said.strip()):
            return dt.date.fromisoformat(said.strip())
    except ValueError:
        pass
    raise WishNotUnderstood(
        f"{said!r} is not a date. Find the day in the calendar table and pass its date as it stands there, such as "
        "2026-12-03."
    )


def _part_of_day(said: str | None) -> PartOfDay | None:
    if said is None or _says_any(said):
        return None
    if part := _find_part(canonical(said)):
        return part
    raise WishNotUnderstood(
        f"{said!r} is not a part of the day. Pass {either([part.value for part in PartOfDay])}; a clock time belongs "
        "in `time`."
    )


def _find_part(text: str) -> PartOfDay | None:
    return next((part for pattern, part in _PART_WORDS if re.search(rf"\b(?:{pattern})\b", text)), None)


def _check_clock(day: dt.date, moment: dt.time, zone: ZoneInfo) -> None:
    """Refuse a time that the clock jumps over."""
    wanted = dt.datetime.combine(day, moment, zone)
    if wanted.astimezone(dt.UTC).astimezone(zone).time() != moment:
        raise WishNotUnderstood(
            f"On {day} there is no {moment:%H:%M}: the clock is put forward over it. Tell the caller so and ask for "
            "another time."
        )


def _says_any(said: str) -> bool:
    return _ANY.fullmatch(said.strip().lower()) is not None


def _likeliest(
    readings: Sequence[dt.time],
    part: PartOfDay | None,
    business: Business,
    days: Sequence[dt.date],
    zone: ZoneInfo,
) -> dt.time:
    """Choose between two and two: the named part of the day, then the opening hours, then daytime decide."""

    def merits(moment: dt.time) -> tuple[bool, bool, bool]:
        is_open = any(is_open_at(business, dt.datetime.combine(day, moment, zone)) for day in days)
        return part is not None and part.covers(moment), is_open, _DAYTIME[0] <= moment < _DAYTIME[1]

    return max(readings, key=merits)


def _first_opening(business: Business, days: Sequence[dt.date], zone: ZoneInfo) -> dt.time | None:
    """Return when the business opens, in `zone`, on the first of `days` that it is open."""
    opening = next(
        (
            dt.datetime.combine(day, interval.opens, business.zone)
            for day in days
            for interval in business.intervals(day)[:1]
        ),
        None,
    )
    return opening.astimezone(zone).time() if opening else None


_PARTS = {
    PartOfDay.MORNING: (dt.time.min, dt.time(12)),
    PartOfDay.LUNCHTIME: (dt.time(11, 30), dt.time(14)),
    PartOfDay.AFTERNOON: (dt.time(12), dt.time(17)),
    PartOfDay.EVENING: (dt.time(17), dt.time.max),
}
_PART_WORDS = (
    ("after lunch|after noon|afternoons?|pm|p\\.m\\.?", PartOfDay.AFTERNOON),
    ("before lunch|before noon|mornings?|1st thing|early|am|a\\.m\\.?", PartOfDay.MORNING),
    ("lunch|lunch ?time|midday|noon|lunch break", PartOfDay.LUNCHTIME),
    ("evenings?|tonight|nights?|after work|end of the day|late", PartOfDay.EVENING),
)
_DAYTIME = (dt.time(7), dt.time(19))
_ANY = re.compile(
    r"(?:any ?time|any|(?:any|all) day|whenever|either|none|null|no preference|asap|as soon as possible"
    r"|(?:the )?(?:soonest|earliest|first|next))?(?: (?:one|available|possible|time|slot|day))*\.?"
)
