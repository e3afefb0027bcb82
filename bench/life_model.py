"""What a caller must have been texted, reckoned from what they did and what the calendar has: the rules, once more.

Written after docs/explanation/messages.md, and not after the code that plans and sends.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bench.life_worker import FOLLOW_UP, REVIEW, Wish
from bench.world import ZONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.model import Slot
    from bench.life_worker import Deed

NIGHT = frozenset({21, 22, 23, *range(8)})
"""The hours of the attendee's clock in which nothing is sent that can wait."""
LEADS = {"reminder_day": timedelta(hours=24), "reminder_hours": timedelta(hours=2)}
_QUARTER = timedelta(minutes=15)
_QUESTION_STANDS = timedelta(minutes=30)
_DAY = timedelta(hours=24)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of the deeds of one moment, by their numbers.

    Args:
        done: Those that the calendar has carried out.
        heard: Those whose callers were told that they failed.
        failed: Those that failed, as the record says.
        unclear: Those of which nobody could find out what came of them.
        was_killed: Whether a process died at that moment.
        may_be_heard: Whether it died while a text was taken back that somebody had heard instead.
    """

    done: frozenset[int] = frozenset()
    heard: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()
    unclear: frozenset[int] = frozenset()
    was_killed: bool = False
    may_be_heard: bool = False


@dataclass(frozen=True, slots=True)
class _Planned:
    opens: datetime
    closes: datetime
    body: str


class LifeModel:
    """The appointments of one caller, one at a time, and their texts."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._planned: list[_Planned] = []
        self._question_until = _NEVER
        self._shown_out_at = _NEVER
        self._is_over = False
        self._asked_for: Slot | None = None
        self.slot: Slot | None = None
        """When their appointment is, None when they have none."""
        self.is_unclear = False
        """Whether nobody knows what became of a wish: from then on a person must look."""
        self.sure: Counter[str] = Counter()
        """What they must have been texted."""
        self.maybe: Counter[str] = Counter()
        """What they may have been texted: another version came so soon that both are right."""
        self.one_of: list[frozenset[str]] = []
        """Of each of these at least one."""

    def is_changeable(self, now: datetime) -> bool:
        return self.slot is not None and self.slot.start > now

    def has_something_due(self, now: datetime) -> bool:
        is_past = self.slot is not None and not self._is_over and self.slot.end <= now
        return is_past or any(each.opens <= now for each in self._planned)

    def live(self, now: datetime, deeds: Sequence[Deed], seen: Seen) -> None:
        """Go on to `now`, when all these deeds are done and all is sent that is due."""
        changes = [deed for deed in deeds if deed.number in seen.done]
        is_certain = not changes and not seen.unclear and not self.is_unclear
        self._send_due(now, is_certain=is_certain)
        if self.slot is not None and not self._is_over and self.slot.end <= now:
            self._complete(self.slot)
            self._send_due(now, is_certain=is_certain)
        for deed in deeds:
            if deed.wish is Wish.BOOK:
                self._asked_for = deed.slot
            is_last = not any(change.number > deed.number for change in changes)
            if deed.number in seen.unclear:
                self._leave_unclear(deed)
            elif deed.wish is Wish.TEXT:
                self._answer(now, deed, seen)
            elif deed.number in seen.done:
                self._change(now, deed, is_last=is_last)
            elif deed.number not in seen.heard:
                # One that was refused before anything was begun is in no history, and may be told of all the same.
                is_told = is_last and deed.number in seen.failed and not seen.may_be_heard
                self._fail(deed, is_told=is_told)

    def _change(self, now: datetime, deed: Deed, *, is_last: bool) -> None:
        kind = {Wish.BOOK: "confirmation", Wish.MOVE: "moved", Wish.CANCEL: "cancelled"}[deed.wish]
        told = self.sure if is_last else self.maybe
        told[_about(kind, deed.slot or self.slot)] += 1
        if deed.wish is Wish.BOOK:
            self._question_until = _NEVER  # it was about another appointment
        self.slot, self._is_over = deed.slot, False
        self._planned = _reminders(self.slot, self._zone, now) if self.slot else []

    def _fail(self, deed: Deed, *, is_told: bool) -> None:
        # What is to be moved may be a booking that was still under way, and came to nothing.
        kind, slot = (
            ("failed", deed.slot) if deed.wish is Wish.BOOK else ("change_failed", self.slot or self._asked_for)
        )
        (self.sure if is_told else self.maybe)[_about(kind, slot)] += 1

    def _leave_unclear(self, deed: Deed) -> None:
        kind, slot = ("unconfirmed", deed.slot) if deed.wish is Wish.BOOK else ("change_unconfirmed", self.slot)
        self.sure[_about(kind, slot)] += 1
        self.is_unclear = True

    def _complete(self, slot: Slot) -> None:
        for kind, after in (("follow_up", FOLLOW_UP), ("review", REVIEW)):
            at = slot.end + after
            opens = _when(at, is_night=False, zone=self._zone)
            self._plan(_about(kind, slot), opens, at + _DAY)
        self._is_over = True

    def _plan(self, body: str, opens: datetime, last: datetime) -> None:
        closes = min(last, _when(opens, is_night=True, zone=self._zone))
        if opens < closes:
            self._planned.append(_Planned(opens, closes, body))

    def _send_due(self, now: datetime, *, is_certain: bool) -> None:
        for each in [each for each in self._planned if each.opens <= now]:
            self._planned.remove(each)
            if now < each.closes:
                (self.sure if is_certain else self.maybe)[each.body] += 1

    def _answer(self, now: datetime, deed: Deed, seen: Seen) -> None:
        """Reckon the answer to a text: C, X, Y, N or R."""
        asked_until, self._question_until = self._question_until, _NEVER
        is_open = now < asked_until and self.is_changeable(now)
        is_asked_again = deed.body == "Y" and asked_until <= now < asked_until + _DAY
        if not self.is_changeable(now):
            self._show_out(now, "reply_phone")
        elif deed.body == "Y" and is_open:
            self._cancel(now, deed, seen)
        elif deed.body == "N" and not is_open:
            self._show_out(now, "reply_letters")
        else:
            confirms = "cancel" if is_asked_again else "confirmed"
            kinds = {"C": "confirmed", "Y": confirms, "X": "cancel", "N": "kept", "R": "link"}
            if deed.body == "X" or is_asked_again:
                self._question_until = now + _QUESTION_STANDS
            self.sure[_about(f"reply_{kinds[deed.body]}", self.slot)] += 1

    def _cancel(self, now: datetime, deed: Deed, seen: Seen) -> None:
        failed = _about("change_failed", self.slot)
        if deed.number in seen.done:
            if seen.was_killed:  # what a dead process has begun may fail before the text is taken up again
                self.maybe[failed] += 1
            self._change(now, replace(deed, wish=Wish.CANCEL), is_last=True)
        else:
            not_cancelled = _about("reply_not_cancelled", self.slot)
            self.maybe.update([failed, not_cancelled])
            self.one_of.append(frozenset({failed, not_cancelled}))

    def _show_out(self, now: datetime, body: str) -> None:
        """Say once a day that it was not understood."""
        if self._shown_out_at <= now - _DAY:
            self._shown_out_at = now
            self.sure[body] += 1


