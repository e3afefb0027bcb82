"""Checks what the agent is about to say: the days and times in it must have been offered, booked, said or known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING

from appointments.mentions import Mention, Sense, Words, read_mentions, read_words, says_that_is_free
from appointments.offer import MOST_SPOKEN, spoken_zone
from appointments.rules import furthest_day
from appointments.spacing import spread
from appointments.spoken import WEEKDAYS, say_choices, say_time
from tools.replies import Reply, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime, time

    from appointments.mentions import Day
    from appointments.model import Business, OpeningHours, Slot
    from tools.session import BookingSession, Utterance

LET_ME_CHECK = "Let me check what is free."
NO_TIMES_YET = "I'm sorry, I have no times to name yet. Which day would suit you?"
WHICH = "Which works best for you?"
WOULD_IT = "Would that work for you?"


class Reason(StrEnum):
    """What is wrong with a sentence."""

    NO_SUCH_DAY = "no_such_day"
    """The weekday and the date do not belong together, or there is no such date."""
    UNKNOWN = "unknown"
    """The day or time comes from nowhere."""
    NOT_OFFERED = "not_offered"
    """It is called free, and no tool has offered it."""
    NOT_BOOKED = "not_booked"
    """It is called booked, and no tool has booked it."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a sentence may not be said, what is said instead, and whether the model has to look for times now."""

    reason: Reason
    instead: str
    must_look: bool = False

    def note(self, sentence: str) -> str:
        """Return what the model is told about its `sentence`."""
        next_step = " Call find_slots now." if self.must_look else ""
        return (
            f'This sentence of yours was held back: "{sentence}" {_FAULTS[self.reason]} '
            f'The caller heard instead: "{self.instead}" '
            f"Go on from that, and name only days and times as the tools return them.{next_step}"
        )


class SpeechGuard:
    """What may be said in one call.

    Args:
        facts: Texts whose days and times the agent may repeat, such as what is written about the business.
        heard: Returns what each side has been heard to say so far.
    """

    def __init__(
        self, session: BookingSession, *, facts: Iterable[str], heard: Callable[[], Sequence[Utterance]]
    ) -> None:
        self._session = session
        self._business = session.business
        self._zones = {self._business.zone, *(action.zone for action in session.actions)}
        self._facts = [read_words(text, self._today) for text in facts]
        self._heard = heard
        self._read: dict[str, Words] = {}
        """What the caller said, once it was read."""
        self._replies: list[tuple[Status, tuple[Mention, ...]]] = []
        """The status of each tool's answer, with what it said of days and times."""
        self._last: Reply | None = None
        """The last answer of a tool that had something to say."""
        self._sent_to_look = -1
        """How much the caller had said when the model was sent to look for times."""

    def tool_answered(self, reply: Reply) -> None:
        """Take note of what a tool has returned."""
        if reply.say:
            self._last = reply
            self._replies.append((reply.status, read_mentions(reply.say, self._today)))

    def objection(self, sentence: str, *, before: str = "") -> Objection | None:
        """Return what is wrong with `sentence`, None when it may be said.

        Args:
            before: What was said right before it, which "that's free" is about.
        """
        mentions = read_mentions(sentence, self._today)
        if not mentions and before and says_that_is_free(sentence):
            named = read_mentions(before, self._today)
            mentions = tuple(replace(each, sense=Sense.OFFERED) for each in named if each.times)
        if not mentions:
            return None
        known = self._known()
        for mention in mentions:
            if reason := known.fault(mention):
                return self._objection(reason, mention)
        return None

    def _known(self) -> _Known:
        session, business = self._session, self._business
        edges = ((hours.opens, hours.closes) for hours in business.hours)
        blocked = ((each.begins, each.ends) for each in business.rules.blocked)
        return _Known(
            first_day=self._today,
            last_day=furthest_day(business, session.clock()),
            closed=business.rules.closed,
            bookable=self._starts(offered.slot for _, offered in session.bookable()),
            booked=self._starts((*session.booked_for, *(each.slot for each in session.found.values()))),
            replies=self._replies,
            caller=self._words_of_caller(),
            facts=self._facts,
            hours=frozenset(chain(*edges, *blocked)),
        )

    def _objection(self, reason: Reason, mention: Mention) -> Objection:
        if reason is Reason.UNKNOWN and mention.is_about_hours and self._business.hours:
            return Objection(reason, say_hours(self._business))
        if say := self._last_say(reason):
            return Objection(reason, say)
        if say := self._choices():
            return Objection(reason, say)
        said = sum(len(each.text) for each in self._heard() if not each.is_agent)
        if self._sent_to_look == said:
            return Objection(reason, NO_TIMES_YET)
        self._sent_to_look = said
        return Objection(reason, LET_ME_CHECK, must_look=True)

    def _last_say(self, reason: Reason) -> str:
        """Return what a tool said last, if it answers what was wrong and nothing of it has been withdrawn since."""
        if self._last is None or (reason is Reason.NOT_OFFERED and self._last.status not in _ABOUT_FREE_TIMES):
            return ""
        _, mentions = self._replies[-1]
        offered = [each for each in mentions if each.sense is Sense.OFFERED]
        slots = self._starts(offered.slot for _, offered in self._session.bookable())
        return self._last.say if all(_is_among(slots, each) for each in offered) else ""

    def _choices(self) -> str:
        """Return what the ledger still has, in words."""
        bookable = list(self._session.bookable())
        if not bookable:
            return ""
        action = bookable[0][0]
        slots = spread(sorted(offered.slot for of, offered in bookable if of is action), MOST_SPOKEN)
        zone = spoken_zone(action, self._business, slots[0].start)
        opening, question = ("an opening", WOULD_IT) if len(slots) == 1 else ("openings", WHICH)
        return f"I have {opening} {say_choices(slots, action.zone)}{f', {zone}' if zone else ''}. {question}"

    def _starts(self, slots: Iterable[Slot]) -> list[datetime]:
        """Return when `slots` begin, on every clock that the agent may speak by."""
        return [slot.start.astimezone(zone) for slot in slots for zone in self._zones]

    def _words_of_caller(self) -> list[Words]:
        said = [each.text for each in self._heard() if not each.is_agent]
        for text in said:
            if text not in self._read:
                self._read[text] = read_words(text, self._today, may_be_bare=True)
        return [self._read[text] for text in said]

    @property
    def _today(self) -> date:
        return self._session.clock().astimezone(self._business.zone).date()


