"""What the tools offered, and which of it a caller means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.policy_words import about, agrees, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from simulator.policy_when import When

MOST_SPOKEN = 3

_AFTER_ORDINAL = (
    r"(?: (?:one|slot|option|time|offer|choice|appointment|opening|of|is|works|would|will|please|sounds|suits|then)\b"
    r"|$)"
)
Moments = Sequence[tuple[str, str]]
"""Days and times in ISO."""
_PLACES: tuple[tuple[re.Pattern[str], Callable[[Moments], int]], ...] = (
    (re.compile(r"\b(?:number|option|choice) (?:one|1)\b"), lambda _: 0),
    (re.compile(r"\b(?:number|option|choice) (?:two|2)\b"), lambda _: 1),
    (re.compile(r"\b(?:number|option|choice) (?:three|3)\b"), lambda _: 2),
    (re.compile(r"\b(?:last|latest|final)" + _AFTER_ORDINAL), lambda moments: _extreme(moments, max)),
    (re.compile(r"\bthe later\b|\blater (?:one|slot|option)\b|\blatter\b"), lambda moments: _extreme(moments, max)),
    (
        re.compile(r"\bthe (?:earlier|earliest|soonest|sooner)\b|\b(?:earlier|earliest|soonest) (?:one|slot|option)\b"),
        lambda moments: _extreme(moments, min),
    ),
    (re.compile(r"\b(?:first|1st)" + _AFTER_ORDINAL + r"|\bthe former\b"), lambda _: 0),
    (re.compile(r"\b(?:second|2nd)" + _AFTER_ORDINAL), lambda _: 1),
    (re.compile(r"\b(?:third|3rd)" + _AFTER_ORDINAL), lambda _: 2),
    (re.compile(r"\bmiddle\b"), lambda moments: len(moments) // 2),
)
_NO_ORDINAL = re.compile(
    r"\b(?:(?:a|one|just a|half a) second|(?:first|last|second) (?:name|time i|week|thing)|second thoughts?|at first)\b"
)


@dataclass(frozen=True, slots=True)
class OfferedSlot:
    """A slot as a tool's answer gives it; `day` and `time` are ISO."""

    key: str
    say: str
    day: str
    time: str

    @property
    def clock_words(self) -> str:
        """Its time in the tool's words, as in "two in the afternoon"."""
        return self.say.rpartition(", at ")[2]


@dataclass(frozen=True, slots=True)
class Offer:
    """The slots of one tool answer; `spoken` are those its `say` names, in that order."""

    say: str = ""
    slots: tuple[OfferedSlot, ...] = ()
    spoken: tuple[OfferedSlot, ...] = ()

    @classmethod
    def read(cls, result: Mapping[str, object]) -> Offer:
        say, rows = str(result.get("say") or ""), result.get("slots")
        slots = tuple(_slot(row) for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()
        return cls(say, slots, tuple(slot for slot in slots if _is_spoken(slot, say, slots)) or slots[:MOST_SPOKEN])

    @property
    def only_day(self) -> str:
        """The day all spoken slots are on, "" when there are several."""
        days = {slot.day for slot in self.spoken}
        return days.pop() if len(days) == 1 else ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the caller chose: one slot, several that fit, or none."""

    slots: tuple[OfferedSlot, ...] = ()

    @property
    def slot(self) -> OfferedSlot | None:
        return self.slots[0] if len(self.slots) == 1 else None


def choose(text: str, when: When, offer: Offer, *, without: Collection[str] = ()) -> Choice:
    """Return which of the offered slots the `plain` text means; `without` names keys that are gone."""
    slots = tuple(slot for slot in offer.slots if slot.key not in without)
    spoken = tuple(slot for slot in offer.spoken if slot.key not in without)
    if not slots:
        return Choice()
    if when:
        fitting = _fitting(when, spoken) or _fitting(when, slots)
        if when.is_bare and not fitting and when.day is None:
            return Choice(_counted(when, spoken))
        place = _place(text, fitting) if len(fitting) > 1 else None
        return Choice((fitting[place],) if place is not None and not when.is_bare else fitting)
    if about("the_other", text) and len(spoken) == 1:
        return Choice(spoken)
    place = _place(text, spoken)
    if place is not None:
        return Choice(spoken[place : place + 1])
    if about("either", text) and agrees(text) is not False:
        return Choice(spoken[:1])
    return Choice()


def _fitting(when: When, slots: Sequence[OfferedSlot]) -> tuple[OfferedSlot, ...]:
    return tuple(slot for slot in slots if when.fits(slot.day, slot.time))


def _counted(when: When, spoken: Sequence[OfferedSlot]) -> tuple[OfferedSlot, ...]:
    """Read a mere "two" as the second slot, where nothing at two o'clock was offered."""
    place = int(when.times[0][:2]) - 1 if when.times else -1
    is_place = len(spoken) > 1 and 0 <= place < len(spoken)
    return (spoken[place],) if is_place else ()


def _place(text: str, slots: Sequence[OfferedSlot]) -> int | None:
    return place_named(text, [(slot.day, slot.time) for slot in slots])


def place_named(text: str, moments: Moments) -> int | None:
    """Return which of several the `plain` text means by its place among them, None when it names none."""
    text = _NO_ORDINAL.sub(" ", text)
    place = next((find(moments) for pattern, find in _PLACES if pattern.search(text)), None)
    return place if place is not None and place < len(moments) else None


def _extreme(moments: Moments, choose_of: Callable[..., int]) -> int:
    return choose_of(range(len(moments)), key=lambda n: moments[n], default=0)


def _slot(row: Mapping[str, object]) -> OfferedSlot:
    return OfferedSlot(*(str(row.get(name, "")) for name in ("key", "say", "date", "time")))


def _is_spoken(slot: OfferedSlot, say: str, slots: Sequence[OfferedSlot]) -> bool:
    """Tell whether `say` names the slot; a day is often said once, with several times after it."""
    words, day, clock = plain(say), *_day_and_clock(slot)
    begins = [words.find(day), *(words.find(_day_and_clock(other)[0]) for other in slots)]
    if begins[0] < 0:
        return max(begins) < 0 and _names(clock, words)
    end = min((begin for begin in begins if begin > begins[0]), default=len(words))
    return _names(clock, words[begins[0] : end])


def _names(clock: str, words: str) -> bool:
    # "two or three in the afternoon" names two in the afternoon as well.
    hour = clock.split(" in the ")[0]
    return re.search(rf"\b{re.escape(clock)}\b", words) is not None or (
        clock not in words and re.search(rf"\b(?:at |and |or ){re.escape(hour)}(?= or\b| and\b)", words) is not None
    )


def _day_and_clock(slot: OfferedSlot) -> tuple[str, str]:
    day, _, clock = slot.say.rpartition(", at ")
    return plain(day), plain(clock.split(",")[0])
