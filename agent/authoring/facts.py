"""Facts that an author wrote into a text, compared with the business file: dates, names, directions."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from agent.authoring.rules import Finding
from appointments.clock_words import ORDINALS
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
