"""Which slots the rules of a business leave open, and what a slot breaks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from appointments.model import BlockedTime, BookingRules, Business, OpeningHours, PhoneNumber, Rule, Slot
from appointments.rules import keep_free, open_slots, violation, whole_day

NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
HALF_HOUR = timedelta(minutes=30)
NINE_TO_FIVE = tuple(OpeningHours(weekday, time(9), time(17)) for weekday in range(5))
LUNCH = BlockedTime(time(12), time(13), frozenset(range(5)))
NOW = datetime(2026, 12, 1, 9, tzinfo=NEW_YORK)  # a Tuesday


def a_business(zone: ZoneInfo = NEW_YORK, hours: tuple[OpeningHours, ...] = NINE_TO_FIVE, **rules: Any) -> Business:
    return Business("Harbor Street Clinic", PhoneNumber("+14155550100"), zone, hours, (), rules=BookingRules(**rules))


def night(day: date, *spans: str, zone: ZoneInfo = NEW_YORK, **rules: Any) -> Business:
    """Return a business that is open on the weekday of `day` only, at ``01:00-03:00`` and the like."""
    bounds = (span.split("-") for span in spans)
    hours = (OpeningHours(day.weekday(), time.fromisoformat(a), time.fromisoformat(b)) for a, b in bounds)
    return a_business(zone, tuple(hours), **rules)


def at(text: str, *, minutes: int = 30, zone: ZoneInfo = NEW_YORK) -> Slot:
    return Slot(datetime.fromisoformat(text).replace(tzinfo=zone), timedelta(minutes=minutes))


def times(business: Business, day: date, *, minutes: int = 30) -> list[str]:
    """Return when the slots of `day` begin, with the offset, which tells a repeated hour from the first."""
    start = datetime.combine(day, time.min, business.zone)
    slots = open_slots(business, timedelta(minutes=minutes), start=start, end=start + timedelta(days=1, hours=3))
    local = (slot.start.astimezone(business.zone) for slot in slots)
    return [f"{begin:%H:%M}{begin:%z}" for begin in local if begin.date() == day]


def clocks(business: Business, day: date, *, minutes: int = 30) -> list[str]:
    return [begin[:5] for begin in times(business, day, minutes=minutes)]


def broken(slot: Slot, *, now: datetime = NOW, **rules: Any) -> Rule | None:
    found = violation(slot, a_business(**rules), now=now)
    return found.rule if found else None


class TestOpenSlots:
    WEDNESDAY = date(2026, 12, 2)

    def test_fill_the_hours_on_the_grid(self) -> None:
        assert clocks(night(self.WEDNESDAY, "09:00-11:00"), self.WEDNESDAY) == ["09:00", "09:30", "10:00", "10:30"]

    def test_lie_wholly_within_one_interval(self) -> None:
        business = night(self.WEDNESDAY, "09:10-11:00", "11:00-12:45")

        assert clocks(business, self.WEDNESDAY, minutes=60) == ["09:30", "10:00", "11:00", "11:30"]

    def test_leave_out_what_is_blocked_on_the_weekday_or_the_date(self) -> None:
        meeting = BlockedTime(time(9), time(10, 10), day=self.WEDNESDAY)
        business = night(self.WEDNESDAY, "09:00-14:00", blocked=(LUNCH, meeting))

        assert clocks(business, self.WEDNESDAY) == ["10:30", "11:00", "11:30", "13:00", "13:30"]
        assert clocks(business, date(2026, 12, 9))[:2] == ["09:00", "09:30"]

    def test_there_are_none_on_a_closed_date(self) -> None:
        assert clocks(a_business(closed=frozenset({self.WEDNESDAY})), self.WEDNESDAY) == []

    def test_begin_at_multiples_of_the_grid_on_the_wall_clock(self) -> None:
        assert clocks(night(self.WEDNESDAY, "09:05-10:30", grid_minutes=20), self.WEDNESDAY, minutes=20) == [
            "09:20",
            "09:40",
            "10:00",
        ]

    def test_follow_one_another_where_there_is_no_grid(self) -> None:
        business = night(self.WEDNESDAY, "09:05-11:00", grid_minutes=0)

        assert clocks(business, self.WEDNESDAY, minutes=50) == ["09:05", "09:55"]
        assert clocks(business, self.WEDNESDAY, minutes=25) == ["09:05", "09:30", "09:55", "10:20"]

    def test_start_within_the_range_asked_for(self) -> None:
        start, end = at("2026-12-02T10:00").start, at("2026-12-02T11:00").start

        found = list(open_slots(a_business(), HALF_HOUR, start=start, end=end))

        assert found == [at("2026-12-02T10:00"), at("2026-12-02T10:30")]

    def test_none_begins_at_a_wall_time_that_is_skipped(self) -> None:
        day = date(2027, 3, 14)

        assert times(night(day, "01:00-04:00"), day) == ["01:00-0500", "01:30-0500", "03:00-0400", "03:30-0400"]

    def test_a_skipped_hour_is_no_part_of_an_appointment(self) -> None:
        day = date(2027, 3, 14)

        assert times(night(day, "01:00-04:00"), day, minutes=60) == ["01:00-0500", "01:30-0500", "03:00-0400"]

    def test_begin_twice_at_a_wall_time_that_is_repeated(self) -> None:
        day = date(2026, 11, 1)

        assert times(night(day, "00:30-02:30"), day) == [
            "00:30-0400",
            "01:00-0400",
            "01:30-0400",
            "01:00-0500",
            "01:30-0500",
            "02:00-0500",
        ]

    def test_an_interval_that_ends_in_a_repeated_hour_is_open_twice(self) -> None:
        day = date(2026, 11, 1)

        assert times(night(day, "00:30-01:30"), day) == ["00:30-0400", "01:00-0400", "01:00-0500"]

    def test_know_a_clock_change_of_half_an_hour(self) -> None:
        day = date(2026, 4, 5)  # the clock goes back from two to half past one

        assert times(night(day, "01:00-03:00", zone=LORD_HOWE), day) == [
            "01:00+1100",
            "01:30+1100",
            "01:30+1030",
            "02:00+1030",
            "02:30+1030",
        ]

    def test_a_day_that_a_zone_left_out_has_none(self) -> None:
        apia = a_business(ZoneInfo("Pacific/Apia"), tuple(OpeningHours(d, time(0), time(23, 59)) for d in range(7)))

        assert times(apia, date(2011, 12, 30)) == []
        assert len(times(apia, date(2011, 12, 31))) == 47


class TestViolation:
    def test_a_slot_within_the_rules_breaks_none(self) -> None:
        assert broken(at("2026-12-02T10:00")) is None

    @pytest.mark.parametrize(
        ("slot", "rule"),
        [
            (at("2026-12-01T09:00"), Rule.TOO_SOON),
            (at("2026-12-01T10:30"), Rule.TOO_SOON),
            (at("2026-12-01T11:00"), None),
            (at("2026-12-31T10:00"), None),
            (at("2027-01-01T10:00"), Rule.TOO_FAR),
            (at("2026-12-25T10:00"), Rule.CLOSED),
            (at("2026-12-02T08:30"), Rule.OUTSIDE_HOURS),
            (at("2026-12-02T16:30", minutes=31), Rule.OUTSIDE_HOURS),
            (at("2026-12-05T10:00"), Rule.OUTSIDE_HOURS),
            (at("2026-12-02T11:30", minutes=31), Rule.BLOCKED),
            (at("2026-12-02T12:30"), Rule.BLOCKED),
            (at("2026-12-02T13:00"), None),
            (at("2026-12-02T10:15"), Rule.OFF_GRID),
            (at("2026-12-02T10:00:30"), Rule.OFF_GRID),
        ],
    )
    def test_is_the_rule_that_the_slot_breaks(self, slot: Slot, rule: Rule | None) -> None:
        assert broken(slot, closed=frozenset({date(2026, 12, 25)}), blocked=(LUNCH,)) is rule

    def test_what_has_begun_is_too_soon_even_without_notice(self) -> None:
        assert broken(at("2026-12-01T09:00"), minimum_notice=timedelta(0)) is Rule.TOO_SOON
        assert broken(at("2026-12-01T09:30"), minimum_notice=timedelta(0)) is None

    def test_without_a_grid_any_minute_will_do(self) -> None:
        assert broken(at("2026-12-02T10:17"), grid_minutes=0) is None

    def test_days_ahead_are_days_of_the_business(self) -> None:
        late = datetime(2026, 12, 1, 23, 30, tzinfo=NEW_YORK)  # the second of December already in UTC

        assert broken(at("2026-12-03T10:00"), now=late, maximum_advance_days=2) is None
        assert broken(at("2026-12-04T10:00"), now=late, maximum_advance_days=2) is Rule.TOO_FAR

    def test_tells_slot_and_rule(self) -> None:
        found = violation(at("2026-12-02T10:15"), a_business(), now=NOW)

        assert found is not None
        assert (found.slot, found.rule) == (at("2026-12-02T10:15"), Rule.OFF_GRID)


def test_an_appointment_keeps_its_buffers_free() -> None:
    rules = BookingRules(buffer_before=timedelta(minutes=10), buffer_after=timedelta(minutes=20))

    begin, end = keep_free(at("2026-12-02T10:00"), rules)

    assert begin == at("2026-12-02T09:50").start
    assert end == at("2026-12-02T10:50").start


@pytest.mark.parametrize(("day", "hours"), [("2026-12-02", 24), ("2026-11-01", 25), ("2027-03-14", 23)])
def test_a_day_is_as_long_as_its_clock_makes_it(day: str, hours: int) -> None:
    begin, end = whole_day(a_business(), at(f"{day}T13:00").start)

    assert end - begin == timedelta(hours=hours)
    assert begin == datetime.fromisoformat(day).replace(tzinfo=NEW_YORK)


def test_a_business_has_no_hours_on_a_closed_date() -> None:
    business = a_business(closed=frozenset({date(2026, 12, 2)}))

    assert business.intervals(date(2026, 12, 2)) == ()
    assert business.intervals(date(2026, 12, 3)) == replace(business, rules=BookingRules()).intervals(date(2026, 12, 3))


def test_slots_are_in_utc() -> None:
    (slot, *_) = open_slots(a_business(), HALF_HOUR, start=NOW, end=NOW + timedelta(days=1))

    assert slot.start.tzinfo is UTC
