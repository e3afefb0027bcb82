"""What is offered for a wish, in slots and in words, and the ledger of what was offered in a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from appointments.clock_words import cardinal
from appointments.errors import RuleViolation, SlotNotOffered
from appointments.model import Rule, Slot
from appointments.rules import earliest_start, furthest_day, opening_spans, violation
from appointments.spacing import around, nearest_sides, spaced, spread, take_turns
from appointments.spoken import either, say_choices, say_day, say_slot, say_time, say_zone
from appointments.wishes import PartOfDay, Wish, is_open_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from appointments.model import Action, Business

DAYS_AHEAD = 14
"""Offers made unasked lie within so many days, or within those that are booked where they are fewer."""
OFFER_STANDS = timedelta(minutes=15)
"""So long an offer can be booked; then it is looked for anew."""
MOST_SPOKEN = 3
"""More choices than this nobody keeps in mind."""
MOST_A_DAY = 12
"""So many slots of a named day go to the ledger."""


@dataclass(frozen=True, slots=True)
class OfferedSlot:
    """A slot under the short key by which it can be booked, and how to say it."""

    key: str
    slot: Slot
    say: str
    offered_at: datetime


class OfferLedger:
    """What was offered in one call; only these slots can be booked.

    Args:
        letter: What the keys begin with; another for each ledger of a call.
    """

    def __init__(self, letter: str = "a") -> None:
        self._letter = letter
        self._keys: dict[Slot, str] = {}
        self._offered: dict[str, OfferedSlot] = {}

    def add(
        self, slots: Iterable[Slot], zone: ZoneInfo, *, now: datetime, spoken_zone: str = ""
    ) -> tuple[OfferedSlot, ...]:
        """Enter `slots` and return them with their keys; a slot that was offered before keeps its key."""
        return tuple(self._enter(slot, say_slot(slot, zone, spoken_zone=spoken_zone), now) for slot in slots)

    def _enter(self, slot: Slot, say: str, now: datetime) -> OfferedSlot:
        key = self._keys.setdefault(slot, f"{self._letter}{len(self._keys) + 1}")
        self._offered[key] = OfferedSlot(key, slot, say, now)
        return self._offered[key]

    def slot(self, key: str) -> OfferedSlot:
        """Return what was offered under `key`, however long ago.

        Raises:
            SlotNotOffered: nothing was, or it was withdrawn.
        """
        try:
            return self._offered[key.strip().lower()]
        except KeyError:
            raise SlotNotOffered(key) from None

    def bookable(self, key: str, business: Business, *, now: datetime) -> OfferedSlot:
        """Return what was offered under `key` and still stands. The notice was long enough when it was offered.

        Raises:
            SlotNotOffered: nothing was, or too long ago.
            RuleViolation: it has begun, or the business would not offer it any more.
        """
        offered = self.slot(key)
        if now - offered.offered_at > OFFER_STANDS:
            raise SlotNotOffered(key, is_old=True)
        if broken := violation(offered.slot, business, now=offered.offered_at):
            raise broken
        if offered.slot.start <= now:
            raise RuleViolation(offered.slot, Rule.TOO_SOON)
        return offered

    def __iter__(self) -> Iterator[OfferedSlot]:
        return iter(tuple(self._offered.values()))

    def withdraw(self, slot: Slot) -> None:
        """Make `slot` unbookable until it is offered again."""
        if key := self._keys.get(slot):
            self._offered.pop(key, None)


class OfferReason(StrEnum):
    AVAILABLE = "available"
    """The slots are what was wished for."""
    NOTHING_FREE = "nothing_free"
    """No slot is free anywhere near."""
    DAY_FULL = "day_full"
    """The named day has no free slot; the slots are the nearest days'."""
    CLOSED = "closed"
    """The business is closed on the named day; the slots are the nearest days'."""
    TOO_SOON = "too_soon"
    """The named day or time is sooner than the notice allows; the slots are the nearest."""
    TOO_FAR = "too_far"
    """The named day is further ahead than is booked; the slots are the soonest."""
    PAST = "past"
    """The named day or time has passed; the slots are the soonest."""
    TAKEN = "taken"
    """The named time or part of the day is not free; the slots are the nearest."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An answer to a wish: the bookable slots, those of them to speak of, and why these."""

    reason: OfferReason
    slots: tuple[Slot, ...]
    spoken: tuple[Slot, ...]
    day: date | None
    wish: Wish = field(default_factory=Wish)