@dataclass(frozen=True, slots=True)
class _Known:
    """All that a day or a time in a sentence may come from, as it stands when the sentence is to be said."""

    first_day: date
    last_day: date
    """As far as the calendar table reaches that the model has."""
    closed: Collection[date]
    bookable: Sequence[datetime]
    booked: Sequence[datetime]
    """What this call has booked, or may have, and the caller's appointments that it was told of."""
    replies: Sequence[tuple[Status, tuple[Mention, ...]]]
    caller: Sequence[Words]
    facts: Sequence[Words]
    hours: frozenset[time]
    """When the business opens, closes and pauses."""

    def fault(self, mention: Mention) -> Reason | None:
        """Return what is wrong with `mention`, None when there is a source for it."""
        if not self._has_day(mention):
            return Reason.NO_SUCH_DAY if mention.day and not mention.day.is_real else Reason.UNKNOWN
        match mention.sense:
            case Sense.BOOKED:
                return None if self._is_booked(mention) else Reason.NOT_BOOKED
            case Sense.OFFERED:
                return None if self._is_offered(mention) else Reason.NOT_OFFERED
            case Sense.NAMED:
                return None if not mention.times or self._is_named(mention) else Reason.UNKNOWN

    def _has_day(self, mention: Mention) -> bool:
        """Claim that the day stands in the calendar table, or that somebody else has named it."""
        day = mention.day
        if day is None:
            return True
        if not day.is_real:
            # The caller's mistake may be spoken of.
            is_theirs = any(not theirs.is_real for words in self.caller for theirs in words.days)
            return mention.sense is Sense.NAMED and is_theirs
        if day.on is None or self.first_day <= day.on <= self.last_day or day.on in self.closed:
            return True
        if mention.sense is Sense.NAMED and self._is_worked_out:
            return True
        starts = (*self.bookable, *self.booked)
        return any(day.agrees_with(other) for other in self._named_days()) or any(day.is_on(start) for start in starts)

    @property
    def _is_worked_out(self) -> bool:
        """Whether a day or a time may be what the caller has described."""
        return any(words.is_relative for words in self.caller)

    def _named_days(self) -> Iterator[Day]:
        for words in (*self.caller, *self.facts):
            yield from words.days
        for _, mentions in self.replies:
            yield from (mention.day for mention in mentions if mention.day)

    def _is_booked(self, mention: Mention) -> bool:
        return any(
            _agree(told, mention)
            for status, mentions in self.replies
            for told in mentions
            if status in _SETTLED or told.sense is Sense.BOOKED
        )

    def _is_offered(self, mention: Mention) -> bool:
        if _is_among(self.bookable, mention):
            return True
        # A tool may offer a day; its times are in the ledger, unless they have been withdrawn.
        last = self.replies[-1][1] if self.replies else ()
        return any(_agree(told, mention) for told in last if told.sense is Sense.OFFERED and not told.times)

    def _is_named(self, mention: Mention) -> bool:
        if _is_among((*self.bookable, *self.booked), mention):
            return True
        told = [each for _, mentions in self.replies for each in mentions if each.times]
        if any(_agree(each, mention) for each in told):
            return True
        times = set(mention.times)
        if any(times & words.times for words in (*self.caller, *self.facts)):
            return True
        if self._is_worked_out:
            return True
        if mention.is_about_hours and times & self.hours:
            return True
        # "The same time on Friday": the time was told, the day is the caller's.
        is_told = any(times & set(each.times) for each in told)
        day = mention.day
        return is_told and (
            day is None or any(day.agrees_with(theirs) for words in self.caller for theirs in words.days)
        )


