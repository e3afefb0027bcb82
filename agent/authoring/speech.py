"""What a voice would read out wrong: marks, links, symbols, abbreviations, clock times and capitals in spoken words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.authoring.rules import Finding
from agent.authoring.text import find
from appointments.spoken import MONTHS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.authoring.text import Passage, Span

MOST_OPTIONS = 3


def check_spoken(passage: Passage) -> Iterator[Finding]:
    """Find what sounds wrong in the words the agent is to say."""
    for spoken in passage.spoken():
        yield from _sounds(spoken)
        yield from _questions(spoken)
        yield from _options(spoken)


def _questions(spoken: Span) -> Iterator[Finding]:
    """Find a turn that asks more than one question."""
    if spoken.text.count("?") > 1:
        what = f"{spoken.text.count('?')} questions are asked in one turn: callers answer the last one only"
        better = "ask one question, and the next when it is answered"
        yield Finding(spoken.passage.path, spoken.line(spoken.text.index("?")), "two-questions", what, better)


def check_wishes(passage: Passage) -> Iterator[Finding]:
    """Find instructions to speak in marks, which cannot be heard, or to offer more than callers can remember."""
    for sentence in passage.sentences():
        for rule, pattern, why, better in _WISHES:
            if found := next(find(pattern, sentence), None):
                line = sentence.line(found.start("what"))
                yield Finding(passage.path, line, rule, f'"{found["what"]}" {why}', better)


def _sounds(spoken: Span) -> Iterator[Finding]:
    text = _FILLED_IN.sub(lambda found: "x" * len(found[0]), spoken.text)
    for rule, pattern, why, better in _SOUNDS:
        if found := pattern.search(text):
            what = f'"{found[0].strip()}" {why}'
            wording = better.get(found[0].strip().rstrip("."), better[""])
            yield Finding(spoken.passage.path, spoken.line(found.start()), rule, what, wording)


def _options(spoken: Span) -> Iterator[Finding]:
    text = _DATE_COMMA.sub("  ", spoken.text)
    if (found := _FOUR.search(text)) and (count := found[0].count(",") + 1) > MOST_OPTIONS:
        what = f"{count} options are offered in one breath: callers remember two or three"
        yield Finding(spoken.passage.path, spoken.line(found.start()), "many-options", what, _FEWER)


_FILLED_IN = re.compile(r"\{\w*\}")
_ABBREVIATIONS = {
    "24/7": 'write "day and night"',
    "w/": 'write "with"',
    "w/o": 'write "without"',
    "appt": 'write "appointment"',
    "appts": 'write "appointments"',
    "Ave": 'write "Avenue"',
    "Blvd": 'write "Boulevard"',
    "Rd": 'write "Road"',
    "approx": 'write "about"',
    "e.g": 'write "for example"',
    "i.e": 'write "that is"',
    "etc": 'write "and so on"',
    "vs": 'write "or"',
    "ext": 'write "extension"',
    "hr": 'write "hour"',
    "hrs": 'write "hours"',
    "min": 'write "minutes"',
    "mins": 'write "minutes"',
    "": 'write the whole word, such as "Monday to Friday"',
}
_SYMBOLS = {"&": 'write "and"', "+": 'write "plus"', "#": 'write "number"', "": "write it in words, or leave it out"}
_DAY = "(?:Mon|Tues?|Weds?|Thu(?:rs?)?|Fri|Sat|Sun)"
_SOUNDS = (
    (
        "spoken-markup",
        re.compile(r"\*\*|__|`|^\s*#{1,6} |\[[^\]]+\]\(|(?:^|(?<=[.:;]\s))(?:[*•-]|\d[.)]) (?=\S)"),
        "is read aloud or swallowed: speech has no marks",
        {"": "write plain sentences"},
    ),
    (
        "spoken-link",
        re.compile(r"\bhttps?://\S+|\bwww\.\S+|\b[\w-]+\.(?:com|org|net|io)/\S+"),
        "is read letter by letter, and nobody can note it down",
        {"": "leave it out; a text can hold a link (sms_template)"},
    ),
    (
        "spoken-email",
        re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"),
        "is read as symbols",
        {"": 'write it as it is said, such as "info at harbor dot com"'},
    ),
    (
        "spoken-symbol",
        re.compile(r"[\U0001F300-\U0001FAFF\u2600-\u27BF\u2190-\u21FF]|[;:]-?[)(]|\s[&+]\s|#(?=\d)|[<>|~^\\=]"),
        "has no sound, or the wrong one",
        _SYMBOLS,
    ),
    (
        "spoken-abbreviation",
        re.compile(
            rf"\b{_DAY}\s?[-\u2013\u2014/]\s?{_DAY}\b|\b{_DAY}\.(?=\s|,|$)|\b24/7\b|(?<!\w)w/o?(?=[\s\w])"
            r"|\b(?:appts?|Ave|Blvd|Rd|approx|ext|hrs?|mins?)\b\.?|\b(?:e\.g|i\.e|etc|vs)\."
            r"|(?<=[a-z] )St\.(?=\s*(?:$|[,.]|and\b|in\b|near\b))"
        ),
        "is an abbreviation: voices guess what it stands for",
        _ABBREVIATIONS,
    ),
    (
        "spoken-time",
        re.compile(r"\b\d{1,2}:\d{2}(?:\s?[AaPp]\.?[Mm]\b\.?)?|\b\d{1,2}\s?[AaPp]\.?[Mm]\b\.?"),
        "is for the eye",
        {"": 'write the time in words, such as "two in the afternoon"'},
    ),
    (
        "spoken-capitals",
        re.compile(
            r"\b(?!COVID)[A-Z]{5,}\b|\b(?:FREE|NOT|NOW|YOU|CALL|OPEN|ONLY|MUST|HELLO|VERY|BEST|NEW|OUR|WE|ALL)\b"
        ),
        "is shouted or spelled out letter by letter",
        {"": "write it in small letters"},
    ),
)
"""Each: the rule, what it finds, why that is wrong, and what to write instead ("" for all else)."""
_FEWER = "offer at most three, or ask for the part of the day first"
_WISHES = (
    (
        "asks-for-markup",
        re.compile(
            r"\b(?:use|write|format|formatted|reply|respond|answer|give|present|put|list|show|provide|include|add|with"
            r"|in|as)\b[^.;]{0,60}?\b(?P<what>bullet(?:ed)?(?: points?| lists?)|bullets|markdown|numbered lists?"
            r"|bold(?:face)?(?= text| type|\W|$)|italics|emojis?|hyperlinks?)\b",
            re.IGNORECASE,
        ),
        "cannot be heard: all that the model writes is read aloud",
        "say how it shall sound, such as: at most three options, in one short sentence",
    ),
    (
        "many-options",
        re.compile(
            r"\b(?P<what>(?:offer|list|read (?:out|aloud)|read|give|mention|name|present)\b"
            r"(?: (?:them|callers?|the caller))? (?:all|every|each|four|five|six|seven|eight|ten|[4-9]|1\d)"
            r"(?: of)?(?: the)?(?: (?:available|open|free|possible))? (?:times?|slots?|options?|openings))\b",
            re.IGNORECASE,
        ),
        "is more than callers remember: they recall two or three",
        _FEWER,
    ),
)
"""Each: the rule, what it finds, why that is wrong, and what to write instead."""
_DATE_COMMA = re.compile(rf",\s(?=(?:{'|'.join(MONTHS)})\b|(?:at|in the)\s)")
_FOUR = re.compile(r"(?:[^,.;:?!]{1,40},\s+){3,}or\s+[^,.;:?!]{1,40}")
