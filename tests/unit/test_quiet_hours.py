"""When a message that can wait may be sent: never at night, never too late, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.model import QuietHours
from appointments.quiet_hours import Window, is_quiet, later_window, reminder_window

NEW_YORK = ZoneInfo("America/New_York")
NIGHT = QuietHours()
DAY_LEAD, HOURS_LEAD = timedelta(hours=24), timedelta(hours=2)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)

zones = st.sampled_from(
    ["America/New_York", "America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
).map(ZoneInfo)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 -- made aware by the strategy
leads = st.integers(1, 336).map(lambda hours: timedelta(hours=hours))
quarters = st.integers(0, 95).map(lambda number: time(number // 4, number % 4 * 15))
nights = st.builds(QuietHours, quarters, quarters).filter(lambda night: night.begins != night.ends)


def at(day: int, hour: int, minute: int = 0, *, month: int = 12) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=NEW_YORK)


def remind(start: datetime, lead: timedelta, *, booked_at: datetime = LONG_AGO) -> Window | None:
    return reminder_window(start, lead, quiet=NIGHT, zone=NEW_YORK, booked_at=booked_at)


def test_by_day_a_reminder_comes_when_it_is_due() -> None:
    window = remind(at(3, 14), DAY_LEAD)

    assert window == Window(at(2, 14), at(2, 21))


def test_a_reminder_is_of_no_use_after_half_of_its_lead() -> None:
    window = remind(at(3, 14), HOURS_LEAD)

    assert window == Window(at(3, 12), at(3, 13))


def test_what_would_be_due_at_night_comes_before_it() -> None:
    window = remind(at(3, 9), HOURS_LEAD)

    assert window == Window(at(2, 20, 30), at(2, 21))


def test_what_was_booked_in_that_night_is_reminded_of_in_the_morning() -> None:
    window = remind(at(3, 9, 30), HOURS_LEAD, booked_at=at(2, 22))

    assert window == Window(at(3, 8), at(3, 8, 30))


def test_nobody_is_reminded_when_the_morning_is_too_late() -> None:
    assert remind(at(3, 8, 30), HOURS_LEAD, booked_at=at(2, 22)) is None


def test_a_lead_before_the_booking_is_left_out() -> None:
    assert remind(at(3, 14), DAY_LEAD, booked_at=at(2, 15)) is None
    assert remind(at(3, 14), HOURS_LEAD, booked_at=at(2, 15)) is not None


def test_without_quiet_hours_it_comes_at_night() -> None:
    window = reminder_window(at(3, 3), HOURS_LEAD, quiet=None, zone=NEW_YORK, booked_at=LONG_AGO)

    assert window == Window(at(3, 1), at(3, 2))


@pytest.mark.parametrize(("month", "day"), [(3, 8), (11, 1)], ids=["spring", "autumn"])
def test_the_wall_clock_counts_when_it_is_changed_in_the_night(month: int, day: int) -> None:
    """Two hours before 9:30 are 7:30, which is night on either Sunday; the evening before still has its own offset."""
    window = remind(at(day, 9, 30, month=month), HOURS_LEAD)

    evening = at(day - 1, 20, 30, month=month) if day > 1 else at(31, 20, 30, month=10)
    assert window is not None
    assert window.opens == evening.astimezone(UTC)


def test_thanks_that_fall_into_the_night_come_in_the_morning() -> None:
    window = later_window(at(3, 22), quiet=NIGHT, zone=NEW_YORK)

    assert window is not None
    assert window.opens == at(4, 8)


@given(start=moments, lead=leads, zone=zones, night=nights, ahead=st.integers(0, 60 * 24 * 20))
def test_no_reminder_is_sent_at_night_or_late_or_before_the_booking(
    start: datetime, lead: timedelta, zone: ZoneInfo, night: QuietHours, ahead: int
) -> None:
    booked_at = start - timedelta(minutes=ahead)

    window = reminder_window(start, lead, quiet=night, zone=zone, booked_at=booked_at)

    due = start - lead
    if due > booked_at and not is_quiet(due, night, zone):
        assert window is not None
        assert window.opens == due
    if window is not None:
        assert booked_at < window.opens < window.closes <= start - lead / 2
        assert due > booked_at
        assert not any(is_quiet(moment, night, zone) for moment in moments_of(window))


@given(moment=moments, zone=zones, night=nights)
def test_what_is_sent_later_is_sent_by_day(moment: datetime, zone: ZoneInfo, night: QuietHours) -> None:
    window = later_window(moment, quiet=night, zone=zone)

    assert window is None or moment <= window.opens < window.closes
    assert window is None or not any(is_quiet(each, night, zone) for each in moments_of(window))


def moments_of(window: Window) -> list[datetime]:
    """Return moments that lie so close in the window that no night fits between them."""
    found = [window.opens]
    while found[-1] + QUARTER < window.closes:
        found.append(found[-1] + QUARTER)
    return [*found, window.closes - timedelta(microseconds=1)]
