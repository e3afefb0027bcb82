"""Opening hours that an author wrote into a text, compared with those of the business file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from agent.authoring.rules import Finding
from appointments.clock_words import UNITS
from appointments.spoken import MONTHS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.authoring.text import Passage, Span
    from appointments.model import OpeningHours

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ALL = frozenset(range(7))
_NONE: frozenset[int] = frozenset()
_BETTER = "leave it out: the agent is told the hours of the business file; change them there"


class _DayGroup(NamedTuple):
    """Days that are named together, and where."""

    begin: int
    end: int
    days: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Said:
    """What a sentence says of the opening: `spans` are the ways to read it, in minutes; none means closed."""

    begin: int
    text: str
    days: frozenset[int]
    opens: frozenset[int] = _NONE
    closes: frozenset[int] = _NONE
    is_closed: bool = False
    names_days: bool = True

    def agrees(self, hours: Sequence[OpeningHours]) -> bool:
        """Claim that the business file says the same."""
        verdicts = [self._agrees_on(day, hours) for day in sorted(self.days)]
        return all(verdicts) if self.names_days else any(verdicts)

    def _agrees_on(self, day: int, hours: Sequence[OpeningHours]) -> bool:
        spans = sorted(
            (h.opens.hour * 60 + h.opens.minute, h.closes.hour * 60 + h.closes.minute)
            for h in hours
            if h.weekday == day
        )
        if self.is_closed or not spans:
            return self.is_closed and not spans
        whole = (spans[0][0], spans[-1][1])
        return any(
            (not self.opens or begin in self.opens) and (not self.closes or end in self.closes)
            for begin, end in (*spans, whole)
        )


def check_hours(passage: Passage, hours: Sequence[OpeningHours]) -> Iterator[Finding]:
    """Find opening hours: an error when they contradict the business file, else a warning."""
    if passage.is_example:
        return
    seen: set[tuple[int, str]] = set()
    for sentence in passage.sentences():
        for said in _said_in(sentence):
            line = sentence.line(said.begin)
            rule = "wrong-hours" if hours and not said.agrees(hours) else "written-hours"
            if (line, rule) not in seen:
                seen.add((line, rule))
                yield _finding(passage, line, rule, said, hours)


def _finding(passage: Passage, line: int, rule: str, said: _Said, hours: Sequence[OpeningHours]) -> Finding:
    better = _BETTER
    if rule == "wrong-hours":
        what = f'"{said.text}" is not true: in the business file it is {_week(hours, said.days)}'
    elif hours:
        what = f'"{said.text}" repeats the business file and will go out of date'
    else:
        what = f'"{said.text}" stands here only: the code that offers times does not know it'
        better = "write it under [hours] in the business file and leave it out here"
    return Finding(passage.path, line, rule, what, better)


def _said_in(sentence: Span) -> Iterator[_Said]:
    text = sentence.stated()
    around = f"{sentence.passage.section} {sentence.passage.lead} {text}"
    if not (_CUE.search(around) or _is_only_times(text)) or _OTHER_HOURS.search(around) or _SINGLE_DAY.search(text):
        return
    groups = list(_day_groups(text))
    has_cue = bool(groups or _CUE.search(text))
    spans = [
        found
        for found in _RANGE.finditer(text)
        # Below a heading "Hours" there may be other numbers: 2 to 4 options.
        if _is_statement(sentence, text, found.start()) and (has_cue or re.search("[:mn]", found[0].lower()))
    ]
    if spans:
        yield from _ranges(text, spans, groups)
        return
    for found in _ONE_END.finditer(text):
        if _is_statement(sentence, text, found.start()) and (readings := _readings(found, "a")):
            days, names_days = _nearest(groups, found.start(), found.end())
            opens, closes = (readings, _NONE) if found["what"].lower().startswith("open") else (_NONE, readings)
            yield _Said(found.start(), found[0].strip(" .,"), days, opens, closes, names_days=names_days)
            return
    yield from _whole_days(sentence, text)


def _is_only_times(text: str) -> bool:
    """Claim that a sentence consists of days and times: "Mon-Fri 9-17", "8am to 6pm, Monday to Saturday"."""
    rest = _DAY_GROUP.sub("", _RANGE.sub("", text))
    return rest != text and re.search(r"\w{5}", rest) is None and bool(_DAY_GROUP.search(text))


def _ranges(text: str, spans: Sequence[re.Match[str]], groups: Sequence[_DayGroup]) -> Iterator[_Said]:
    for found in spans:
        opens, closes = _readings(found, "a"), _readings(found, "b")
        pairs = [(begin, end or _MIDNIGHT) for begin, end in product(opens, closes) if begin < (end or _MIDNIGHT)]
        if not pairs or _CLOSED_BEFORE.search(text, 0, found.start()):
            continue
        days, names_days = _nearest(groups, found.start(), found.end())
        begin = min([found.start(), *(g.begin for g in groups if g.days == days and g.begin < found.start())])
        yield _Said(
            begin,
            text[begin : found.end()].strip(" .,"),
            days,
            frozenset(b for b, _ in pairs),
            frozenset(e for _, e in pairs),
            names_days=names_days,
        )


def _whole_days(sentence: Span, text: str) -> Iterator[_Said]:
    """Find "closed on Mondays" and "open on Saturdays"."""
    if "24" in text or "clock" in text:
        always = _ALWAYS.search(text)
        if always and _is_statement(sentence, text, always.start()):
            yield _Said(always.start(), always[0], _ALL, frozenset({0}), frozenset({_MIDNIGHT, _MIDNIGHT - 1}))
            return
    for found in _WHOLE_DAY.finditer(text):
        if sentence.passage.is_forbidden or _ASKED.search(text, 0, found.start()):
            continue
        is_closed = bool(found["closed"] or found["after"]) != sentence.is_negated(found.start())
        days = frozenset(day for group in _day_groups(found[0]) for day in group.days)
        yield _Said(found.start(), found[0].strip(" .,"), days, is_closed=is_closed)


def _is_statement(sentence: Span, text: str, begin: int) -> bool:
    return not sentence.is_negated(begin) and _ASKED.search(text, 0, begin) is None


def _nearest(groups: Sequence[_DayGroup], begin: int, end: int) -> tuple[frozenset[int], bool]:
    """Return the days that the times at [begin, end) are about, and whether they are named."""
    before = [group.days for group in groups if group.end <= begin]
    after = [group.days for group in groups if group.begin >= end]
    if before:
        return before[-1], True
    return (after[0], True) if after else (_ALL, False)


def _day_groups(text: str) -> Iterator[_DayGroup]:
    """Return where days are named, and which: "Mon-Fri", "Monday, Wednesday and Friday", "weekdays"."""
    for found in _DAY_GROUP.finditer(text):
        days: set[int] = set()
        for part in _DAY_RUN.finditer(found[0]):
            words = part[0].lower()
            if words.startswith("week"):
                days |= set(range(5)) if words.startswith("weekd") else {5, 6}
            elif words.startswith(("every", "daily", "seven")):
                days |= _ALL
            else:
                first, last = _day(part["first"]), _day(part["last"] or part["first"])
                days |= {(first + step) % 7 for step in range((last - first) % 7 + 1)}
        yield _DayGroup(found.start(), found.end(), frozenset(days))


def _day(name: str) -> int:
    return next(day for day, short in enumerate(DAYS) if name.lower().startswith(short.lower()))


def _readings(found: re.Match[str], side: str) -> frozenset[int]:
    """Return the minutes of the day that a clock time may mean: nine is nine in the morning or in the evening."""
    if found[f"noon_{side}"]:
        return frozenset({0 if found[f"noon_{side}"].lower() == "midnight" else _MIDNIGHT // 2})
    digits, half = found[f"hour_{side}"].lower(), (found[f"half_{side}"] or "").lower()
    hour = int(digits) if digits.isdigit() else UNITS.index(digits)
    minute = _MINUTES.get((found[f"minute_{side}"] or "").lower(), 0) or int(found[f"digits_{side}"] or 0)
    minute = 30 if found[f"past_{side}"] else minute
    if hour > 24:
        return frozenset()
    if half and "clock" not in half:
        is_pm = half.startswith("p") or half.endswith(("afternoon", "evening"))
        return frozenset({hour % 12 * 60 + (_MIDNIGHT // 2 if is_pm else 0) + minute})
    if hour > 12 or hour == 0 or digits.startswith("0"):
        return frozenset({hour * 60 + minute})
    return frozenset({hour % 12 * 60 + minute, hour % 12 * 60 + _MIDNIGHT // 2 + minute})


def _week(hours: Sequence[OpeningHours], days: frozenset[int]) -> str:
    """Return the business file's hours on `days`, equal neighbours joined: ``Mon-Fri 09:00-17:00; Sun closed``."""
    runs: list[tuple[int, int, str]] = []
    for day in sorted(days):
        mine = sorted(f"{h.opens:%H:%M}-{h.closes:%H:%M}" for h in hours if h.weekday == day)
        words = ", ".join(mine) or "closed"
        if runs and runs[-1][1] == day - 1 and runs[-1][2] == words:
            runs[-1] = (runs[-1][0], day, words)
        else:
            runs.append((day, day, words))
    return "; ".join(f"{DAYS[first]}{'' if first == last else f'-{DAYS[last]}'} {words}" for first, last, words in runs)


