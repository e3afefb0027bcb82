"""Laws of the booking rules over zones and clock changes, with the library `whenever` as the judge of local time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from whenever import Instant

from appointments.model import BlockedTime, BookingRules, Business, OpeningHours, PhoneNumber, Rule, Slot
from appointments.rules import keep_free, open_slots, violation

if TYPE_CHECKING:
    from collections.abc import Sequence

CHANGES = {
    "UTC": [date(2026, 7, 1)],
    "America/New_York": [date(2026, 3, 8), date(2026, 11, 1)],
    "Europe/London": [date(2026, 3, 29), date(2026, 10, 25)],
    "Australia/Lord_Howe": [date(2026, 4, 5), date(2026, 10, 4)],  # by half an hour
    "Asia/Kathmandu": [date(2026, 7, 1)],  # 5:45 ahead of UTC
    "Pacific/Apia": [date(2011, 12, 30)],  # left out
    "Africa/Casablanca": [date(2026, 2, 15), date(2026, 3, 22)],  # for Ramadan
    "America/Santiago": [date(2026, 4, 4), date(2026, 9, 6)],  # at midnight
    "Pacific/Chatham": [date(2026, 4, 5), date(2026, 9, 27)],  # at a quarter to
}
"""Days on which the clock is changed, where it is."""

CLOCK = st.builds(time, st.integers(0, 23), st.sampled_from([0, 10, 15, 30, 45]))
EARLY = st.builds(time, st.integers(0, 4), st.sampled_from([0, 15, 30, 45]))
"""The hours in which clocks are changed."""
TIMES = EARLY | CLOCK


@st.composite
def spans(draw: st.DrawFn) -> tuple[time, time]:
    begins, ends = sorted(draw(st.lists(TIMES, min_size=2, max_size=2, unique=True)))
    return begins, ends


@st.composite
def openings(draw: st.DrawFn) -> tuple[OpeningHours, ...]:
    """Return hours of every weekday, of at most two intervals each, which may touch."""
    bounds = sorted(draw(st.lists(TIMES, min_size=2, max_size=4, unique=True)))
    pairs = [(bounds[n], bounds[n + 1]) for n in range(0, len(bounds) - 1, 1 if draw(st.booleans()) else 2)]
    return tuple(OpeningHours(weekday, *pair) for weekday in range(7) for pair in pairs)


@st.composite
def businesses(draw: st.DrawFn, *, has_grid: bool | None = None) -> tuple[Business, date]:
    """Return a business, and a day near a change of its clock."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    day = draw(st.sampled_from(CHANGES[zone])) + timedelta(days=draw(st.integers(-2, 1)))
    near = st.integers(-1, 2).map(lambda n: day + timedelta(days=n))
    weekdays = st.frozensets(st.integers(0, 6))
    weekly = st.builds(lambda span, days: BlockedTime(span[0], span[1], weekdays=days), spans(), weekdays)
    once = st.builds(lambda span, day: BlockedTime(span[0], span[1], day=day), spans(), near)
    grids = st.just(0) if has_grid is False else st.sampled_from([5, 15, 20, 30, 45, 60])
    rules = BookingRules(
        minimum_notice=timedelta(minutes=draw(st.sampled_from([0, 30, 120, 1500]))),
        maximum_advance_days=draw(st.integers(0, 3)),
        grid_minutes=draw(grids),
        closed=frozenset(draw(st.sets(near, max_size=1))),
        blocked=tuple(draw(st.lists(weekly | once, max_size=2))),
    )
    number = PhoneNumber("+14155550100")
    return Business("Clinic", number, ZoneInfo(zone), draw(openings()), (), rules=rules), day


DURATIONS = st.sampled_from([5, 20, 30, 45, 60, 90, 150]).map(lambda minutes: timedelta(minutes=minutes))
OFFSETS = st.integers(-26 * 60, 50 * 60).map(lambda minutes: timedelta(minutes=minutes))
"""From UTC's midnight to some moment about the day."""


@lru_cache(maxsize=200_000)
def wall(moment: datetime, zone: str) -> tuple[date, time]:
    """Return what the wall clock shows, as the judge has it."""
    local = Instant(moment).to_tz(zone)
    return date(local.year, local.month, local.day), time(local.hour, local.minute, local.second)