def free_range(action: Action, business: Business, wish: Wish, now: datetime) -> tuple[datetime, datetime]:
    """Return the range, in UTC, in which the calendar is asked for the free slots that may serve `wish`."""
    today = now.astimezone(action.zone).date()
    end = _first_day(action, today) + timedelta(days=DAYS_AHEAD)
    if wish.date and today <= wish.date and not _is_too_far(wish.date, action, business, now):
        end = max(end, _next_open_day(business, wish.date) + timedelta(days=1))
    return now.astimezone(UTC), datetime.combine(end, time.min, action.zone).astimezone(UTC)


def _next_open_day(business: Business, day: date) -> date:
    """Return the day of the week after `day` on which a full or closed `day` finds its alternative."""
    week = [day + timedelta(days=n) for n in range(1, 8)]
    return next((later for later in week if business.intervals(later)), day)


def make_offer(free: Sequence[Slot], wish: Wish, *, action: Action, business: Business, now: datetime) -> Offer:
    """Choose what to offer out of the `free` slots; never a slot that is not among them or has begun."""
    return _OfferMaker(free, wish, action=action, business=business, now=now).make()


class _OfferMaker:
    """One offer in the making: the free slots by their local day, and the wish they are to serve."""

    def __init__(self, free: Sequence[Slot], wish: Wish, *, action: Action, business: Business, now: datetime) -> None:
        self._wish = wish
        self._action = action
        self._zone = action.zone
        self._settings = action.offer
        self._business = business
        self._now = now.astimezone(UTC)
        self._earliest = earliest_start(business, now)
        self._today = now.astimezone(action.zone).date()
        self._first_day = _first_day(action, self._today)
        self._days: dict[date, list[Slot]] = {}
        for slot in sorted({slot for slot in free if slot.start > self._now}):
            self._days.setdefault(slot.start.astimezone(action.zone).date(), []).append(slot)

    def make(self) -> Offer:
        day = self._wish.date
        if day is None:
            return self._any_day()
        if day < self._today:
            return self._offer_days(OfferReason.PAST, self._soonest_days())
        if _is_too_far(day, self._action, self._business, self._now):
            return self._offer_days(OfferReason.TOO_FAR, self._soonest_days())
        if day not in self._days:
            return self._offer_days(self._why_none(day), self._days_around(day))
        return self._named_day(day) if self._wish.time is None else self._named_time(day, self._wish.time)

    def _any_day(self) -> Offer:
        days = self._days_in_reach()
        wished = {day: slots for day in days if (slots := self._wished(self._days[day]))}
        if not wished:
            return self._offer_days(OfferReason.TAKEN, self._soonest_days())
        if self._wish.time:
            exact = [slots[0] for slots in wished.values()][:MOST_SPOKEN]
            return self._offer(OfferReason.AVAILABLE, exact, exact)
        return self._offer_days(OfferReason.AVAILABLE, list(wished)[: self._settings.look_ahead_days])

    def _named_day(self, day: date) -> Offer:
        slots = self._days[day]
        wished = self._wished(slots)
        others = [slot for slot in slots if slot not in wished]
        known = spread(wished, MOST_A_DAY)
        known = sorted(known + spread(others, MOST_A_DAY - len(known)))
        reason = OfferReason.AVAILABLE if wished else OfferReason.TAKEN
        return self._offer(reason, known, spread(self._wished(known) or known, MOST_SPOKEN))

    def _named_time(self, day: date, moment: time) -> Offer:
        slots = self._days[day]
        if exact := self._wished(slots)[:1]:
            return self._offer(OfferReason.AVAILABLE, exact, exact)
        wanted = datetime.combine(day, moment, self._zone).astimezone(UTC)
        nearest = around(slots, wanted)
        return self._offer(self._why_not(wanted), nearest, nearest)

    def _why_not(self, wanted: datetime) -> OfferReason:
        if wanted <= self._now:
            return OfferReason.PAST
        return OfferReason.TOO_SOON if wanted < self._earliest else OfferReason.TAKEN

    def _why_none(self, day: date) -> OfferReason:
        """Return why a day within reach has no free slot."""
        if not self._is_open_on(day):
            return OfferReason.CLOSED
        if self._wish.time:
            wanted = datetime.combine(day, self._wish.time, self._zone).astimezone(UTC)
            is_too_soon = self._why_not(wanted) is OfferReason.TOO_SOON
        else:
            is_too_soon = self._is_open_on(day, since=self._now) and not self._is_open_on(day, since=self._earliest)
        return OfferReason.TOO_SOON if is_too_soon else OfferReason.DAY_FULL

    def _offer_days(self, reason: OfferReason, days: Sequence[date]) -> Offer:
        """Offer `days` in the shape of slots nobody asked for."""
        if not days:
            return self._offer(OfferReason.NOTHING_FREE, (), ())
        shaped = [self._shape(day) for day in days]
        return self._offer(reason, [slot for slots in shaped for slot in slots], take_turns(shaped, MOST_SPOKEN))

    def _shape(self, day: date) -> list[Slot]:
        slots = self._days[day]
        if self._wish.time:
            return around(slots, datetime.combine(day, self._wish.time, self._zone))
        return spaced(self._wished(slots) or slots, self._settings)

    def _offer(self, reason: OfferReason, slots: Sequence[Slot], spoken: Sequence[Slot]) -> Offer:
        return Offer(reason, tuple(slots), tuple(spoken), self._wish.date, self._wish)

    def _days_in_reach(self) -> list[date]:
        """Return the days with free slots that may be offered unasked."""
        return [day for day in self._days if timedelta() <= day - self._first_day < timedelta(days=DAYS_AHEAD)]

    def _soonest_days(self) -> list[date]:
        return self._days_in_reach()[: self._settings.look_ahead_days]

    def _days_around(self, day: date) -> list[date]:
        """Return the nearest free day on each side of `day`, or the two nearest where only one side has any."""
        others = [other for other in self._days if other >= self._first_day]
        return nearest_sides([other for other in others if other < day], [other for other in others if other > day])

    def _wished(self, slots: Sequence[Slot]) -> list[Slot]:
        """Return those of `slots` at the wished time, or in the wished part of the day."""
        return [slot for slot in slots if self._is_wished(slot.start.astimezone(self._zone).time())]

    def _is_wished(self, moment: time) -> bool:
        if self._wish.time:
            return moment == self._wish.time
        return self._wish.part_of_day is None or self._wish.part_of_day.covers(moment)

    def _is_open_on(self, day: date, *, since: datetime | None = None) -> bool:
        """Claim that some opening hours, or the rest of them `since` then, fall on `day` of the action's zone."""
        begins, ends = (
            datetime.combine(local, time.min, self._zone).astimezone(UTC) for local in (day, day + timedelta(days=1))
        )
        since = max(begins, since) if since else begins
        there = {moment.astimezone(self._business.zone).date() for moment in (begins, ends)}
        spans = (span for local in there for span in opening_spans(self._business, local))
        return any(opens < ends and closes > since for opens, closes in spans)


