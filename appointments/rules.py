"""The booking rules: which slots the business leaves open, what a slot breaks, what an appointment keeps free."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from appointments.errors import RuleViolation
from appointments.model import Rule, Slot
from appointments.store.records import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from appointments.model import BookingRules, Business

Span = tuple[datetime, datetime]
"""From the first moment to the one after the last, in UTC."""

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


def open_slots(business: Business, duration: timedelta, *, start: datetime, end: datetime) -> Iterator[Slot]:
    """Return the slots that the rules leave open and that start in [start, end), earliest first.

    Notice and advance are not looked at: they depend on when the slot is offered. Without a grid, slots follow one
    another from the opening on.
    """
    # A clock that is put back over midnight makes moments of two days alternate: all are sorted together.
    first = start.astimezone(business.zone).date() - _DAY
    days = (end.astimezone(business.zone).date() + _DAY - first).days
    starts = {moment for n in range(days + 1) for moment in _starts(business, first + n * _DAY, duration)}
    slots = (Slot(moment, duration) for moment in sorted(starts) if start <= moment < end)
    return (slot for slot in slots if broken_rule(slot, business) is None)


def violation(slot: Slot, business: Business, *, now: datetime) -> RuleViolation | None:
    """Return what `slot` breaks when it is offered at `now`, None when it may be booked."""
    rule = _out_of_reach(slot, business, now) or broken_rule(slot, business)
    return RuleViolation(slot, rule) if rule else None


def broken_rule(slot: Slot, business: Business) -> Rule | None:
    """Return the rule that `slot` breaks whenever it is offered."""
    rules, local = business.rules, slot.start.astimezone(business.zone)
    day = local.date()
    if day in rules.closed:
        return Rule.CLOSED
    if not any(begin <= slot.start and slot.end <= end for begin, end in opening_spans(business, day)):
        return Rule.OUTSIDE_HOURS
    if any(slot.start < end and begin < slot.end for begin, end in _blocked_spans(business, day)):
        return Rule.BLOCKED
    is_whole = not local.second and not local.microsecond
    if rules.grid_minutes and not (is_whole and (local.hour * 60 + local.minute) % rules.grid_minutes == 0):
        return Rule.OFF_GRID
    return None


def keep_free(slot: Slot, rules: BookingRules) -> Span:
    """Return what an appointment at `slot` keeps for itself: no two of one calendar may overlap in it."""
    return slot.start - rules.buffer_before, slot.end + rules.buffer_after


def earliest_start(business: Business, now: datetime) -> datetime:
    """Return the moment from which on the notice is long enough."""
    return now.astimezone(UTC) + business.rules.minimum_notice


def furthest_day(business: Business, now: datetime) -> date:
    """Return the last day that is booked, in the business's zone."""
    return now.astimezone(business.zone).date() + business.rules.maximum_advance_days * _DAY


def limits_for(slot: Slot, business: Business) -> Limits:
    """Return the limits that an appointment at `slot` is claimed under."""
    rules = business.rules
    return Limits(whole_day(business, slot.start), rules.most_a_day, rules.most_per_caller)


def whole_day(business: Business, moment: datetime) -> Span:
    """Return the day on which `moment` falls in the business's zone."""
    day = moment.astimezone(business.zone).date()
    begin, end = (datetime.combine(each, time.min, business.zone).astimezone(UTC) for each in (day, day + _DAY))
    return begin, end


def opening_spans(business: Business, day: date) -> Iterator[Span]:
    """Return when the business is open on `day` of its zone."""
    for hours in business.intervals(day):
        yield from _spans(business.zone, day, hours.opens, hours.closes)


def _out_of_reach(slot: Slot, business: Business, now: datetime) -> Rule | None:
    if slot.start <= now or slot.start < earliest_start(business, now):
        return Rule.TOO_SOON
    if slot.start.astimezone(business.zone).date() > furthest_day(business, now):
        return Rule.TOO_FAR
    return None


def _blocked_spans(business: Business, day: date) -> Iterator[Span]:
    for blocked in business.rules.blocked:
        if blocked.is_on(day):
            yield from _spans(business.zone, day, blocked.begins, blocked.ends)


def _starts(business: Business, day: date, duration: timedelta) -> Iterator[datetime]:
    """Return where a slot may begin on `day`: on the grid within the hours, or one after the other."""
    step = business.rules.grid_minutes
    if not step:
        for begin, end in opening_spans(business, day):
            yield from (begin + n * duration for n in range((end - begin) // duration))
        return
    for hours in business.intervals(day):
        first = -(-_minute(hours.opens) // step) * step
        # Where the clock is changed, each wall time is tried on either side; what shows another time there is broken.
        for _, _, offset in _offsets(business.zone, day):
            midnight = datetime.combine(day, time.min, UTC) - offset
            yield from (midnight + minute * _MINUTE for minute in range(first, _minute(hours.closes), step))


def _minute(moment: time) -> int:
    return moment.hour * 60 + moment.minute


@lru_cache(maxsize=4096)
def _spans(zone: ZoneInfo, day: date, begins: time, ends: time) -> tuple[Span, ...]:
    """Return when the wall clock shows `begins` to `ends` on `day`: once, or in pieces where it is put back."""
    spans: list[Span] = []
    for begin, end, offset in _offsets(zone, day):
        begin = max(begin, datetime.combine(day, begins, UTC) - offset)
        end = min(end, datetime.combine(day, ends, UTC) - offset)
        if begin < end:
            if spans and spans[-1][1] == begin:
                begin = spans.pop()[0]
            spans.append((begin, end))
    return tuple(spans)


@lru_cache(maxsize=4096)
def _offsets(zone: ZoneInfo, day: date) -> tuple[tuple[datetime, datetime, timedelta], ...]:
    """Return the stretches of time that hold `day` anywhere in `zone`, each with its one distance from UTC."""
    midnight = datetime.combine(day, time.min, UTC)
    hours = [midnight + timedelta(hours=n) for n in range(-18, 43, 6)]
    changes = [
        _change(zone, before, after)
        for before, after in pairwise(hours)
        if _offset(zone, before) != _offset(zone, after)
    ]
    edges = [hours[0], *changes, hours[-1]]
    return tuple((begin, end, _offset(zone, begin)) for begin, end in pairwise(edges))


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the moment between `before` and `after` from which on the distance from UTC is another."""
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, before + timedelta(seconds=middle)) == _offset(zone, before):
            low = middle
        else:
            high = middle
    return before + timedelta(seconds=high)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return offset