def is_allowed(slot: Slot, business: Business) -> bool:
    """Judge a slot minute by minute."""
    day, begins = wall(slot.start, business.zone.key)
    if (begins.hour * 60 + begins.minute) % (business.rules.grid_minutes or 1) or day in business.rules.closed:
        return False
    hours = [h for h in business.hours if h.weekday == day.weekday() and h.opens <= begins < h.closes]
    if not hours:
        return False
    minutes = [slot.start + timedelta(minutes=n) for n in range(int(slot.duration / timedelta(minutes=1)))]
    shown = [wall(minute, business.zone.key) for minute in minutes]
    is_open = any(all(on == day and h.opens <= clock < h.closes for on, clock in shown) for h in hours)
    return is_open and not any(_is_blocked(business, on, clock) for on, clock in shown)


def _is_blocked(business: Business, day: date, clock: time) -> bool:
    return any(
        (day == blocked.day or day.weekday() in blocked.weekdays) and blocked.begins <= clock < blocked.ends
        for blocked in business.rules.blocked
    )


def midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def slots_about(business: Business, day: date, duration: timedelta) -> Sequence[Slot]:
    start = midnight(day) - timedelta(hours=26)
    return list(open_slots(business, duration, start=start, end=start + timedelta(hours=76)))


@settings(deadline=None)  # the judge takes its time
@given(businesses(), DURATIONS)
def test_the_open_slots_are_exactly_those_the_judge_allows(made: tuple[Business, date], duration: timedelta) -> None:
    business, day = made
    start = midnight(day) - timedelta(hours=26)
    every = (Slot(start + timedelta(minutes=n), duration) for n in range(0, 76 * 60, 5))

    found = slots_about(business, day, duration)

    assert found == [slot for slot in every if is_allowed(slot, business)]


@settings(deadline=None)  # the judge takes its time
@given(businesses(has_grid=False), DURATIONS)
def test_without_a_grid_the_judge_allows_every_open_slot(made: tuple[Business, date], duration: timedelta) -> None:
    business, day = made

    found = slots_about(business, day, duration)

    assert found == sorted(set(found))
    assert all(is_allowed(slot, business) for slot in found)


@given(businesses(), DURATIONS, OFFSETS, OFFSETS)
def test_a_slot_breaks_a_rule_exactly_when_it_is_not_open_or_not_in_reach(
    made: tuple[Business, date], duration: timedelta, start: timedelta, before: timedelta
) -> None:
    business, day = made
    slot, now = Slot(midnight(day) + start, duration), midnight(day) + before
    rules = business.rules
    is_late_enough = slot.start > now and slot.start - now >= rules.minimum_notice
    today, on = wall(now, business.zone.key)[0], wall(slot.start, business.zone.key)[0]
    is_near_enough = on - today <= timedelta(days=rules.maximum_advance_days)

    found = violation(slot, business, now=now)

    is_open = slot in open_slots(business, duration, start=slot.start, end=slot.start + timedelta(minutes=1))
    assert (found is None) == (is_open and is_late_enough and is_near_enough)
    if found:
        assert (found.rule is Rule.TOO_SOON) == (not is_late_enough)


@given(businesses(), DURATIONS, OFFSETS, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_a_range_has_the_slots_that_start_in_it(
    made: tuple[Business, date], duration: timedelta, offset: timedelta, length: timedelta
) -> None:
    business, day = made
    start = midnight(day) + offset

    found = list(open_slots(business, duration, start=start, end=start + length))

    whole = open_slots(business, duration, start=start - timedelta(days=2), end=start + timedelta(days=8))
    assert found == [slot for slot in whole if start <= slot.start < start + length]


@given(businesses(), DURATIONS)
def test_no_slot_begins_at_a_wall_time_that_does_not_exist(made: tuple[Business, date], duration: timedelta) -> None:
    business, day = made

    for slot in slots_about(business, day, duration):
        local = slot.start.astimezone(business.zone)
        assert local.astimezone(UTC) == slot.start
        assert wall(slot.start, business.zone.key) == (local.date(), local.time())


@given(
    st.integers(0, 90).map(lambda n: timedelta(minutes=n)),
    st.integers(0, 90).map(lambda n: timedelta(minutes=n)),
    st.integers(-300, 300).map(lambda n: timedelta(minutes=n)),
    DURATIONS,
)
def test_appointments_are_free_of_each_other_exactly_when_both_buffers_lie_between(
    before: timedelta, after: timedelta, distance: timedelta, duration: timedelta
) -> None:
    rules = BookingRules(buffer_before=before, buffer_after=after)
    one = Slot(midnight(date(2026, 12, 1)), timedelta(minutes=30))
    other = Slot(one.start + distance, duration)
    (begin, end), (other_begin, other_end) = keep_free(one, rules), keep_free(other, rules)

    first, second = sorted((one, other))
    is_apart = second.start - first.end >= before + after

    assert (begin < other_end and other_begin < end) == (not is_apart)
