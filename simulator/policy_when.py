"""Days and clock times in what a caller says, read against the calendar table of the instructions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    "january|jan", "february|feb", "march|mar", "april|apr", "may", "june|jun",
    "july|jul", "august|aug", "september|sept|sep", "october|oct", "november|nov", "december|dec",
)  # fmt: skip
_TEENS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth", "twenty first", "twenty second", "twenty third", "twenty fourth", "twenty fifth", "twenty sixth",
    "twenty seventh", "twenty eighth", "twenty ninth", "thirtieth", "thirty first",
)  # fmt: skip
_DAY_OF_MONTH = {word: number for number, word in enumerate(_ORDINALS, 1)}
_MINUTES = {
    "five": 5, "oh five": 5, "ten": 10, "fifteen": 15, "quarter": 15, "a quarter": 15, "twenty": 20, "twenty five": 25,
    "thirty": 30, "half": 30, "thirty five": 35, "forty": 40, "forty five": 45, "fifty": 50, "fifty five": 55,
}  # fmt: skip

_PARTS = {
    "morning": ("00:00", "12:00"), "lunchtime": ("11:30", "14:00"), "afternoon": ("12:00", "17:00"),
    "evening": ("17:00", "24:00"),
}  # fmt: skip

_DAY = r"(?:monday|tuesday|tues|wednesday|thursday|thurs|thur|friday|saturday|sunday)"
_NTH = "(?:" + "|".join(sorted(_DAY_OF_MONTH, key=len, reverse=True)) + r"|\d{1,2}(?:st|nd|rd|th))"
_MONTH = "(?:" + "|".join(_MONTHS) + ")"
_HOUR = "(?:" + "|".join(_TEENS) + r"|[01]?\d|2[0-3])"
_MINUTE = "(?:oh five|fifteen|twenty five|twenty|thirty five|thirty|forty five|forty|fifty five|fifty|ten)"
_PART = r"(?:am|pm|in the (?:morning|afternoon|evening)|at night|(?:this |tomorrow )?(?:morning|afternoon|evening))"
_TIME = re.compile(
    rf"(?:\b(?P<lead>at|around|about|by|for|say|after|before|from|past|until|till)\s+)?\b(?P<words>"
    rf"(?:(?P<fixed>noon|midday|midnight)"
    rf"|(?P<share>half|a quarter|quarter|twenty five|twenty|ten|five)\s+(?P<side>past|to|after|before|till)"
    rf"\s+(?P<near>{_HOUR})"
    rf"|half\s+(?P<half>{_HOUR})"
    rf"|(?P<digits>\d{{1,2}}):(?P<colon>\d\d)"
    rf"|(?P<hour>{_HOUR})(?:\s+(?P<minute>{_MINUTE}))?)"
    rf"(?:\s+(?P<clock>oclock))?(?:\s+(?P<part>{_PART}))?)\b"
)
_NOT_A_TIME_BEFORE = re.compile(
    r"\b(?:number|option|choice|one or|this|that|which|any|every|no|each|another|the|later|earlier|last|first|second"
    r"|third|other|next|either|good|best|right|only|morning|afternoon|latest|earliest|middle|nice|in)$"
)
_NOT_A_TIME_AFTER = re.compile(
    r"^(?:people|persons?|of|hours?|minutes?|mins?|weeks?|days?|months?|years?|times?|more|moment|second|sec|minute|other"
    r"|appointments?|slots?|questions?|things?|kids|children|or two)\b"
)
_LIMITS = {"after": "after", "from": "after", "past": "after", "before": "before", "until": "before", "till": "before"}
_NAMED = (
    rf"(?:{_DAY}|today|tomorrow|mornings?|afternoons?|evenings?|{_HOUR}(?: {_MINUTE})?(?: oclock)?(?: {_PART})?|noon)"
)
_REFUSED = (
    re.compile(
        r"\b(?:not (?:free|available|around)(?: on| at)?|not|except|instead of|rather than|other than|anything but"
        r"|(?:can't|cannot)(?: (?:do|make|come))?|don't want|doesn't suit)"
        rf" (?:on |at |in the |the )*{_NAMED}(?: at {_HOUR})?(?: {_PART})?\b"
    ),
    re.compile(
        rf"\b(?:the )?{_NAMED} (?:doesn't|does not|don't|won't|isn't|is not|is no|is too|are too)\b"
        r"(?: (?:work|good|possible|suit|early|late|soon|going to|for|me|really))*"
    ),
)
_CORRECTION = re.compile(
    r"\b(?:no|nope|actually|i mean|i meant|i said|rather|make (?:it|that)|sorry|wait|scratch that)\b"
)
_SAME_TIME = re.compile(r"\bsame (?:time|hour)\b")
_WEEK_ON = re.compile(r"\b(?:(?:a|one) week (?:later|after|on)|the week after|the following week|next week)\b")
_DAY_ON = re.compile(r"\b(?:the (?:next day|day after|following day)|a day later)\b(?! tomorrow)")
_LATER = re.compile(r"\blater\b|\bafter that\b")
_EARLIER = re.compile(r"\b(?:earlier|sooner)\b|\bbefore that\b")
_SOONEST = re.compile(r"\b(?:earliest|soonest|as soon as possible|asap|first (?:one )?(?:available|free))\b")
_FEASTS = {
    "christmas eve": (12, 24), "christmas": (12, 25), "boxing day": (12, 26), "new year's eve": (12, 31),
    "new year's day": (1, 1), "new year": (1, 1),
}  # fmt: skip
_NO_DAY = re.compile(
    rf"\b(?:{_MONTH} (?:the )?(?:{_NTH}|\d{{1,2}}(?!:))|(?:the )?{_NTH} (?:of )?{_MONTH}"
    r"|easter(?: (?:sunday|monday))?|good friday|thanksgiving|(?:labou?r|memorial|independence|mother's|father's) day"
    r"|halloween|valentine's(?: day)?|bank holiday)\b"
)
"""What would be a day: one of a month that has fewer, or a feast that is not known here."""
_ROW = re.compile(r"^\W*\w{3} (\d{4}-\d\d-\d\d)( \(today\))? \| (open|closed)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CalendarTable:
    """The days the instructions list; `today` is None where they list none."""

    today: date | None = None
    open_days: tuple[date, ...] = ()

    @classmethod
    def read(cls, instructions: str) -> CalendarTable:
        rows = [(date.fromisoformat(day), today, state) for day, today, state in _ROW.findall(instructions)]
        if not rows:
            return cls()
        today = next((day for day, mark, _ in rows if mark), rows[0][0])
        return cls(today, tuple(day for day, _, state in rows if state == "open"))

    def next_open(self, after: date, *, days: int = 1) -> date:
        """Return the first open day at least `days` after the given one."""
        earliest = after + timedelta(days=days)
        return next((day for day in self.open_days if day >= earliest), earliest)


@dataclass(frozen=True, slots=True)
class When:
    """What was said about day and time. `times` are all the readings of the words as HH:MM; empty: none was named."""

    day: date | None = None
    times: tuple[str, ...] = ()
    time_words: str = ""
    part: str = ""
    limit: str = ""
    """ "after" or "before" where the time only bounds the wish."""
    is_bare: bool = False
    """Claims that the time is a mere number, which may as well mean "number two"."""
    day_of_month: int = field(default=0, compare=False)
    """A lone "the third", which is a date only where it is no slot."""
    has_refused: bool = False
    is_no_day: bool = False
    """Claims that a day was named which the calendar does not have, or which is not known by its name."""

    def __bool__(self) -> bool:
        return bool(self.day or self.times or self.part)

    def over(self, earlier: When) -> When:
        """Return this wish, filled up with what only the earlier one says."""
        has_time = bool(self.times)
        return replace(
            self,
            day=self.day or earlier.day,
            times=self.times or earlier.times,
            time_words=self.time_words or earlier.time_words,
            limit=self.limit if has_time else earlier.limit,
            part=self.part or ("" if has_time else earlier.part),
        )

    @property
    def part_of_limit(self) -> str:
        """The part of the day that a bounded wish lies in, "" where it may lie in any."""
        if self.part or not self.times:
            return self.part
        bound = self._bound
        if self.limit == "after":
            return "afternoon" if "12:00" <= bound < "17:00" else "evening" if bound >= "17:00" else ""
        return "morning" if bound <= "12:00" else ""

    @property
    def _bound(self) -> str:
        """The reading of the bounding time that lies in an ordinary day."""
        return next((time for time in self.times if "07:00" <= time < "19:00"), self.times[-1])

    def fits(self, day: str, time: str) -> bool:
        """Tell whether a slot on `day` at `time` (ISO) is what was asked for."""
        return self._fits_day(day) and self._fits_time(time)

    def _fits_day(self, day: str) -> bool:
        return self.day is None or self.day.isoformat() == day

    def _fits_time(self, time: str) -> bool:
        if self.limit:
            return time >= self._bound if self.limit == "after" else time < self._bound
        if self.times:
            return time in self.times
        begins, ends = _PARTS.get(self.part, ("00:00", "24:00"))
        return begins <= time < ends


@dataclass(frozen=True, slots=True)
class Moment:
    """A day and a time that have been spoken of, in ISO, and how the time was said."""

    day: str
    time: str
    clock_words: str

    @property
    def date(self) -> date:
        return date.fromisoformat(self.day)


def seen_from(moment: Moment, text: str, said: When | None, calendar: CalendarTable) -> When | None:
    """Return what the `plain` text wishes for as seen from `moment`, such as "the same time next week"; None: nothing.

    Args:
        said: The day and time that the text names by itself.
    """
    if _SAME_TIME.search(text):
        day = _day_on(moment, text, calendar) or (said.day if said else None)
        return When(day, (moment.time,), moment.clock_words) if day else None
    if said:
        return None
    if day := _day_on(moment, text, calendar):
        return When(day)
    if _LATER.search(text):
        return later_than(moment, calendar)
    if _EARLIER.search(text):
        return earlier_than(moment)
    return When() if _SOONEST.search(text) else None


def _day_on(moment: Moment, text: str, calendar: CalendarTable) -> date | None:
    if _WEEK_ON.search(text) and not re.search(rf"\b{_DAY}\b", text):
        return moment.date + timedelta(days=7)
    return calendar.next_open(moment.date) if _DAY_ON.search(text) else None


def later_than(moment: Moment, calendar: CalendarTable) -> When:
    """Return the wish for something later: that afternoon after a morning, else the next open day."""
    is_morning = moment.time < "12:00"
    return When(moment.date, part="afternoon") if is_morning else When(calendar.next_open(moment.date))


def earlier_than(moment: Moment) -> When:
    """Return the wish for something earlier: that morning before an afternoon, else the soonest there is."""
    return When() if moment.time < "12:00" else When(moment.date, part="morning")


def when_said(text: str, calendar: CalendarTable) -> When:
    """Read the `plain` text. The last correction wins; what was turned down ("not Thursday") does not count."""
    has_refused = False
    for pattern in _REFUSED:
        text, refused = pattern.subn(" ", text)
        has_refused = has_refused or refused > 0
    said = When()
    for piece in _CORRECTION.split(text):
        said = _read(" ".join(piece.split()), calendar).over(said)
    return replace(said, has_refused=has_refused)


def _read(text: str, calendar: CalendarTable) -> When:
    day, rest = _take_day(text, calendar)
    if day is None and calendar.today and _NO_DAY.search(rest):
        return When(is_no_day=True)
    day_of_month = re.search(rf"\bthe ({_NTH})\b(?! (?:one|slot|option|time|offer))", rest)
    named = re.search(r"\b(?:morning|afternoon|evening|tonight|lunch)", text)
    part = {"tonight": "evening", "lunch": "lunchtime"}.get(named[0], named[0]) if named else ""
    number = _day_of_month(day_of_month[1]) if day_of_month else 0
    for match in _TIME.finditer(rest):
        is_bare = not any(match.group("fixed", "share", "half", "colon", "minute", "clock", "part"))
        if is_bare and _is_counted(match, rest):
            continue
        times, words = _readings(match, part), match["words"].replace("oclock", "o'clock")
        if part not in ("", "lunchtime") and not match["part"] and not match["fixed"]:
            words += f" in the {part}"
        bound = _LIMITS.get(match["lead"], "")
        is_bare = is_bare and not part and match["lead"] in (None, "for", "about")
        return When(day, times, words, part, bound, is_bare, number)
    return When(day, part=part, day_of_month=number)


def _is_counted(match: re.Match[str], text: str) -> bool:
    """Tell "the later one" and "two people" from a clock time."""
    if match["lead"] in ("at", "around", "by", "after", "before", "past"):
        return _NOT_A_TIME_AFTER.match(text[match.end() :].strip()) is not None
    before, after = text[: match.start("words")].strip(), text[match.end() :].strip()
    is_one = match["hour"] in ("one", "1")
    if _NOT_A_TIME_AFTER.match(after):
        return True
    if is_one:
        return (
            _NOT_A_TIME_BEFORE.search(before) is not None
            or re.match(r"(?:on|at|in|for|with|that|please is)\b", after) is not None
        )
    return re.search(r"\b(?:number|option|choice|in)$", before) is not None


def _readings(match: re.Match[str], part: str) -> tuple[str, ...]:
    if match["fixed"]:
        return ("00:00",) if match["fixed"] == "midnight" else ("12:00",)
    hour = _number(match["near"] or match["half"] or match["digits"] or match["hour"])
    minute = (
        30
        if match["half"]
        else int(match["colon"])
        if match["colon"]
        else _MINUTES.get(match["minute"] or match["share"] or "", 0)
    )
    if match["side"] in ("to", "before", "till"):
        hour, minute = hour - 1, 60 - minute
    said = match["part"] or part
    hours = (hour,) if hour > 12 else (hour % 12, hour % 12 + 12)
    if said.endswith(("am", "morning")):
        hours = hours[:1]
    elif said.endswith(("pm", "afternoon", "evening", "night")):
        hours = hours[-1:]
    return tuple(f"{each:02}:{minute:02}" for each in hours)


def _take_day(text: str, calendar: CalendarTable) -> tuple[date | None, str]:
    """Return the day that is named and the text without it."""
    if calendar.today is None:
        return None, text
    for pattern, resolve in _DAY_FORMS:
        if match := pattern.search(text):
            day = resolve(match, calendar, calendar.today)
            return day, f"{text[: match.start()]} {text[match.end() :]}" if day else text
    return None, text


def _month_day(match: re.Match[str], _calendar: CalendarTable, today: date) -> date | None:
    month = next(n for n, names in enumerate(_MONTHS, 1) if match["month"] in names.split("|"))
    number = _day_of_month(match["nth"])
    # More than half a year back is meant for next year.
    for year in (today.year, today.year + 1):
        try:
            day = date(year, month, number)
        except ValueError:
            return None
        if day >= today - timedelta(days=180):
            return day
    return None


def _feast(match: re.Match[str], _calendar: CalendarTable, today: date) -> date | None:
    month, day = _FEASTS[match["feast"]]
    return next(each for year in (today.year, today.year + 1) if (each := date(year, month, day)) >= today)


def _nth(match: re.Match[str], _calendar: CalendarTable, today: date) -> date | None:
    return nearest_day_of_month(_day_of_month(match["nth"]), today)


def nearest_day_of_month(number: int, today: date) -> date | None:
    """Return the next date whose day of the month is `number`."""
    return next((day for n in range(62) if (day := today + timedelta(days=n)).day == number), None)


def _weekday(match: re.Match[str], _calendar: CalendarTable, today: date) -> date | None:
    index = next(n for n, name in enumerate(_WEEKDAYS) if name.startswith(match["day"][:3]))
    monday = today - timedelta(days=today.weekday())
    if match["which"] == "next":
        return monday + timedelta(days=7 + index)
    ahead = timedelta(days=(index - today.weekday()) % 7 or 7)
    return today + ahead + timedelta(days=7 if match["week"] else 0)


def _relative(match: re.Match[str], calendar: CalendarTable, today: date) -> date | None:
    words = match[0]
    if words == "next week":
        return calendar.next_open(today, days=7 - today.weekday())
    if words.startswith("in "):
        count = _number(match["count"])
        return today + timedelta(days=count * (7 if "week" in words else 1))
    if words in ("the weekend", "this weekend"):
        return today + timedelta(days=(5 - today.weekday()) % 7)
    ahead = {"the day after tomorrow": 2, "day after tomorrow": 2, "tomorrow": 1, "yesterday": -1}.get(words, 0)
    return today + timedelta(days=ahead)


_DAY_FORMS = (
    (re.compile(rf"\b(?:{_DAY} )?(?:on )?(?:the )?(?P<nth>{_NTH}) (?:of )?(?P<month>{_MONTH})\b"), _month_day),
    (re.compile(rf"\b(?:{_DAY} )?(?:on )?(?P<month>{_MONTH}) (?:the )?(?P<nth>{_NTH}|\d{{1,2}}(?!:))\b"), _month_day),
    (re.compile(rf"\b(?:on |at |over )?(?P<feast>{'|'.join(_FEASTS)})(?: day)?\b"), _feast),
    (re.compile(rf"\b(?:on|for|{_DAY}) the (?P<nth>{_NTH})\b(?! (?:one|slot|option|time))"), _nth),
    (re.compile(rf"\b(?:on )?(?:(?P<which>next|this|coming) )?(?P<day>{_DAY})s?(?P<week> week)?\b"), _weekday),
    (
        re.compile(
            r"\b(?:(?:the )?day after tomorrow|tomorrow|today|tonight|next week|(?:the|this) weekend"
            r"|(?<!called )(?<!phoned )(?<!booked )(?<!rang )yesterday"
            rf"|in (?P<count>a|{_HOUR}) (?:days?|weeks?)|this (?:morning|afternoon|evening))\b"
        ),
        _relative,
    ),
)


def _number(word: str) -> int:
    if word == "a":
        return 1
    return int(word) if word.isdigit() else _TEENS.index(word) + 1


def _day_of_month(word: str) -> int:
    digits = re.match(r"\d+", word)
    return int(digits[0]) if digits else _DAY_OF_MONTH.get(word) or _number(word)
