"""Facts that an author wrote into a text, compared with the business file: dates, numbers, zones, names, directions."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import phonenumbers

from agent.authoring.rules import Finding
from appointments.clock_words import ORDINALS
from appointments.contact import country_of
from appointments.spoken import MONTHS, WEEKDAYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.authoring.text import Passage
    from appointments.model import Business


def check_dates(passage: Passage, about: str) -> Iterator[Finding]:
    """Find dates; what is quoted or an example is made up by nature."""
    if passage.is_example:
        return
    for sentence in passage.sentences():
        for found in _dates(sentence.prose):
            if _SUCH_AS.search(sentence.prose, 0, found.start()):
                continue
            line = sentence.line(found.start())
            if (real := _real_weekday(found)) is not None:
                what = f'"{found[0]}" does not exist: that day is a {real}'
                yield Finding(passage.path, line, "wrong-date", what, f"write {real}, or the right date")
                continue
            where = "the business file says so too" if found[0] in about else "it will go out of date unseen"
            better = "leave it out; what callers may be told of single days belongs into about in the business file"
            yield Finding(passage.path, line, "written-date", f'"{found[0]}" is a fixed date: {where}', better)


def check_numbers(passage: Passage, business: Business, *, is_about: bool = False) -> Iterator[Finding]:
    """Find phone numbers; an error where one is said to be the business's and is not."""
    if passage.speaker == "caller":
        return
    own = {number for number in (business.number, business.fallback_number, business.sms_from) if number}
    about = set() if is_about else {number for _, _, number in _numbers(business.about, business)}
    for sentence in passage.sentences():
        for begin, said, number in _numbers(sentence.text, business):
            if sentence.is_negated(begin):
                continue
            line = sentence.line(begin)
            is_own = any(mine.endswith(number) for mine in own)
            if not is_own and _OURS.search(sentence.text) and not _OTHER_LINES.search(sentence.text):
                what = f"{said} is not the number of the business file, which is {business.number}"
                better = "leave it out: the agent is told the number of the business file"
                yield Finding(passage.path, line, "wrong-number", what, better)
            elif not is_about:
                yield Finding(passage.path, line, "written-number", *_written_number(said, is_own, number in about))


def check_zone(passage: Passage, business: Business) -> Iterator[Finding]:
    """Find a time zone in which the business has no times."""
    if passage.is_example:
        return
    zones = [business.zone, *(action.zone for action in business.actions)]
    for sentence in passage.sentences():
        for found in _ZONE.finditer(sentence.text):
            rest = sentence.prose[: found.start()] + sentence.prose[found.end() :]
            zone = _zone(found[0])
            if zone is None or sentence.is_negated() or not _OF_OURS.search(rest) or _OF_OTHERS.search(rest):
                continue
            if not any(_same_clock(zone, mine) for mine in zones):
                what = f'"{found[0]}" is not the zone of the business file, which is {business.zone.key}'
                better = "leave it out: the agent is told the zone, and the tools say times in it"
                yield Finding(passage.path, sentence.line(found.start()), "wrong-zone", what, better)


def check_name(passage: Passage, business: Business) -> Iterator[Finding]:
    """Find another business's name where the business is introduced."""
    for sentence in passage.sentences():
        for found in _INTRODUCED.finditer(sentence.text):
            said = found["name"].strip()
            mine, other = _letters(business.name), _letters(said)
            if other in mine or mine in other:
                continue
            what = f'"{said}" is not the name in the business file, which is "{business.name}"'
            yield Finding(passage.path, sentence.line(found.start()), "wrong-name", what, "write {business}")


def check_address(passage: Passage, business: Business) -> Iterator[Finding]:
    """Find the wish to give directions when the agent is not told where the business is."""
    if passage.is_example or business.about.strip() or any(action.address for action in business.actions):
        return
    for sentence in passage.sentences():
        found = _DIRECTIONS.search(sentence.prose)
        if found and not sentence.is_negated():
            what = "the agent shall say where the business is, and the business file does not tell"
            better = "tell it in about, or in the address of an action"
            yield Finding(passage.path, sentence.line(found.start()), "no-address", what, better)


