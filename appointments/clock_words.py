"""Clock times as people say and type them: "half past two", "2 pm", "nine oh five in the morning", "noon"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
         "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")  # fmt: skip
ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
            "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth",
            "nineteenth", "twentieth", "twenty-first", "twenty-second", "twenty-third", "twenty-fourth",
            "twenty-fifth", "twenty-sixth", "twenty-seventh", "twenty-eighth", "twenty-ninth", "thirtieth",
            "thirty-first")  # fmt: skip
TENS = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty", 70: "seventy", 80: "eighty", 90: "ninety"}


def cardinal(number: int) -> str:
    """Return 0 to 999 in words: ``twenty-five``."""
    if number >= 100:
        hundreds = f"{UNITS[number // 100]} hundred"
        return f"{hundreds} {cardinal(number % 100)}" if number % 100 else hundreds
    if number < len(UNITS):
        return UNITS[number]
    ten = TENS[number // 10 * 10]
    return ten if number % 10 == 0 else f"{ten}-{UNITS[number % 10]}"


def canonical(text: str) -> str:
    """Return `text` in lower case with its numbers in digits: ``Half past two p.m.`` is ``half past 2 pm``."""
    text = re.sub(r"\s+", " ", text.translate(_PLAIN)).lower()
    text = _HYPHENED.sub(r"\1 ", text)
    text = _NUMBER_WORD.sub(lambda found: _DIGITS[found[0].replace(" ", "-")], text)
    text = re.sub(r"(?<=\d) (?:oh|o|0) (?=\d\b)", " 0", text)
    text = re.sub(r"(?<=\d) ?o'? ?clock\b", " oclock", text)
    return re.sub(r"(?<=[\dk]) ?([ap])\.? ?m\b\.?", r" \1m", text)


@dataclass(frozen=True, slots=True)
class ClockTime:
    """A clock time at [begin, end) of a text; unless `is_definite` it may as well be twelve hours later."""

    minute_of_day: int
    is_definite: bool
    begin: int
    end: int

    @property
    def readings(self) -> tuple[time, ...]:
        """Return the one or two times of day it may mean, the earlier first."""
        later = () if self.is_definite else ((self.minute_of_day + _HALF_DAY) % (2 * _HALF_DAY),)
        return tuple(sorted(time(*divmod(minutes, 60)) for minutes in (self.minute_of_day, *later)))


def find_clock_times(text: str, *, may_be_bare: bool = False) -> Iterator[ClockTime]:
    """Find the clock times in the `canonical` text, in order.

    A mere number counts only after "at" and its like or in a row of times, unless it `may_be_bare`.
    """
    row: int | None = None
    for match in _TIME.finditer(text):
        follows_on = row is not None and _ROW.fullmatch(text, row, match.start()) is not None
        is_anchored = may_be_bare or follows_on or _ANCHOR.search(text, 0, match.start()) is not None
        if _is_time(match, text, is_anchored) and (found := _read(match)) is not None:
            yield found
            row = match.end()


def _is_time(match: re.Match[str], text: str, is_anchored: bool) -> bool:
    """Tell a time from any other number: "two people", "thirty minutes", "room 12"."""
    if match["noon"] or match["to_hour"] or match["oclock"] or match["half"] or match["colon"]:
        return True
    return _END.match(text, match.end()) is not None and (match["minute"] is not None or is_anchored)


def _read(match: re.Match[str]) -> ClockTime | None:
    if match["noon"]:
        return ClockTime(0 if match["noon"] == "midnight" else _HALF_DAY, True, *match.span())
    digits = match["to_hour"] or match["hour"]
    hour = int(digits)
    if hour > 23:
        return None
    is_pm = _is_pm(match["half"], hour)
    is_definite = is_pm is not None or hour > 12 or digits.startswith("0")
    minute_of_day = hour % 12 * 60 + (_HALF_DAY if is_pm or hour > 12 else 0) + _minutes(match)
    return ClockTime(minute_of_day % (2 * _HALF_DAY), is_definite, *match.span())


def _is_pm(half: str | None, hour: int) -> bool | None:
    if not half:
        return None
    if half.endswith("night"):
        # Nine at night is in the evening; twelve and two at night are not.
        return 5 <= hour < 12
    return not half.endswith(("am", "morning"))


def _minutes(match: re.Match[str]) -> int:
    if not match["to_hour"]:
        return int(match["minute"] or 0)
    amount = match["amount"]
    if amount.startswith("half"):
        return 30
    minutes = 15 if "quarter" in amount else int(amount.split()[0])
    return minutes if match["direction"] in ("past", "after") else -minutes


def _words(words: Iterable[str]) -> str:
    return "|".join(sorted((word.replace("-", "[ -]") for word in words), key=len, reverse=True))


_HALF_DAY = 12 * 60
_PLAIN = str.maketrans(dict.fromkeys("\u2018\u2019", "'") | dict.fromkeys("\u2010\u2011", "-"))
_SUFFIXES = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
_DIGITS = {cardinal(number): str(number) for number in range(60)} | {
    word: f"{number}{_SUFFIXES.get(number, 'th')}" for number, word in enumerate(ORDINALS) if word
}
_NUMBER_WORD = re.compile(rf"\b(?:{_words(_DIGITS)})\b")
_HYPHENED = re.compile(rf"\b({'|'.join(UNITS[1:13])})-(?={'|'.join((*UNITS[10:], *TENS.values(), 'oh'))})")
"""The hyphen of "two-thirty"; that of "10-30" may be a range."""
_TIME = re.compile(
    r"""
    (?<![\w:.'/$+-])
    (?:
      (?:12\ )?(?P<noon>noon|midday|midnight)
    |
      (?:
        (?P<amount> half(?:\ past)?
        | (?:(?:a\ )?quarter|(?<!from\ )[0-5]?[05](?:\ minutes)?) \ (?P<direction>past|after|to|till|before|of)
        ) \ (?P<to_hour>\d{1,2})
      | (?P<hour>\d{1,2}) (?: (?:(?P<colon>[:.])|\ ) (?P<minute>[0-5]\d) )?
      )
      (?! \w | [:./-]\d )
      (?P<oclock>\ oclock)?
      (?P<half>
        \ [ap]m
      | ,?\ (?:in\ the|this|that|on\ the)\ (?:early\ |late\ )?(?:morning|afternoon|evening)
      | ,?\ (?:at\ night|tonight)
      )?
    )
    (?!\w)
    """,
    re.VERBOSE,
)
_ROW = re.compile(r",? ?(?:(?:or|and) )?(?:at )?")
_ANCHOR = re.compile(r"\b(?:at|around|about|from) $")
_END = re.compile(
    r"""
    \s*(?: $ | [,.;:!?)"\#] )
    | \ (?:on|or|and|for|with|in|this|that|to|till|until|if|is|isn't|it\ is|does|would|works?|please|sharp|then|but|as
        |so|today|tomorrow|tonight|(?:mon|tues|wednes|thurs|fri|satur|sun)day|[a-z]+\ time)\b
    """,
    re.VERBOSE,
)
