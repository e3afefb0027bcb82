"""How what is written is said: dates, clock times, money, numbers, codes and addresses in words, for the voice only."""

from __future__ import annotations

import re
from datetime import date, time
from typing import TYPE_CHECKING, Final

from pipecat.utils.text.transforms.strip_markdown import strip_markdown

from appointments.clock_words import ORDINALS, UNITS, cardinal
from appointments.digits import in_words
from appointments.spoken import MONTHS, say_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipecat.utils.text.transforms.text_transform import TextTransform

ENGLISH: Final = "en"
LONGEST_QUANTITY: Final = 4
"""A number of more digits that has no thousands separators is read out digit by digit, as people read a postcode."""


def transforms(language: str) -> list[tuple[str, TextTransform]]:
    """Return what a voice's text goes through on its way to the speech service; only English is known here.

    Of Pipecat's own transforms the one for markup is right; its others leave digits, say years as quantities, and
    spell no code.
    """
    return [("*", _spoken), ("*", strip_markdown)] if language == ENGLISH else []


async def _spoken(text: str, _text_type: str) -> str:
    return spoken(text)


def spoken(text: str) -> str:
    """Return `text` as it is said: without a digit in it. What has none, and no e-mail address, stays as it is."""
    for pattern, say in _FORMS:
        text = pattern.sub(say, text)
    return text


# Numbers


def number(digits: str) -> str:
    """Return a whole number in words, as people say one that is written so: "1,500", "2026", "94103", "007"."""
    if "," in digits:
        return _quantity(int(digits.replace(",", "")))
    if len(digits) > LONGEST_QUANTITY or (len(digits) > 1 and digits.startswith("0")):
        return in_words(digits)
    if len(digits) == LONGEST_QUANTITY:
        return _pairs(digits)
    return cardinal(int(digits))


def _pairs(digits: str) -> str:
    """Return "twenty twenty-six", "nineteen oh five", "fifteen hundred", "two thousand five"."""
    high, low = int(digits[:2]), int(digits[2:])
    if high % 10 == 0 and low < 10:
        return _quantity(int(digits))
    if low == 0:
        return f"{cardinal(high)} hundred"
    return f"{cardinal(high)} {'oh ' if low < 10 else ''}{cardinal(low)}"


def _quantity(value: int) -> str:
    for size, name in ((10**9, "billion"), (10**6, "million"), (10**3, "thousand")):
        if value >= size:
            rest = f" {_quantity(value % size)}" if value % size else ""
            return f"{_quantity(value // size)} {name}{rest}"
    return cardinal(value)


def _decimal(written: str) -> str:
    whole, *fractions = written.split(".")
    return " point ".join([number(whole), *(in_words(part) for part in fractions)])


def _ordinal(value: int) -> str:
    if value < len(ORDINALS):
        return ORDINALS[value] or "zeroth"
    *front, last = re.split(r"(?<=[ -])", number(str(value)))
    if last in UNITS and UNITS.index(last) < len(ORDINALS):
        ending = ORDINALS[UNITS.index(last)]
    else:
        ending = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return "".join([*front, ending])


def _spelled(code: str) -> str:
    """Return a code letter by letter and digit by digit."""
    return " ".join(UNITS[int(sign)] if sign.isdecimal() else sign for sign in code if sign.isalnum())


# Days and times


def _day(month: int, day: int, year: str | None, written: str) -> str:
    if not _is_day(month, day, year):
        return _each_number(written)
    return f"{MONTHS[month - 1]} {ORDINALS[day]}" + (f", {number(year)}" if year else "")


def _is_day(month: int, day: int, year: str | None) -> bool:
    try:
        date(int(year) if year else 2024, month, day)  # a leap year has every day
    except ValueError:
        return False
    return True


def _iso_day(found: re.Match[str]) -> str:
    said = _day(int(found["month"]), int(found["day"]), found["year"], found[0].rstrip("T"))
    return f"{said}, at " if found["at"] else said


def _slashed_day(found: re.Match[str]) -> str:
    year = found["year"]
    return _day(int(found["month"]), int(found["day"]), f"20{year}" if year and len(year) == 2 else year, found[0])