_MIDNIGHT = 24 * 60
_MINUTES = {"thirty": 30, "fifteen": 15, "forty-five": 45}


def _clock(side: str) -> str:
    return rf"""
      (?: (?P<noon_{side}>noon|midday|midnight)
        | (?P<past_{side}>half\ past\ )?(?P<hour_{side}>\d{{1,2}}|{"|".join(UNITS[12:0:-1])})
          (?: [:.](?P<digits_{side}>[0-5]\d) | \ (?P<minute_{side}>thirty|fifteen|forty-five) )?
          (?: \ ?(?P<half_{side}>[ap]\.?\ ?m\b\.?|o'?clock|in\ the\ (?:morning|afternoon|evening)) )?
      )
    """


_UNIT = (
    r"(?! \ ?(?:%|percent\b|minutes?\b|mins?\b|hours?\b|days?\b|weeks?\b|months?\b|years?\b|people\b|callers?\b"
    r"|options?\b|times?\b|sentences?\b|words?\b|questions?\b|dollars?\b|miles?\b|rings?\b|tries\b|of\b) )"
)
_FLAGS = re.VERBOSE | re.IGNORECASE
_RANGE = re.compile(
    rf"(?<![\w$€£#./:-]) (?P<between>between\ )? {_clock('a')} \ ?"
    r"(?:-|\u2013|\u2014|to|until|till|through|(?(between)and|(?!)))\ ?"
    rf"{_clock('b')} (?![\w/:]|[-\u2013.]\d) {_UNIT}",
    _FLAGS,
)
_ONE_END = re.compile(
    r"\b(?P<what>opens?(?:ing)?(?:\ time)?(?:\ at|\ from|\ is|:)"
    r"|clos(?:es?|ing)(?:\ time)?(?:\ at|\ is|:)|until|till)\ "
    rf"{_clock('a')} (?![\w/:]|[-\u2013.]\d) {_UNIT}",
    _FLAGS,
)
_NAME = (
    r"(?:(?i:mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sundays?)"
    r"|(?:Mon|Tues?|Weds?|Thu(?:rs?)?|Fri|Sat|Sun)\b\.?)"
)
_TO = r"\s*(?:-|\u2013|\u2014|\bto\b|\bthrough\b|\bthru\b)\s*"
_SEVERAL = r"(?i:weekdays?|weekends?|every ?day|daily|seven days a week)"
_ONE_RUN = rf"(?:{_NAME}(?:{_TO}{_NAME})?|{_SEVERAL})"
_DAY_GROUP = re.compile(rf"\b{_ONE_RUN}(?:(?:\s*[,/&]\s*(?:and\s+|or\s+)?|\s+and\s+|\s+or\s+){_ONE_RUN})*")
_DAY_RUN = re.compile(rf"(?P<first>{_NAME})(?:{_TO}(?P<last>{_NAME}))?|{_SEVERAL}")
_WHOLE_DAY = re.compile(
    rf"\b(?:(?P<closed>(?i:closed))|(?i:open))\s+(?:all day\s+)?(?:only\s+)?(?:on\s+)?(?:every\s+)?{_DAY_GROUP.pattern}"
    rf"|{_DAY_GROUP.pattern}\s*(?::|,|-|is|are|we are|we're)?\s*(?P<after>closed)\b"
)
_ALWAYS = re.compile(r"\bopen\b[^.]{0,30}?\b(?:24/7|24 hours|around the clock)", re.IGNORECASE)
_CUE = re.compile(
    r"\b(?:open(?! (?:to|with|the|your|by|an?|every|each)\b)|opens|opening (?:hours|times?)|hours|closed?|closes)\b",
    re.IGNORECASE,
)
_OTHER_HOURS = re.compile(
    r"\b(?:emergenc\w+|parking|garage|deliver\w*|lunch|break|lines?|after[- ]hours|kitchen|holidays?|24-hour"
    r"|support)\b",
    re.IGNORECASE,
)
"""Words of hours that the business file does not have."""
_SINGLE_DAY = re.compile(
    rf"\b(?:{'|'.join(name for name in MONTHS if name != 'May')}|May \d|(?:[Tt]his|[Nn]ext|[Ll]ast) (?:{_NAME})"
    r"|Christmas|Easter|Thanksgiving|New Year|Eve|\d{1,2}(?:st|nd|rd|th))\b"
)
"""Words of a day that is not like its weekday."""
_ASKED = re.compile(r"\b(?:whether|asks? (?:if|about|for)|wants?|if|when|unless)\b[^,.;:]*$", re.IGNORECASE)
_CLOSED_BEFORE = re.compile(r"\bclosed\b[^.;]{0,20}$", re.IGNORECASE)
