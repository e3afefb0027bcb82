"""Digits as people say and type them: "four eight two one one three", "48 21 13", "double four", "oh" for zero."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appointments.clock_words import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE_LENGTH = 6
HIDDEN = "[digits]"


@dataclass(frozen=True, slots=True)
class DigitRun:
    """Digits said in a row, at [begin, end) of a text."""

    digits: str
    begin: int
    end: int


def digit_runs(text: str) -> Iterator[DigitRun]:
    """Find the digits in `text`, in order: numerals and number words up to ninety-nine, each as it is written."""
    for run in _RUN.finditer(text.translate(_LOWER)):
        digits = "".join(_digits(number) for number in _NUMBER.finditer(run[0]))
        yield DigitRun(digits, *run.span())


def spoken_code(text: str) -> str | None:
    """Return the code in `text`, None when there is none. Of two the later counts: people correct themselves."""
    codes = [run.digits for run in digit_runs(text) if len(run.digits) == CODE_LENGTH]
    return codes[-1] if codes else None


def in_words(digits: str) -> str:
    """Return `digits` as they are read out, one by one."""
    return " ".join(UNITS[int(digit)] for digit in digits)


def without_digits(text: str, *, fewest: int) -> str:
    """Return `text` with the digits unreadable where at least `fewest` stand in a row."""
    shown, at = "", 0
    for run in digit_runs(text):
        if len(run.digits) >= fewest:
            shown, at = f"{shown}{text[at : run.begin]}{HIDDEN}", run.end
    return shown + text[at:]


def _digits(number: re.Match[str]) -> str:
    if number["numeral"]:
        return number["numeral"]
    if number["times"]:
        return _digit(number["repeated"]) * _TIMES[number["times"]]
    if number["ten"]:
        unit = number["unit"]
        return str(_TENS[number["ten"]] + (int(_digit(unit)) if unit else 0))
    return _digit(number["word"])


def _digit(word: str) -> str:
    return _WORDS.get(word, word)


# `lower` may make a text longer, and then places in it would be others.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_TENS = {
    word: 10 * number
    for number, word in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2
    )
}
_TIMES = {"double": 2, "triple": 3}
_WORDS = {word: str(number) for number, word in enumerate(UNITS)} | dict.fromkeys(("oh", "o", "nought"), "0")
_ONE_TO_NINE = "|".join(UNITS[1:10])
_ANY_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
_PATTERN = rf"""
    (?<!\w) (?:
        (?P<numeral>[0-9]+)
      | (?P<times>double|triple) [ -] (?P<repeated>[0-9]|{_ANY_WORD})
      | (?P<ten>{"|".join(_TENS)}) (?:[ -](?P<unit>{_ONE_TO_NINE})(?!\w))?
      | (?P<word>{_ANY_WORD})
    ) (?!\w)
    """
_NUMBER = re.compile(_PATTERN, re.VERBOSE)
_BARE = re.sub(r"\?P<\w+>", "?:", _PATTERN)
_GAP = r"(?: [\s,.\u2010-\u2014-] | \b(?:uh|um|er|and|then)\b )+"
_RUN = re.compile(rf"{_BARE} (?: {_GAP} {_BARE} )*", re.VERBOSE)