def _first_day(action: Action, today: date) -> date:
    return max(today, action.offer.start_date or today)


def _is_too_far(day: date, action: Action, business: Business, now: datetime) -> bool:
    """Claim that all of `day` in the action's zone is further ahead than is booked."""
    begins = datetime.combine(day, time.min, action.zone)
    return begins.astimezone(business.zone).date() > furthest_day(business, now)


def spoken_zone(action: Action, business: Business, at: datetime) -> str:
    """Return the name of the action's zone where it has to be said aloud, "" where everybody means the same."""
    return say_zone(action.zone, at) if action.zone.key != business.zone.key else ""


def describe(offer: Offer, *, action: Action, business: Business, now: datetime) -> tuple[str, str]:
    """Return what to say about `offer`, and a hint for the model that is not to be said."""
    if offer.reason is OfferReason.NOTHING_FREE:
        nothing = f"I'm sorry, we have nothing free {_in_reach(action, business, now)}."
        return f"{nothing} Shall I put you on the waitlist, or have somebody call you back?", _NOWHERE_HINT
    fact = _fact(offer, action=action, business=business, now=now)
    if not offer.spoken:
        return f"{fact or 'I have nothing free'}. Would another day work for you?", _NOTHING_HINT
    zone = spoken_zone(action, business, offer.spoken[0].start)
    if offer.reason is OfferReason.AVAILABLE and offer.wish.time and len(offer.spoken) == 1:
        slot = say_slot(offer.spoken[0], action.zone, spoken_zone=zone)
        return f"{slot}{',' if zone else ''} is free. Would you like that one?", _OFFER_HINT
    choices = ", ".join(filter(None, (_choices(offer, action.zone), zone)))
    say = f"{fact}, but {choices}" if fact else _capitalized(choices)
    return f"{say}. {_question(offer)}", _OFFER_HINT


