"""The days and clock times that a sentence names, and in what sense: in passing, as free, or as booked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from appointments.clock_words import canonical, find_clock_times
from appointments.spoken import blotted, day_of, find_days, find_starts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import time

    from appointments.clock_words import ClockTime
    from appointments.spoken import DayWords


class Sense(StrEnum):
    """What a sentence says of a day or a time."""

    NAMED = "named"
    """No more than that there is such a day or time: it is asked for, looked up, refused or read back."""
    OFFERED = "offered"
    """That it is free, or that it would do."""
    BOOKED = "booked"
    """That it is booked."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day named at [begin, end) of a text. `on` is the date it means, None when a weekday is all that was named."""

    weekday: int | None
    on: date | None
    begin: int
    end: int
    is_real: bool = True
    """Claims that there is such a day: the third of December may be no Tuesday."""

    def is_on(self, local: datetime) -> bool:
        return local.date() == self.on if self.on else local.weekday() == self.weekday

    def agrees_with(self, other: Day) -> bool:
        """Claim that both may mean one day."""
        return self.on == other.on if self.on and other.on else self.weekday == other.weekday


@dataclass(frozen=True, slots=True)
class Mention:
    """A clock time with the day it belongs to, or a day alone; `times` are the times of day it may mean."""

    sense: Sense
    day: Day | None
    times: tuple[time, ...] = ()
    is_about_hours: bool = False
    """Whether it may be when the business opens or closes."""


@dataclass(frozen=True, slots=True)
class Words:
    """All days and clock times in a text, whatever is said of them."""

    days: tuple[Day, ...] = ()
    times: frozenset[time] = field(default_factory=frozenset)
    is_relative: bool = False
    """Whether a day or a time may be meant that has to be worked out: "an hour later", "at lunchtime", "next week"."""


def read_mentions(text: str, today: date) -> tuple[Mention, ...]:
    """Return what `text` says of days and times; numbers of other things, and limits as in "after two", are not it."""
    text = canonical(text)
    # "The second" alone is more often the second of something than a day.
    days = tuple(_find_named_days(text, today, may_be_ordinal=False))
    rest = blotted(text, days)
    times = [found for found in _find_times(rest) if not _is_other_number(found, rest)]
    homes = [day_of(found, days, rest) for found in times]
    found_times = (
        Mention(
            _sense(clause := _clause(rest, found.begin), is_time=True),
            day,
            _readings(found, rest),
            is_about_hours=_HOURS.search(clause) is not None,
        )
        for found, day in zip(times, homes, strict=True)
    )
    spans = _spans_of_days(days, rest)
    lone_days = (
        Mention(Sense.NAMED if day in spans else _sense(_clause(rest, day.begin), is_time=False), day)
        for day in days
        if day not in homes
    )
    return (*found_times, *lone_days)


def read_words(text: str, today: date, *, may_be_bare: bool = False) -> Words:
    """Return every day and time that `text` may name; with `may_be_bare` each number may be one."""
    text = canonical(text)
    days = tuple(_find_named_days(text, today, may_be_ordinal=True))
    found = find_clock_times(blotted(text, days), may_be_bare=may_be_bare)
    times = frozenset(moment for each in found for moment in each.readings)
    return Words(days, times, is_relative=_RELATED.search(text) is not None)


def says_that_is_free(text: str) -> bool:
    """Claim that `text` calls something free that was named before it: "Yes, that's free"."""
    return _THAT_IS_FREE.search(canonical(text)) is not None


def _find_named_days(text: str, today: date, *, may_be_ordinal: bool) -> Iterator[Day]:
    found = [
        _resolved(words, today, text)
        for words in find_days(text)
        if may_be_ordinal or words.weekday is not None or words.month is not None
    ]
    found += [_relative(match, today) for match in _RELATIVE.finditer(text)]
    found.sort(key=lambda day: day.begin)
    for day, following in pairwise([*found, None]):
        assert day is not None
        is_one = following is not None and _APPOSITION.fullmatch(text, day.end, following.begin) is not None
        is_real = day.is_real and not (is_one and following is not None and not day.agrees_with(following))
        yield Day(day.weekday, day.on, day.begin, day.end, is_real)


def _relative(match: re.Match[str], today: date) -> Day:
    on = today + timedelta(days=2 if match["after"] else 1 if match["tomorrow"] else 0)
    return Day(on.weekday(), on, *match.span())


def _resolved(words: DayWords, today: date, text: str) -> Day:
    """Return the day that `words` mean, seen from `today`."""
    year = _YEAR.match(text, words.end)
    end = year.end() if year else words.end
    if words.day is None:
        return Day(words.weekday, None, words.begin, end)
    dates = list(_dates(words, today))
    fitting = [each for each in dates if words.weekday in (None, each.weekday())]
    if not fitting:
        return Day(words.weekday, None, words.begin, end, is_real=False)
    return Day(fitting[0].weekday(), fitting[0], words.begin, end)