def _named_day(found: re.Match[str]) -> str:
    """Return a day, or "December twenty-fourth to twenty-sixth"."""
    month = _MONTH_NUMBERS[(found["name"] or found["name_after"])[:3]]
    written = found.group("day", "until") if found["name"] else found.group("since", "day_before")
    days, year = [int(day) for day in written if day], found["year"]
    if not all(_is_day(month, day, year) for day in days):
        return _each_number(found[0])
    name, said = MONTHS[month - 1], " to ".join(ORDINALS[day] for day in days)
    if found["of"]:
        return f"{said} of {name}" + (f" {number(year)}" if year else "")
    return f"{name} {said}" + (f", {number(year)}" if year else "")


def _clock_time(found: re.Match[str]) -> str:
    hour, minute, half = int(found["hour"]), int(found["minute"] or 0), found["half"]
    if hour > 23 or (half and not 1 <= hour <= 12):
        return _each_number(found[0])
    if half:
        return say_time(time(hour % 12 + (12 if half.lower().startswith("p") else 0), minute))
    if hour > 12 or found["hour"].startswith("0"):
        return say_time(time(hour, minute))
    if minute == 0:
        return f"{cardinal(hour)} o'clock"
    return f"{cardinal(hour)} {'oh ' if minute < 10 else ''}{cardinal(minute)}"


# Money, addresses, telephones, codes


def _money(found: re.Match[str]) -> str:
    minus = "minus " if found["minus"] else ""
    one, many, cent, cents = _CURRENCIES[found["sign"]]
    if scale := found["scale"] or _SCALES.get(found["short"]):
        return f"{minus}{_decimal(found['amount'])} {scale} {many}"
    whole, _, fraction = found["amount"].partition(".")
    value, part = int(whole.replace(",", "")), int(fraction.ljust(2, "0")[:2] or 0) if fraction else 0
    unit = f" {one if value == 1 and not found['until'] else many}"
    if found["until"]:
        return f"{minus}{_decimal(found['amount'])} to {_decimal(found['until'])}{unit}{_per(found)}"
    coins = f"{cardinal(part)} {cent if part == 1 else cents}" if part else ""
    notes = f"{number(whole)}{unit}" if value or not coins else ""
    return minus + " and ".join(filter(None, (notes, coins))) + _per(found)


def _per(found: re.Match[str]) -> str:
    return f" per {found['per']}" if found["per"] else ""


def _sign_behind(found: re.Match[str]) -> str:
    return f"{_decimal(found['amount'])} {_CURRENCIES[found['sign']][1]}"


def _percentage(found: re.Match[str]) -> str:
    """Return "minus five percent", "ten to twenty percent"."""
    since = f"{_decimal(found['since'])} to " if found["since"] else ""
    return f"{'minus ' if found['minus'] else ''}{since}{_decimal(found['amount'])} percent"


def _email(found: re.Match[str]) -> str:
    return " ".join(_of_email(part) for part in re.findall(r"[a-z]+|.", found[0], re.IGNORECASE))


def _of_email(part: str) -> str:
    return UNITS[int(part)] if part.isdecimal() else _SIGNS.get(part, part)


def _telephone(found: re.Match[str]) -> str:
    """Return a phone number in the groups in which it is written, or in those of North America."""
    digits = re.sub(r"\D", "", found[0])
    groups = re.findall(r"\d+", found[0])
    if len(groups) == 1:
        # From behind: how long a country's code is, only a table of them tells.
        groups = [digits[:-10], digits[-10:-7], digits[-7:-4], digits[-4:]]
    return ("plus " if found[0].startswith("+") else "") + ", ".join(map(in_words, filter(None, groups)))


def _time_range(found: re.Match[str]) -> str:
    return f"{found['begin']} to {found['end']}"


def _range(found: re.Match[str]) -> str:
    return f"{number(found['begin'])} to {number(found['end'])}"


def _fraction(found: re.Match[str]) -> str:
    """Return "one half", and "two and a half" behind a whole number."""
    part = _FRACTIONS[found["part"]]
    if not found["whole"]:
        return part
    return f"{number(found['whole'])} and {part.replace('one ', 'a ')}"