def _fact(offer: Offer, *, action: Action, business: Business, now: datetime) -> str:
    """Return why the slots are not what was wished for; nothing when they are."""
    day, moment = offer.day, offer.wish.time
    match offer.reason:
        case OfferReason.TAKEN:
            return _taken_fact(offer, action, business, now)
        case OfferReason.DAY_FULL if day == now.astimezone(action.zone).date():
            return "We have nothing left today"
        case OfferReason.DAY_FULL if day:
            return f"We're fully booked on {say_day(day)}"
        case OfferReason.CLOSED if day:
            return f"We're closed on {say_day(day)}"
        case OfferReason.TOO_SOON:
            return f"We need {_notice(business.rules.minimum_notice)} notice"
        case OfferReason.TOO_FAR if day:
            most = business.rules.maximum_advance_days
            return f"We book only {f'{_days(most)} ahead' if most else 'for today'}, and {say_day(day)}, is further off"
        case OfferReason.PAST if day and moment and day == now.astimezone(action.zone).date():
            return f"{_capitalized(say_time(moment))} on {say_day(day)}, has already passed"
        case OfferReason.PAST if day:
            return f"{say_day(day)}, has already passed"
        case _:
            return ""


def _taken_fact(offer: Offer, action: Action, business: Business, now: datetime) -> str:
    wish = offer.wish
    on_day = f" on {say_day(wish.date)}" if wish.date else ""
    if wish.time and wish.date:
        wanted = datetime.combine(wish.date, wish.time, action.zone)
        if not is_open_at(business, wanted):
            return f"We're closed at {say_time(wish.time)}{on_day}"
        if violation(Slot(wanted, offer.slots[0].duration), business, now=now):
            return f"I have nothing at {say_time(wish.time)}{on_day}"
        return f"{_capitalized(say_time(wish.time))}{on_day}, is taken"
    if wish.time:
        return f"I have nothing free at {say_time(wish.time)}"
    if part := wish.part_of_day:
        return f"I have nothing free {'at' if part is PartOfDay.LUNCHTIME else 'in the'} {part.value}{on_day}"
    return "I'm sorry, that time has just been taken"


def _choices(offer: Offer, zone: ZoneInfo) -> str:
    local = [slot.start.astimezone(zone) for slot in offer.spoken]
    is_day_named = offer.reason not in (OfferReason.AVAILABLE, OfferReason.TOO_SOON)
    if is_day_named and {start.date() for start in local} == {offer.day}:
        return f"that day I have {either([say_time(start.time()) for start in local])}"
    return f"I have {'an opening' if len(local) == 1 else 'openings'} {say_choices(offer.spoken, zone)}"


def _question(offer: Offer) -> str:
    return "Would that work for you?" if len(offer.spoken) == 1 else "Which works best for you?"


def _in_reach(action: Action, business: Business, now: datetime) -> str:
    today = now.astimezone(action.zone).date()
    first = _first_day(action, today)
    if first > today:
        return f"in the two weeks from {say_day(first)}"
    most = business.rules.maximum_advance_days
    if most >= DAYS_AHEAD:
        return "in the next two weeks"
    return {0: "today", 1: "today or tomorrow"}.get(most, f"in the next {_days(most)}")


def _days(count: int) -> str:
    return f"{cardinal(count)} day{'' if count == 1 else 's'}"


def _notice(notice: timedelta) -> str:
    """Return ``two hours'`` and the like."""
    count, unit = -(-notice // timedelta(minutes=1)), "minute"
    if count % 60 == 0 or count >= 600:
        count, unit = -(-count // 60), "hour"
        if count % 24 == 0:
            count, unit = count // 24, "day"
    ending = "'s" if count == 1 else "s'"
    return f"{cardinal(count)} {unit}{ending}"


def _capitalized(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}"


_OFFER_HINT = (
    "Say this and wait for the answer; speak of at most three slots. The other slots listed here may be named when "
    "the caller asks for them. For any other day or time call find_slots again: not all free slots are listed."
)
_NOWHERE_HINT = (
    "There is nothing to book. Name no times. For the waitlist use join_waitlist, for a call back request_callback."
)
_NOTHING_HINT = (
    "There is nothing to book here. Name no times; when the caller names another day, call find_slots again."
)