def _dates(text: str) -> Iterator[re.Match[str]]:
    end = 0
    for found in _DATE.finditer(text):
        if found.start() >= end and _is_date(found, text):
            yield found
            end = found.end()


def _is_date(found: re.Match[str], text: str) -> bool:
    """Tell 12/24 from 24/7 and from half a dozen other things: a slashed date follows "on" or has a year."""
    if not found["slashed"]:
        return True
    month, day = int(found["slashed_month"]), int(found["slashed_day"])
    is_possible = 1 <= month <= 12 and 1 <= day <= 31
    return is_possible and bool(found["slashed_year"] or _BEFORE_DATE.search(text, 0, found.start()))


def _real_weekday(found: re.Match[str]) -> str | None:
    """Return the weekday of a date whose author wrote another one, None when all is well or no year is given."""
    weekday, year = found["weekday"], found["year"]
    month, day = found["month"], found["day"]
    if not (weekday and year and month and day):
        return None
    number = next(index for index, name in enumerate(MONTHS, start=1) if name.startswith(month[:3]))
    of_month = int(re.sub(r"\D", "", day)) if day[0].isdigit() else ORDINALS.index(day.lower())
    try:
        real = WEEKDAYS[date(int(year), number, of_month).weekday()]
    except ValueError:
        return None
    return None if real.startswith(weekday[:3]) else real


def _numbers(text: str, business: Business) -> Iterator[tuple[int, str, str]]:
    """Return where phone numbers stand, how they are written, and their digits without the country's.

    Made-up numbers are wanted too, such as 555-123-4567, which no telephone has: they must look like one.
    """
    country = country_of(business.number) or "US"
    for match in phonenumbers.PhoneNumberMatcher(text, country, leniency=phonenumbers.Leniency.POSSIBLE):
        if phonenumbers.is_valid_number(match.number) or re.search(r"\d[-. )]+\d", match.raw_string):
            yield match.start, match.raw_string, str(match.number.national_number)


def _written_number(said: str, is_own: bool, is_in_about: bool) -> tuple[str, str]:
    if is_own:
        return f"{said} repeats the business file", "leave it out: the agent is told the number of the business file"
    if is_in_about:
        return f"{said} repeats about in the business file", "leave it out: the agent is told all of about"
    return f"{said} stands here only", "put it into about in the business file, and say there whose number it is"


def _zone(name: str) -> ZoneInfo | None:
    words = name.casefold()
    key = next((key for start, key in _ZONES.items() if words.startswith(start)), name if "/" in name else "")
    try:
        return ZoneInfo(key) if key else None
    except (KeyError, ValueError, OSError):  # no zone of that name
        return None


def _same_clock(one: ZoneInfo, other: ZoneInfo) -> bool:
    """Claim that both zones show the same time, in winter and in summer."""
    days = (datetime(2026, 1, 15, 12, tzinfo=UTC), datetime(2026, 7, 15, 12, tzinfo=UTC))
    return all(day.astimezone(one).utcoffset() == day.astimezone(other).utcoffset() for day in days)


def _letters(words: str) -> str:
    return " ".join(re.findall(r"\w+", words.casefold().removeprefix("the ")))


