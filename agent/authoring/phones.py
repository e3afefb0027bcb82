"""Phone numbers that an author wrote into a text, compared with those of the business file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import phonenumbers

from agent.authoring.rules import Finding
from appointments.contact import country_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.authoring.text import Passage
    from appointments.model import Business, PhoneNumber


def check_numbers(passage: Passage, business: Business) -> Iterator[Finding]:
    """Find phone numbers in instructions; an error where one is said to be the business's and is not."""
    if passage.speaker == "caller":
        return
    own = [number for number in (business.number, *_others_of(business)) if number]
    about = {number for _, _, number in _numbers(business.about, business)}
    for line, said, number, sentence in _numbers_in(passage, business):
        is_own = any(mine.endswith(number) for mine in own)
        if not is_own and _is_ours(sentence):
            yield _wrong(passage, line, said, business)
        else:
            yield Finding(passage.path, line, "written-number", *_written(said, is_own, number in about))


def check_numbers_in_about(passage: Passage, business: Business) -> Iterator[Finding]:
    """Find phone numbers in `about` that are the business's, are not and are said to be, or are nobody's."""
    own = [number for number in _others_of(business) if number]
    for line, said, number, sentence in _numbers_in(passage, business):
        if business.number.endswith(number):
            what, better = f"{said} repeats the number of the business file", "leave it out: the agent is told that one"
            yield Finding(passage.path, line, "written-number", what, better)
        elif _is_ours(sentence):
            yield _wrong(passage, line, said, business)
        elif not any(mine.endswith(number) for mine in own) and not _is_told_whose(sentence):
            what = f"{said} is not said to be anybody's, so callers may be told that it is the business's"
            better = "say whose it is in the same sentence, such as: The owner's mobile number is …, or leave it out"
            yield Finding(passage.path, line, "written-number", what, better)


def _others_of(business: Business) -> tuple[PhoneNumber | None, ...]:
    """Return the numbers of a business beside the one that callers dial."""
    return business.fallback_number, business.transfer_number, business.sms_from


def _numbers_in(passage: Passage, business: Business) -> Iterator[tuple[int, str, str, str]]:
    """Yield the line of each number that is not forbidden, how it is written, its digits and its sentence."""
    for sentence in passage.sentences():
        for begin, said, number in _numbers(sentence.text, business):
            if not sentence.is_negated(begin):
                yield sentence.line(begin), said, number, sentence.text


def _numbers(text: str, business: Business) -> Iterator[tuple[int, str, str]]:
    """Return where phone numbers stand, how they are written, and their digits without the country's.

    Made-up numbers are wanted too, such as 555-123-4567, which no telephone has: they must look like one.
    """
    country = country_of(business.number) or "US"
    for match in phonenumbers.PhoneNumberMatcher(text, country, leniency=phonenumbers.Leniency.POSSIBLE):
        if phonenumbers.is_valid_number(match.number) or re.search(r"\d[-. )]+\d", match.raw_string):
            yield match.start, match.raw_string, str(match.number.national_number)


def _written(said: str, is_own: bool, is_in_about: bool) -> tuple[str, str]:
    if is_own:
        return f"{said} repeats the business file", "leave it out: the agent is told the number of the business file"
    if is_in_about:
        return f"{said} repeats about in the business file", "leave it out: the agent is told all of about"
    return f"{said} stands here only", "put it into about in the business file, and say there whose number it is"


def _wrong(passage: Passage, line: int, said: str, business: Business) -> Finding:
    what = f"{said} is not the number of the business file, which is {business.number}"
    better = "leave it out: the agent is told the number of the business file"
    return Finding(passage.path, line, "wrong-number", what, better)


def _is_ours(sentence: str) -> bool:
    return bool(_OURS.search(sentence)) and not _OTHER_LINES.search(sentence)


def _is_told_whose(sentence: str) -> bool:
    return bool(_OTHER_LINES.search(sentence) or _OWNER.search(sentence))


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
_OWNER = re.compile(
    r"\b(?:the|a|an) (?!(?:main |direct )?(?:clinic|office|shop|salon|studio|business|company|practice|front desk|phone"
    r"|telephone|number|line|following)\b)\w+"
    r"|^\W*(?!(?:phone|telephone|tel|number|contact|call|questions?|info\w*|appointments?|bookings?)\b)\w+(?: \w+)?:",
    re.IGNORECASE,
)
"""Somebody other than the business: "The laboratory has", "Billing:"."""