def _dates(words: DayWords, today: date) -> Iterator[date]:
    """Yield the dates that `words` may mean but for their weekday, the likeliest first."""
    assert words.day is not None
    if words.month is not None:
        years = sorted((today.year - 1, today.year, today.year + 1), key=lambda year: _distance(year, words, today))
        # A date far off in any year is in the nearest: another year's weekday would make every mistake right.
        months = [(years[0], words.month)]
    else:
        months = [divmod(today.year * 12 + today.month - 1 + ahead, 12) for ahead in (0, 1, 2)]
        months = [(year, month + 1) for year, month in months]
    for year, month in months:
        try:
            day = date(year, month, words.day)
        except ValueError:
            continue
        if words.month is not None or day >= today:
            yield day


def _distance(year: int, words: DayWords, today: date) -> int:
    assert words.month is not None
    return abs((year - today.year) * 12 + words.month - today.month)


def _find_times(text: str) -> Iterator[ClockTime]:
    """Find the times with those that are mere numbers in an offer: "I have ten or two on Thursday"."""
    sure = {found.begin for found in find_starts(text)}
    row: int | None = None
    found_times: list[ClockTime | None] = [*find_starts(text, may_be_bare=True)]
    for found, following in pairwise([*found_times, None]):
        assert found is not None
        is_in_row = row is not None and _ROW.fullmatch(text, row, found.begin) is not None
        # "Two or three openings" are no times.
        counts = _MORE.match(text, found.end)
        is_count = counts is not None and (following is None or following.begin != counts.end())
        is_held_out = (
            _HELD_OUT.search(text, 0, found.begin)
            or _IT_IS.match(text, found.end)
            or (_AT_START.search(text, 0, found.begin) and _IS_FREE.match(text, found.end))
        )
        if found.begin in sure or ((is_in_row or is_held_out) and not is_count):
            yield found
            row = found.end


def _readings(found: ClockTime, text: str) -> tuple[time, ...]:
    """Return the times of day that `found` may mean; "ten to five" may be a range as well."""
    a_range = _RANGE.match(text, found.begin, found.end)
    if a_range is None:
        return found.readings
    ends = (each for bare in a_range.groups() for each in find_clock_times(bare, may_be_bare=True))
    return (*found.readings, *(moment for each in ends for moment in each.readings))


def _is_other_number(found: ClockTime, text: str) -> bool:
    """Tell a price, a year or a phone number from a time."""
    words = text[found.begin : found.end]
    if _MARKED.search(words):
        return False
    is_year = re.fullmatch(r"(?:19|20) \d\d", words) is not None
    return (
        is_year
        or _UNIT.match(text, found.end) is not None
        or _COUNTED.search(text, 0, found.begin) is not None
        or (":" not in words and _DIALLED.search(text) is not None)
    )


def _spans_of_days(days: Sequence[Day], text: str) -> set[Day]:
    """Return the days that end or begin a span, as in "Monday to Friday"."""
    pairs = pairwise(days)
    return {day for pair in pairs if _THROUGH.fullmatch(text, pair[0].end, pair[1].begin) for day in pair}


def _clause(text: str, position: int) -> str:
    """Return the part of the sentence around `position` that one thing is said in."""
    begin, end = 0, len(text)
    for cut in _CUT.finditer(text):
        if cut.start() > position:
            end = cut.start()
            break
        begin = cut.start()
    return text[begin:end]


def _sense(clause: str, *, is_time: bool) -> Sense:
    if _REFUSED.search(clause):
        return Sense.NAMED
    if _BOOKED.search(clause):
        return Sense.BOOKED
    if _SOUGHT.search(clause):
        return Sense.NAMED
    is_free = _FREE.search(clause) is not None or (_OPEN.search(clause) is not None and not _WE_OPEN.search(clause))
    if is_time:
        return Sense.OFFERED if is_free or _HAVE.search(clause) or _PROPOSED.search(clause) else Sense.NAMED
    # A day may be asked about before anything was looked up: "Would Thursday suit you?"
    is_asked = clause.rstrip().endswith("?")
    return Sense.OFFERED if (is_free or _HAVE_DAY.search(clause)) and not is_asked else Sense.NAMED