def _compound(found: re.Match[str]) -> str:
    """Return "thirty-minute" for the "30-Minute" of a title."""
    return f"{number(found['amount'])}-{found['word'].lower()}"


def _hotline(found: re.Match[str]) -> str:
    return found["lead"] + in_words(found["digits"])


def _room(found: re.Match[str]) -> str:
    """Return "Room two oh four"."""
    digits = found["digits"]
    return f"{found['lead']}{cardinal(int(digits[0]))} {'oh ' if digits[1] == '0' else ''}{cardinal(int(digits[1:]))}"


def _code(found: re.Match[str]) -> str:
    letters, rest = found["letters"], found["rest"]
    if len(letters) <= _LONGEST_LETTERS and letters.isupper():
        return _spelled(found[0])
    return f"{letters} {_each_number(rest)}"


def _each_number(text: str) -> str:
    """Return `text` with every number in words, and with what parts two numbers said as a pause."""
    text = re.sub(r"(?<=\d)[^\w\s](?=\d)|(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)", " ", text)
    return re.sub(r"\d+", lambda found: number(found[0]), text)


def _last_resort(found: re.Match[str]) -> str:
    """Return a number in words, apart from letters that are written against it."""
    before, after = found.string[max(0, found.start() - 1) : found.start()], found.string[found.end() : found.end() + 1]
    return f"{' ' if before.isalpha() else ''}{_decimal(found['amount'])}{' ' if after.isalpha() else ''}"


_LONGEST_LETTERS = 3
_FRACTIONS = {
    "1/2": "one half",
    "1/3": "one third",
    "2/3": "two thirds",
    "1/4": "one quarter",
    "3/4": "three quarters",
}
_SIGNS = {"@": "at", ".": "dot", "_": "underscore", "-": "dash", "+": "plus", "%": "percent"}
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
}
_SCALES = {"k": "thousand", "K": "thousand", "M": "million"}
_MONTH_NUMBERS = {month[:3]: place for place, month in enumerate(MONTHS, 1)}
_MONTH = rf"(?:{'|'.join([*MONTHS, *(f'{month[:3]}' for month in MONTHS), 'Sept'])})"
_AMOUNT = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
# Of "a.m." the last dot is also that of a sentence, unless this goes on.
_HALF = r"(?:[ap]\.m\.(?=\s*(?-i:[a-z,;]|[A-Z][a-z]+day\b))|[ap]\.m(?![^\W_])|[ap]m(?![^\W_]))"
_DASH = "\\ ?[-\u2013]\\ ?"
_CLOCK = rf"\d\d?(?::[0-5]\d)?(?:\ ?{_HALF})?"


def _form(pattern: str, say: Callable[[re.Match[str]], str]) -> tuple[re.Pattern[str], Callable[[re.Match[str]], str]]:
    return re.compile(pattern, re.VERBOSE), say