def _reminders(slot: Slot, zone: ZoneInfo, booked_at: datetime) -> list[_Planned]:
    at: dict[datetime, _Planned] = {}
    for kind, lead in LEADS.items():
        due, last = slot.start - lead, slot.start - lead / 2
        if due <= booked_at:
            continue
        opens = due
        if _is_night(due, zone):
            opens = _evening(due, zone) - 2 * _QUARTER
            if opens <= booked_at:
                opens = _when(due, is_night=False, zone=zone)
        closes = min(last, _when(opens, is_night=True, zone=zone))
        if opens < closes:  # the nearer of two that come to the same moment is reckoned last, and stays
            at[opens] = _Planned(opens, closes, _about(kind, slot))
    return list(at.values())


def _is_night(at: datetime, zone: ZoneInfo) -> bool:
    return at.astimezone(zone).hour in NIGHT


def _when(at: datetime, *, is_night: bool, zone: ZoneInfo) -> datetime:
    """Return `at`, or the first full hour after it at which it is night or day."""
    if _is_night(at, zone) is is_night:
        return at
    hour = at.replace(minute=0, second=0, microsecond=0)
    while _is_night(hour, zone) is not is_night:
        hour += timedelta(hours=1)
    return hour


def _evening(at: datetime, zone: ZoneInfo) -> datetime:
    """Return when the night began that `at` lies in."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    while _is_night(hour - _QUARTER, zone):
        hour -= timedelta(hours=1)
    return hour


def _about(kind: str, slot: Slot | None) -> str:
    assert slot is not None
    local = slot.start.astimezone(ZONE)
    return f"{kind}: {local:%a, %b} {local.day} at {local.hour % 12 or 12}:{local:%M} {local:%p}"