# All of these read the `canonical` text, where days are blotted out with #.
_RELATIVE = re.compile(r"\b(?:(?P<after>(?:the )?day after tomorrow)|(?P<tomorrow>tomorrow)|today)\b")
_APPOSITION = re.compile(r",? (?:the )?")
_YEAR = re.compile(r",? (?:20\d\d|20 \d\d)\b(?! [ap]m\b| oclock)")
_THROUGH = re.compile(r" (?:to|through|till|until|thru) ")
_RANGE = re.compile(r"(\d{1,2}) to (\d{1,2})(?!\d)")
_RELATED = re.compile(
    r"\b(?:hours?|minutes|days?|weeks?|months?|bit|much) (?:later|earlier|sooner|after|before|from)\b"
    r"|\bin (?:a|\d+) (?:days?|weeks?|months?|hours?)\b|\b(?:next|following) (?:week|month)\b|\bweekend\b|\blunch"
)
_ROW = re.compile(r",? (?:(?:or|and) )?(?:at )?")
_MORE = re.compile(r",? (?:or|and) (?=\d)")
_HELD_OUT = re.compile(
    r"\b(?:(?:i|we)(?:'ve got| have(?: got)?)(?: (?:also|only|still))?|offer you|(?:can|could) do) $"
)
_AT_START = re.compile(r"(?:^|[,.;:?!] |\b(?:and|but|or|yes) )$")
_IT_IS = re.compile(r" it is\b(?= *(?:[.,;!?]|$))")
_IS_FREE = re.compile(r" is (?:still |also )?(?:free|available|open)\b")
_MARKED = re.compile(r"[ap]m\b|oclock|morning|afternoon|evening|night|noon|midday|past|quarter|half")
_UNIT = re.compile(
    r" ?(?:dollars?|euros?|pounds?|cents?|bucks|percent|per cent|%|usd|eur|minutes?|mins?|hours?|days?|weeks?"
    r"|people|persons?|miles?|kilometers?|degrees?)"
)
_COUNTED = re.compile(
    r"(?:[$€£]|\b(?:costs?|prices?|pays?|paid|fees?|charges?|charged|room|suite|unit|number|version)\b"
    r"(?: (?:is|are|about|around|from|of|at|only|just))*) ?$"
)
_DIALLED = re.compile(r"\b(?:numbers?|dial|extension|digits|fax|zip|postcode)\b")
_CUT = re.compile(
    r"[;\u2013\u2014]|:(?!\d)|[.!?] |,? (?:but|however|although|though|because|while|whereas)\b"
    r"|,? (?:and|so) (?=(?:i|we|you|that|it|there|shall|would|do|is)\b)"
    r"|, (?=(?:let|i|we|which|how|what|there)\b)|(?<=\bcheck), |(?<=\bsee), |(?<=\blook), "
)
_HOURS = re.compile(r"\b(?:open\w*|clos\w+|hours|shut\w*|lunch|break|from)\b|\d to \d")
_REFUSED = re.compile(
    r"n't\b|\b(?:not|no|nothing|none|neither|never|cannot|taken|gone|fully|full up|unavailable|closed|passed"
    r"|already booked|just been)\b"
)
_SOUGHT = re.compile(
    r"\b(?:check\w*|look(?:ing)?|see (?:if|whether|what)|find|search\w*|try|whether|if"
    r"|you (?:said|say|mean|meant|asked|wanted|mentioned)|did you|do you (?:mean|want)|was that)\b"
)
_BOOKED = re.compile(
    r"\byou(?:'re| are|'ve been| have been| will be|'ll be)(?: \w+)? (?:booked|scheduled|confirmed|reserved|set)\b"
    r"|\bi(?:'ve| have)?(?: \w+){0,2} (?:booked|scheduled|reserved|confirmed)\b"
    r"|\byour (?:\w+ ){0,4}(?:is|are|has been) (?:now |all )?(?:booked|confirmed|scheduled|reserved|set|moved)\b"
    r"|\b(?:it's|it is) now (?:on|at)\b|\bi(?:'ve| have) (?:moved|rescheduled)\b"
)
_FREE = re.compile(
    r"(?<!\bfeel )(?<!\bfor )(?<!\btoll )\bfree\b(?! (?:of|to)\b)|\bavailab\w+|\bopenings?\b(?! (?:hours|times))"
    r"|\bslots?\b|\boptions?\b"
)
_OPEN = re.compile(r"\b(?:is|are|still|wide|remains?) open\b|'s (?:still )?open\b")
_WE_OPEN = re.compile(
    r"\b(?:we|we're|office|shop|store|clinic|salon|studio|practice|business|doors?|desk|hours|line)\b.*\bopen\b"
)
_HAVE = re.compile(
    r"\b(?:i|we)(?:'ve got| have(?: got)?)\b"
    r"(?! (?:to|you|your|our|the|an|it|that|been|written|sent|put|\w+ed|a(?! \d))\b)"
    r"|\bthere(?:'s| is| are)\b"
)
_HAVE_DAY = re.compile(
    r"(?:\b(?:i|we)(?:'ve got| have(?: got)?)|\bthere(?:'s| is| are))"
    r"(?: (?:also|only|still|something|anything|one|time|times|room|space|on|for|this|next))* #"
)
_PROPOSED = re.compile(
    r"\b(?:can|could) (?:offer|do|give|fit|get|squeeze|see|take|book|schedule|put)\b|\b(?:how|what) about\b"
    r"|\bwould you (?:like|prefer|rather)\b"
    r"|\b(?:would|does|do|could|will) .*\b(?:work|suit|be (?:okay|ok|fine|good|possible|convenient))\b"
    r"|\b(?:(?:shall|should|can|may|will) i|i'll|let me) (?:just )?(?:book|reserve|put|schedule|hold|take|move)\b"
    r"|\b(?:works|suits)\b|\bit is *(?:[.,;!?]|$)|\b(?:is|are)\b.* (?:fine|good|okay|ok|possible|perfect|convenient)\b"
)
_THAT_IS_FREE = re.compile(
    r"\b(?:it|that|this|those|they|both)(?: (?:1|time|slot|day))?(?:'s| is|'re| are)(?: \w+)? (?:free|available|open)\b"
)