_FORMS: Final = (
    _form(r"(?<![\w.%+-])[\w.%+-]+(?:@[\w-]+(?:\.[\w-]+)*)*@[\w-]+(?:\.[\w-]+)+", _email),
    _form(r"(?<![\d-])(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?:(?P<at>T)(?=\d\d:)|(?![\d-]))", _iso_day),
    _form(
        rf"""(?<![\d/])(?<!\bon\ )(?<!\bby\ )(?<!day\ )(?<!day,\ )
        (?:(?P<whole>\d+)\ )?(?P<part>{"|".join(_FRACTIONS)})(?![\d/])""",
        _fraction,
    ),
    _form(
        r"""(?<![\d/.$€£])(?P<month>\d\d?)/(?P<day>\d\d?)(?:/(?P<year>\d{4}|\d\d))?(?![\d/])
        (?!\ (?:stars?|points?)\b)""",
        _slashed_day,
    ),
    _form(
        rf"""\b(?:(?P<name>{_MONTH})\b\.?\ (?:the\ )?(?P<day>\d\d?)(?:st|nd|rd|th)?
            (?:[-\u2013](?P<until>\d\d?)(?:st|nd|rd|th)?(?![\w:.,-]*\d|(?i:\ ?{_HALF})))?(?![\d:.,]*\d)
        | (?:(?<![\w-]-)(?<![\d.:/$-])(?P<since>\d\d?)(?:st|nd|rd|th)?[-\u2013])?
            (?P<day_before>\d\d?)(?:st|nd|rd|th)?(?P<of>\ of)?\ (?P<name_after>{_MONTH})\b\.?)
        (?:,?\ (?P<year>(?:19|20)\d\d)\b)?""",
        _named_day,
    ),
    _form(
        rf"""(?i:(?<![\d:.$\w-])(?=\d\d?(?:{_DASH}\d\d?)?(?::|\ ?{_HALF}))
        (?P<begin>{_CLOCK}){_DASH}(?P<end>{_CLOCK})(?![\d:-]))""",
        _time_range,
    ),
    _form(rf"(?<![\d:.$])(?P<hour>\d\d?)(?:[:.](?P<minute>[0-5]\d))?\ ?(?P<half>(?i:{_HALF}))", _clock_time),
    _form(r"(?<![\d:.$])(?P<hour>\d\d?):(?P<minute>[0-5]\d)(?P<half>)(?![\d:])", _clock_time),
    _form(
        rf"""(?P<minus>(?<![\w.,])[-\u2212])?(?:\bUS(?=\$))?(?P<sign>[$€£])\ ?(?P<amount>{_AMOUNT})
        (?:{_DASH}[$€£]?(?P<until>{_AMOUNT}))?
        (?:\ (?P<scale>thousand|million|billion)\b|(?P<short>[kKM])\b)?
        (?:\ ?/\ ?(?P<per>hour|day|week|month|year|visit|person)\b)?""",
        _money,
    ),
    _form(rf"(?<![\w.,])(?P<amount>{_AMOUNT})\ ?(?P<sign>[€£])(?!\ ?\d)", _sign_behind),
    _form(
        rf"""(?P<minus>(?<![\w.,%])[-\u2212])?
        (?:(?<![\w.,-])(?P<since>{_AMOUNT})(?:\ ?%)?{_DASH})?(?<!\d)(?P<amount>{_AMOUNT})\ ?%""",
        _percentage,
    ),
    _form(
        r"""(?<![\w+])(?:\+\d(?:[\s().-]{0,2}\d){6,14} | (?:1[\s.-])?\(?\d{3}\)?[\s.-]?\d{3}[\s.-]?\d{4}
        | \d{3}[.-]\d{4} | \d{5}-\d{4})(?![\w-])""",
        _telephone,
    ),
    _form(
        r"""(?P<lead>\b(?:[Cc]all|[Dd]ial|[Pp]hone|[Rr]ing)\ (?=112\b|999\b|[1-8]11\b)|\b(?=911\b|988\b))
        (?P<digits>\d{3})(?![-.,:]?\d)""",
        _hotline,
    ),
    _form(
        r"(?P<lead>\b(?:[Rr]oom|[Ss]uite|[Uu]nit|[Aa]partment|[Aa]pt\.?|[Ff]light|[Gg]ate)\ )(?P<digits>[1-9]\d\d)\b",
        _room,
    ),
    _form(r"\b(?P<amount>\d+)-(?P<word>[A-Z][a-z]+)\b", _compound),
    _form(r"\b(?P<amount>\d+)(?:st|nd|rd|th)\b", lambda found: _ordinal(int(found["amount"]))),
    _form(r"(?:\#|\b[Nn]o\.\ ?(?=\d))(?P<amount>\d+)\b", lambda found: f"number {number(found['amount'])}"),
    _form(r"\b(?P<letters>[A-Za-z]+)-?(?P<rest>\d[\w-]*)", _code),
    _form(rf"(?<![\w.,-])(?P<begin>\d{{1,4}}){_DASH}(?P<end>\d{{1,4}})(?![\w-]|[.,]\d)", _range),
    _form(rf"(?<![\w.,])[-\u2212](?P<amount>{_AMOUNT})", lambda found: f"minus {_decimal(found['amount'])}"),
    _form(rf"(?P<amount>{_AMOUNT}(?:\.\d+)*)", _last_resort),
)
"""Each: what is written, and how it is said. What an earlier one has said holds no digit for a later one."""
