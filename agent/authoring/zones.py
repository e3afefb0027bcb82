"""Time zones: those an author wrote into a text, and those of a business file that are no place's."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.authoring.rules import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.authoring.business import BusinessReading
    from agent.authoring.text import Passage
    from appointments.model import Business
    from prompts.reading import Loc


def check_zone(passage: Passage, business: Business) -> Iterator[Finding]:
    """Find a time zone in which the business has no times."""
    if passage.is_example:
        return
    zones = [business.zone, *(action.zone for action in business.actions)]
    for sentence in passage.sentences():
        for found in _ZONE.finditer(sentence.text):
            rest = sentence.prose[: found.start()] + sentence.prose[found.end() :]
            zone = _zone(found[0])
            if zone is None or sentence.is_negated() or not _OF_OURS.search(rest) or _OF_OTHERS.search(rest):
                continue
            if not any(_same_clock(zone, mine) for mine in zones):
                what = f'"{found[0]}" is not the zone of the business file, which is {business.zone.key}'
                better = "leave it out: the agent is told the zone, and the tools say times in it"
                yield Finding(passage.path, sentence.line(found.start()), "wrong-zone", what, better)


def check_fixed_zones(reading: BusinessReading, business: Business) -> Iterator[Finding]:
    """Find zones that know no daylight saving time because they are no place's, such as MST."""
    zones: dict[Loc, str] = {("zone",): business.zone.key}
    zones |= {("actions", index, "zone"): action.zone.key for index, action in enumerate(business.actions)}
    for loc, name in zones.items():
        is_inherited = len(loc) > 1 and name == business.zone.key
        if loc[0] in reading.wrong or is_inherited or not _FIXED.fullmatch(name):
            continue
        what = f"zone {name} has no daylight saving time: in summer, times are an hour off"
        city = _ZONES.get(name.casefold(), "")
        better = f"write {city or 'the city whose clock you go by, such as America/New_York'}"
        if name == "MST":
            better += ", or America/Phoenix in Arizona"
        yield Finding(reading.path, reading.line(*loc), "fixed-zone", what, better)


def _zone(name: str) -> ZoneInfo | None:
    words = name.casefold()
    key = next((key for start, key in _ZONES.items() if words.startswith(start)), name if "/" in name else "")
    try:
        return ZoneInfo(key) if key else None
    except (KeyError, ValueError, OSError):  # no zone of that name
        return None


def _same_clock(one: ZoneInfo, other: ZoneInfo) -> bool:
    """Claim that both zones show the same time, in winter and in summer."""
    days = (datetime(2026, 1, 15, 12, tzinfo=UTC), datetime(2026, 7, 15, 12, tzinfo=UTC))
    return all(day.astimezone(one).utcoffset() == day.astimezone(other).utcoffset() for day in days)


_ZONES = {
    "eastern": "America/New_York",
    "est": "America/New_York",
    "edt": "America/New_York",
    "central eur": "Europe/Berlin",
    "cet": "Europe/Berlin",
    "cest": "Europe/Berlin",
    "central": "America/Chicago",
    "cst": "America/Chicago",
    "cdt": "America/Chicago",
    "mountain": "America/Denver",
    "mst": "America/Denver",
    "mdt": "America/Denver",
    "pacific time": "America/Los_Angeles",
    "pacific standard": "America/Los_Angeles",
    "pacific daylight": "America/Los_Angeles",
    "pst": "America/Los_Angeles",
    "pdt": "America/Los_Angeles",
    "gmt": "Europe/London",
    "utc": "UTC",
}
_ZONE = re.compile(
    r"\b(?:(?:Eastern|Central|Central European|Mountain|Pacific)(?: Standard| Daylight)? [Tt]ime"
    r"|EST|EDT|CST|CDT|MST|MDT|PST|PDT|CET|CEST|GMT|UTC"
    r"|(?:America|Europe|Asia|Australia|Africa|Pacific|Atlantic|US)/[A-Z]\w+(?:/[A-Z]\w+)?)\b"
)
_OF_OURS = re.compile(
    r"\b(?:times?|hours|open|appointments?|slots?|located|calendar|schedules?|zone|we are|we're)\b", re.IGNORECASE
)
_OF_OTHERS = re.compile(r"\b(?:callers?|customers?|they|their|convert|if|when|unless|whether)\b", re.IGNORECASE)
_FIXED = re.compile(r"EST|MST|UTC|UCT|GMT(?:[+-]?0)?|Zulu|Universal|Greenwich|Etc/.+")