def say_hours(business: Business) -> str:
    """Return ``We're open Monday to Friday from nine in the morning to five in the evening.``"""
    runs: list[tuple[int, int, str]] = []
    for weekday in range(7):
        span = _span([hours for hours in business.hours if hours.weekday == weekday])
        if runs and runs[-1][1:] == (weekday - 1, span):
            runs[-1] = (runs[-1][0], weekday, span)
        elif span:
            runs.append((weekday, weekday, span))
    return f"We're open {', and '.join(f'{_days(first, last)} {span}' for first, last, span in runs)}."


def _days(first: int, last: int) -> str:
    joint = " to " if last - first > 1 else " and "
    return WEEKDAYS[first] if first == last else f"{WEEKDAYS[first]}{joint}{WEEKDAYS[last]}"


def _span(intervals: Sequence[OpeningHours]) -> str:
    spans = sorted((hours.opens, hours.closes) for hours in intervals)
    return " and ".join(f"from {say_time(opens)} to {say_time(closes)}" for opens, closes in spans)


def _is_among(starts: Iterable[datetime], mention: Mention) -> bool:
    """Claim that one of `starts` is at the day and the time of `mention`, as far as it names them."""
    return any(
        (mention.day is None or mention.day.is_on(start))
        and (not mention.times or start.time().replace(second=0, microsecond=0) in mention.times)
        for start in starts
    )


def _agree(told: Mention, mention: Mention) -> bool:
    """Claim that both may mean one time; what only one of them names tells nothing against it."""
    is_one_day = told.day is None or mention.day is None or told.day.agrees_with(mention.day)
    return is_one_day and (not mention.times or bool(set(told.times) & set(mention.times)))


_FAULTS: Mapping[Reason, str] = {
    Reason.NO_SUCH_DAY: "Its weekday and its date do not belong together.",
    Reason.UNKNOWN: "It names a day or a time that neither a tool nor the caller nor the facts have.",
    Reason.NOT_OFFERED: "It calls a time free that no tool has offered.",
    Reason.NOT_BOOKED: "It calls something booked that no tool has booked.",
}
_SETTLED = frozenset({Status.BOOKED, Status.FOUND, Status.CONFIRMED, Status.MOVED})
"""What a tool says with these stands in the calendar."""
_ABOUT_FREE_TIMES = frozenset(
    {
        Status.AVAILABLE,
        Status.NOTHING_FREE,
        Status.DAY_FULL,
        Status.CLOSED,
        Status.TOO_SOON,
        Status.TOO_FAR,
        Status.PAST,
        Status.TAKEN,
        Status.NOT_ALLOWED,
        Status.UNAVAILABLE,
        Status.REJECTED,
    }
)
"""What a tool says with these answers an invented offer."""