_MONTH = rf"(?:{'|'.join(f'{name[:3]}(?:{name[3:]})?' for name in MONTHS)}|Sept)\b\.?"
_DAY = rf"(?:\d{{1,2}}(?:st|nd|rd|th)?|{'|'.join(sorted(filter(None, ORDINALS), key=len, reverse=True))})"
_WEEKDAY = rf"(?:{'|'.join(f'{name[:3]}(?:{name[3:]})?' for name in WEEKDAYS)})"
_DATE = re.compile(
    rf"""
      (?:\b(?P<weekday>{_WEEKDAY}),?\ )? \b(?P<month>{_MONTH})\ (?:the\ )?(?P<day>{_DAY})\b (?:,?\ (?P<year>20\d\d)\b)?
    | \b\d{{1,2}}(?:st|nd|rd|th)?\ (?:of\ )?{_MONTH}(?:,?\ 20\d\d\b)?
    | \b20\d\d-[01]\d-[0-3]\d\b
    | (?<![\w/.$-])
      (?P<slashed>(?P<slashed_month>\d{{1,2}})/(?P<slashed_day>\d{{1,2}})(?:/(?P<slashed_year>(?:20)?\d\d))?)
      (?![\w/%])
    """,
    re.VERBOSE,
)
_BEFORE_DATE = re.compile(
    r"\b(?:on|until|till|from|by|before|after|since|through|closed|date)\s+(?:the\s+)?$", re.IGNORECASE
)
_SUCH_AS = re.compile(r"\b(?:such as|for example|for instance|e\.g\.|like)[^.;]*$", re.IGNORECASE)
_OURS = re.compile(
    r"\b(?:our|(?:the )?(?:clinic|office|shop|salon|studio|business|company|practice|front desk)(?:'s)?)\b[^.;]{0,30}"
    r"\b(?:phone|telephone|number|line)\b|\b(?:call|reach|ring|dial|phone|text) us\b"
    r"|^\W*(?:phone|telephone|tel|phone number|number)\s*:|\{business\}(?:'s)? (?:phone|telephone|number)",
    re.IGNORECASE,
)
_OTHER_LINES = re.compile(
    r"\b(?:emergenc\w*|urgent|fax|mobile|cell|owner|after[- ]hours|other|second|partner|suppl\w+|insur\w+|poison|gas"
    r"|police|fire|hospital|hotline|helpline)\b",
    re.IGNORECASE,
)
_ZONES = {
    "eastern": "America/New_York",
    "est": "America/New_York",
    "edt": "America/New_York",
    "central eur": "Europe/Berlin",
    "cet": "Europe/Berlin",
    "cest": "Europe/Berlin",
    "central": "America/Chicago",
    "cst": "America/Chicago",
    "cdt": "America/Chicago",
    "mountain": "America/Denver",
    "mst": "America/Denver",
    "mdt": "America/Denver",
    "pacific time": "America/Los_Angeles",
    "pacific standard": "America/Los_Angeles",
    "pacific daylight": "America/Los_Angeles",
    "pst": "America/Los_Angeles",
    "pdt": "America/Los_Angeles",
    "gmt": "Europe/London",
    "utc": "UTC",
}
_ZONE = re.compile(
    r"\b(?:(?:Eastern|Central|Central European|Mountain|Pacific)(?: Standard| Daylight)? [Tt]ime"
    r"|EST|EDT|CST|CDT|MST|MDT|PST|PDT|CET|CEST|GMT|UTC"
    r"|(?:America|Europe|Asia|Australia|Africa|Pacific|Atlantic|US)/[A-Z]\w+(?:/[A-Z]\w+)?)\b"
)
_OF_OURS = re.compile(
    r"\b(?:times?|hours|open|appointments?|slots?|located|calendar|schedules?|zone|we are|we're)\b", re.IGNORECASE
)
_OF_OTHERS = re.compile(r"\b(?:callers?|customers?|they|their|convert|if|when|unless|whether)\b", re.IGNORECASE)
_INTRODUCED = re.compile(
    r"(?:(?:[Tt]hank(?:s| you) for (?:calling|choosing|contacting)|[Ww]elcome to|[Yy]ou(?:'ve| have) reached)"
    # Two words at least: "the receptionist at Springfield" names a town.
    r"|(?:front desk|assistant|receptionist|agent) (?:of|at)(?= [A-Z][\w&']* (?:of |and |& )?[A-Z])) "
    r"(?P<name>(?:[A-Z][\w&']*)(?: (?:of |and |& |the )?[A-Z][\w&']*)*)"
)
_DIRECTIONS = re.compile(
    r"\b(?:give|tell|provide|offer|explain|share|answer)\b[^.;]{0,40}"
    r"\b(?:directions|(?:our|the) address|parking|how to (?:find|reach) us|where we are)\b",
    re.IGNORECASE,
)
