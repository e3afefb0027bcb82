"""Codes and phone numbers in what a caller says or types."""

from __future__ import annotations

import re

CODE_LENGTH = 6

_WORDS = {
    word: str(digit)
    for digit, word in enumerate(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"))
} | {"oh": "0", "o": "0"}
_TIMES = {"double": 2, "triple": 3}
_BETWEEN = frozenset(("plus", "and", "um", "uh", "then"))
_NATIONAL = 10
"""Digits of a number said without its country code, which is taken to be 1."""
_SHORTEST_NUMBER = 7


def longest_digits(text: str) -> str:
    """Return the longest run of digits in the `plain` text, "" when there is none."""
    runs, times = [""], 1
    for word in text.split():
        if word in _TIMES:
            times = _TIMES[word]
        elif digits := word if word.isdigit() else _WORDS.get(word, ""):
            runs[-1] += digits * times
            times = 1
        elif word not in _BETWEEN:
            runs.append("")
            times = 1
    return max(runs, key=len)


def number_said(text: str) -> str:
    """Return the phone number in the `plain` text as in +14155550123, "" when there is none."""
    digits = longest_digits(text)
    if len(digits) < _SHORTEST_NUMBER:
        return ""
    return f"+1{digits}" if len(digits) == _NATIONAL else f"+{digits}"


def number_aloud(number: str) -> str:
    """Return a number of the `number_said` kind in words, without its country: "four one five, five five five, …"."""
    names = {digit: word for word, digit in _WORDS.items() if len(word) > len("oh")}
    national = number[-_NATIONAL:]
    return ", ".join(" ".join(names[digit] for digit in part) for part in (national[:3], national[3:6], national[6:]))


def says_this_number(text: str) -> bool:
    """Claim that the `plain` text means the number that calls."""
    return _THIS_NUMBER.search(text) is not None


def meant_by_keys(text: str) -> str:
    """Return `text` with what was typed on the keys in the words that the worker gives with it."""
    return _TYPED.sub(lambda typed: typed["answer"] or typed["time"] or typed["number"], text)


_TYPED = re.compile(
    r"\(typed (?:\d, which means (?P<answer>yes|no)|\d, the \w+ time offered: (?P<time>[^()]+)"
    r"|the phone number (?P<number>\+\d+))\)"
)
_THIS_NUMBER = re.compile(
    r"\b(?:(?:this|the same|my own|this same) (?:one|number|phone|line)|^this$|same one"
    r"|(?:i'm|i am) (?:calling|phoning|speaking) from|(?:i) (?:call|called) from)\b"
)
