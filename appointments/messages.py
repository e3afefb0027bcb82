"""The words of a text message: filled from a template, in plain GSM-7, counted in segments."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from appointments.digits import CODE_LENGTH
from appointments.errors import ConfigError
from appointments.model import Slot
from appointments.spoken import MONTHS, WEEKDAYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_SEGMENTS = 2
"""Every segment is billed as a text of its own."""
PLACEHOLDERS = ("date", "time", "link", "location", "duration", "name", "caller_name", "host", "business")
CODE_PLACEHOLDERS = ("code", "business")
"""What the text that brings a code may name."""

GSM_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENDED = "^{}\\[~]|€\f"
"""These take two places each."""


def check_template(template: str, placeholders: Sequence[str] = PLACEHOLDERS) -> None:
    """Refuse a template with an unknown placeholder, or one whose wording would unsubscribe the caller."""
    for name in _PLACEHOLDER.findall(template):
        if name not in placeholders:
            known = " ".join(f"{{{known}}}" for known in placeholders)
            raise ConfigError(f"the text template has no placeholder {{{name}}}; there are {known}")
    # CANCEL is among Twilio's default opt-out words: who answers it gets no text ever after.
    if _ASKS_FOR_CANCEL.search(template):
        raise ConfigError("the text template asks for the reply CANCEL, which ends all texts; ask for X instead")


def check_letters(template: str) -> None:
    """Refuse a template with letters that GSM-7 has nothing like: they would arrive as question marks."""
    lost = {character for character in template if character != "?" and "?" in gsm_clean(character)}
    if lost:
        raise ConfigError(f"the text template has letters that a text cannot hold: {' '.join(sorted(lost))}")


def check_length(template: str) -> None:
    """Refuse a template that, filled with values of ordinary length, is billed as too many segments."""
    body = render_sms(
        template,
        slot=Slot(datetime(2026, 9, 30, 22, tzinfo=UTC), timedelta(minutes=30)),
        zone=ZoneInfo("UTC"),
        duration=timedelta(minutes=30),
        link="https://app.cal.com/video/603fc8f7e15f7d7b32cc0c",
        location="12 Harbor Street, Springfield",
        name="Maya Chen",
        host="Priya Patel",
        business="Harbor Street Clinic",
    )
    check_segments(body)


def check_code_template(template: str) -> None:
    """Refuse a template for codes that names no code, or is billed as too many segments."""
    if "{code}" not in template:
        raise ConfigError("the text template has no {code}, which is what it is sent for")
    check_segments(render_code(template, code="0" * CODE_LENGTH, business="Harbor Street Clinic"))


def check_segments(body: str) -> None:
    """Refuse a text of ordinary length that is billed as too many segments."""
    count = segments(body)
    if count > MOST_SEGMENTS:
        raise ConfigError(
            f"the text template makes a text of {count} segments; {MOST_SEGMENTS} are the most, "
            "which hold about 300 letters, values included"
        )


def render_sms(
    template: str,
    *,
    slot: Slot,
    zone: ZoneInfo,
    duration: timedelta,
    link: str = "",
    location: str = "",
    name: str = "",
    host: str = "",
    business: str = "",
) -> str:
    """Fill `template` in GSM-7; a line with a placeholder that has nothing to say is left out."""
    values = details(
        slot=slot,
        zone=zone,
        duration=duration,
        link=link,
        location=location,
        name=name,
        host=host,
        business=business,
    )
    return as_sms(template, values)


def as_sms(template: str, values: Mapping[str, str]) -> str:
    """Fill `template` with `values`, which `details` returns, in GSM-7."""
    return gsm_clean(fill(template, values)).strip()


def details(
    *, slot: Slot, zone: ZoneInfo, duration: timedelta, link: str, location: str, name: str, host: str, business: str
) -> Mapping[str, str]:
    """Return what stands for each of `PLACEHOLDERS`, on one line each."""
    local = slot.start.astimezone(zone)
    values = {
        "date": _date(local),
        "time": clock_time(local),
        "link": link,
        "location": location,
        "duration": _duration(duration),
        "name": name,
        "caller_name": name,
        "host": host,
        "business": business,
    }
    return {placeholder: " ".join(value.split()) for placeholder, value in values.items()}


def fill(template: str, values: Mapping[str, str]) -> str:
    """Fill `template` with `values`, in any letters; a line with a placeholder that has nothing to say is left out.

    Raises:
        ConfigError: it names what there is no value for, or asks for a reply that ends all texts.
    """
    check_template(template, tuple(values))
    lines = [
        _PLACEHOLDER.sub(lambda found: values[found[1]], line)
        for line in template.strip().splitlines()
        if all(values[placeholder] for placeholder in _PLACEHOLDER.findall(line))
    ]
    return "\n".join(lines)


def render_code(template: str, *, code: str, business: str) -> str:
    """Fill the template of the text that brings a code, in GSM-7."""
    check_template(template, CODE_PLACEHOLDERS)
    values = {"code": code, "business": " ".join(business.split())}
    return gsm_clean(_PLACEHOLDER.sub(lambda found: values[found[1]], template)).strip()


def clock_time(local: datetime) -> str:
    """Return a time of day as people here write it, such as ``2:30 PM``."""
    return f"{local.hour % 12 or 12}:{local.minute:02} {'AM' if local.hour < 12 else 'PM'}"


def gsm_clean(text: str) -> str:
    """Return `text` with nothing in it that GSM-7 lacks: one such character would halve what a segment holds."""
    return "".join(_gsm(character) for character in unicodedata.normalize("NFC", text))


def segments(text: str) -> int:
    """Return how many segments `text` is billed as."""
    if all(character in GSM_BASIC or character in GSM_EXTENDED for character in text):
        return _count([1 + (character in GSM_EXTENDED) for character in text], whole=160, part=153)
    return _count([1 + (ord(character) > 0xFFFF) for character in text], whole=70, part=67)


def _count(sizes: list[int], *, whole: int, part: int) -> int:
    if sum(sizes) <= whole:
        return 1
    count, room = 1, part
    for size in sizes:
        # A character of two places is never split between two segments.
        if size > room:
            count, room = count + 1, part
        room -= size
    return count


def _gsm(character: str) -> str:
    if character in GSM_BASIC or character in GSM_EXTENDED:
        return character
    if character in _FOLDED:
        return _FOLDED[character]
    category = unicodedata.category(character)
    if category.startswith("Z"):
        return " "
    if category in ("Cf", "Cc", "Mn", "Me"):
        return " " if character == "\t" else ""
    letters = [part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)]
    folded = "".join(_FOLDED.get(part, part) for part in letters)
    return folded if folded and all(part in GSM_BASIC or part in GSM_EXTENDED for part in folded) else "?"


def _date(local: datetime) -> str:
    return f"{WEEKDAYS[local.weekday()][:3]}, {MONTHS[local.month - 1][:3]} {local.day}"


def _duration(duration: timedelta) -> str:
    hours, minutes = divmod(round(duration.total_seconds() / 60), 60)
    parts = [
        f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in ((hours, "hour"), (minutes, "minute")) if count
    ]
    return " ".join(parts)


_PLACEHOLDER = re.compile(r"\{([^{}\n]*)\}")
_ASKS_FOR_CANCEL = re.compile(r"\b(?i:reply|text|answer|send)\b(?:\W+(?i:cancel)\b|[^.!?\n]*\bCANCEL\b)")
_FOLDED = (
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`\u2039\u203a", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
    | {"\u2026": "...", "\u2022": "*", "\u00b7": "*", "\u2044": "/", "\u00d7": "x", "\u2192": "->"}
    | {
        "Ł": "L",
        "ł": "l",
        "Đ": "D",
        "đ": "d",
        "Œ": "OE",
        "œ": "oe",
        "\u0131": "i",
        "ð": "d",
        "Ð": "D",
        "þ": "th",
        "Þ": "Th",
    }
)
