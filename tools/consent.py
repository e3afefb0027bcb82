"""Whether what a caller said to a read-back is a yes. What is not clearly one is none: the read-back is said again."""

from __future__ import annotations

import calendar
import re
from typing import TYPE_CHECKING

from appointments.clock_words import canonical, find_clock_times

if TYPE_CHECKING:
    from datetime import datetime

YES = re.compile(
    r"\b(yes|yeah|yep|yup|ya|yah|mhm|uh huh|right|correct|exactly|sure|okay|ok|fine|perfect|great|good|wonderful|"
    r"go ahead|please do|do it|do that|book it|book that|go for it|that works|works for me|that's it|that's me|"
    r"that is it|absolutely|definitely|certainly|of course|confirm|confirmed|sounds)\b"
)
NO = re.compile(
    r"\b(no|not|nope|nah|never|cannot|wait|hold on|stop|instead|rather|change|changed|wrong|incorrect|different|"
    r"actually|cancel|hang on|another|other|later|earlier|should be)\b|n't\b"
)
NOT_A_NO = re.compile(
    r"\b(no problem|no worries|why not|not at all|can't wait|no that's (right|correct|fine|it|all))\b"
)
"""Said by people who agree."""
CANCEL_IT = re.compile(
    r"(?:^|\b(?:please|just|you (?:can|may|should)|i(?:'d| would) like (?:you )?to|i (?:want(?: you)?|need|have) to) )"
    r"cancel(?: (?:it|that|them|(?:my|the|this|that) (?:appointment|booking|visit|meeting))\b|(?: please)?$)"
)
"""A yes to a cancellation; to all else "cancel" is a no."""


def agrees(answer: str, start: datetime, *, to: frozenset[str] = frozenset()) -> bool:
    """Claim that `answer` says yes to an appointment at `start`, which is in the zone the caller heard it in.

    Args:
        to: Words that say what is agreed to, and so refuse nothing: "Yes, cancel it."
    """
    return _says_yes(answer, to) and _names_no_other_time(answer, start)


def yes_or_no(answer: str) -> bool | None:
    """Return whether `answer` says yes or no to a question that is about no time; None when it says neither."""
    if refuses(answer):
        return False
    return True if _says_yes(answer, frozenset()) else None


def refuses(answer: str, *, but_for: frozenset[str] = frozenset()) -> bool:
    """Claim that `answer` says no, or wants something changed; the words `but_for` say neither."""
    return any(found[0] not in but_for for found in NO.finditer(NOT_A_NO.sub("", _words(answer))))


def names(text: str, words: str) -> bool:
    """Claim that `words` are said in `text`, whatever stands between them."""
    return f" {_plain(words)} " in f" {_plain(text)} "


def _plain(text: str) -> str:
    """Return the words of `text` as they are heard: a hyphen is not."""
    return " ".join(re.findall(r"[\w']+", text.casefold()))


def _says_yes(answer: str, to: frozenset[str]) -> bool:
    words = _words(answer)
    if refuses(answer, but_for=to) or not (YES.search(words) or CANCEL_IT.search(words)):
        return False
    return not answer.rstrip().endswith("?") or YES.match(words) is not None


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9']+", text.casefold().replace("\u2019", "'")))


def _names_no_other_time(answer: str, start: datetime) -> bool:
    text = canonical(answer)
    minute = start.hour * 60 + start.minute
    for said in find_clock_times(text):
        distance = abs(said.minute_of_day - minute)
        if distance and (said.is_definite or distance != 720):
            return False
    weekdays = {day for day in map(str.casefold, calendar.day_name) if re.search(rf"\b{day}\b", text)}
    return weekdays <= {calendar.day_name[start.weekday()].casefold()}
