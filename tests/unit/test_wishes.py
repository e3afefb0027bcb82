"""Callers' words for days and times, resolved by the opening hours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.errors import WishNotUnderstood
from appointments.model import BookingRules, Business, OpeningHours, PhoneNumber
from appointments.spoken import say_time
from appointments.wishes import PartOfDay, Wish, is_open_at, resolve_wish

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 12, 1, 14, tzinfo=UTC)


def business(opens: int = 9, closes: int = 17, zone: ZoneInfo = NEW_YORK) -> Business:
    hours = tuple(OpeningHours(weekday, time(opens), time(closes)) for weekday in range(5))
    return Business("Harbor Street Clinic", PhoneNumber("+14155550100"), zone, hours, ())


def resolve(
    time_said: str | None = None,
    *,
    date_said: str | None = None,
    part: str | None = None,
    of: Business | None = None,
    zone: ZoneInfo = NEW_YORK,
) -> Wish:
    return resolve_wish(date=date_said, part_of_day=part, time=time_said, business=of or business(), zone=zone, now=NOW)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("two", time(14)),
        ("2", time(14)),
        ("2pm", time(14)),
        ("2 P.M.", time(14)),
        ("half past two", time(14, 30)),
        ("quarter to three", time(14, 45)),
        ("a quarter past ten", time(10, 15)),
        ("twenty past four", time(16, 20)),
        ("two thirty", time(14, 30)),
        ("two-thirty", time(14, 30)),
        ("14:00", time(14)),
        ("09:00", time(9)),
        ("noon", time(12)),
        ("twelve", time(12)),
        ("two in the afternoon", time(14)),
        ("two in the morning", time(2)),
        ("seven at night", time(19)),
        ("around ten", time(10)),
        ("ten o'clock", time(10)),
        ("ten or so", time(10)),
        ("tenish", time(10)),
        ("10-ish", time(10)),
        ("after three", time(15)),
        ("one", time(13)),
        ("six", time(18)),
        ("eight", time(8)),
        ("first thing", time(9)),
    ],
)
def test_understands_a_time_in_the_callers_words(said: str, meant: time) -> None:
    assert resolve(said, date_said="2026-12-03").time == meant
    assert resolve(said).time == meant


def test_prefers_the_half_of_the_day_the_business_is_open() -> None:
    assert resolve("eight", of=business(14, 22)).time == time(20)
    assert resolve("eight", of=business(7, 12)).time == time(8)


def test_prefers_the_part_of_day_the_caller_named() -> None:
    assert resolve("eight", part="evening").time == time(20)


def test_takes_the_opening_hours_over_to_the_callers_zone() -> None:
    # Nine to five in New York is two to ten in London.
    wish = resolve("nine", date_said="2026-12-03", zone=ZoneInfo("Europe/London"))

    assert wish.time == time(21)


def test_takes_first_thing_for_the_opening_in_the_callers_zone() -> None:
    assert resolve("first thing", date_said="2026-12-03", zone=ZoneInfo("Europe/London")).time == time(14)


@pytest.mark.parametrize("said", ["25:00", "2:75", "10 minutes", "soonish tomorrow", "two people", "Thursday", "???"])
def test_refuses_what_is_no_time(said: str) -> None:
    with pytest.raises(WishNotUnderstood, match="is not a clock time"):
        resolve(said)


@pytest.mark.parametrize("said", ["Thursday", "tomorrow", "12/3", "2026-13-45", "2026-12-03T14:00", "20261203"])
def test_refuses_what_is_no_iso_date_and_points_to_the_calendar_table(said: str) -> None:
    with pytest.raises(WishNotUnderstood, match="calendar table"):
        resolve(date_said=said)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("morning", PartOfDay.MORNING),
        ("Late morning", PartOfDay.MORNING),
        ("in the afternoon", PartOfDay.AFTERNOON),
        ("after lunch", PartOfDay.AFTERNOON),
        ("lunchtime", PartOfDay.LUNCHTIME),
        ("around lunch", PartOfDay.LUNCHTIME),
        ("evening", PartOfDay.EVENING),
        ("after work", PartOfDay.EVENING),
        ("any time", None),
        ("", None),
    ],
)
def test_understands_a_part_of_the_day(said: str, meant: PartOfDay | None) -> None:
    assert resolve(part=said).part_of_day is meant


def test_refuses_what_is_no_part_of_the_day() -> None:
    with pytest.raises(WishNotUnderstood, match="morning, lunchtime, afternoon, or evening"):
        resolve(part="purple")


def test_takes_a_part_of_the_day_given_as_time() -> None:
    assert resolve("in the afternoon") == Wish(part_of_day=PartOfDay.AFTERNOON)


@pytest.mark.parametrize("said", ["any time", "whenever", "as soon as possible", "the first available", "ASAP", " "])
def test_takes_no_preference_for_no_wish(said: str) -> None:
    assert resolve(said, date_said=said, part=said) == Wish()


def test_takes_an_iso_date() -> None:
    assert resolve(date_said=" 2026-12-03 ") == Wish(date(2026, 12, 3))


@pytest.mark.parametrize(("day", "is_there"), [("2027-03-13", True), ("2027-03-14", False), ("2027-03-15", True)])
def test_refuses_a_time_that_the_clock_jumps_over(day: str, is_there: bool) -> None:
    if is_there:
        assert resolve("02:30", date_said=day).time == time(2, 30)
        return

    with pytest.raises(WishNotUnderstood, match="there is no 02:30: the clock is put forward"):
        resolve("02:30", date_said=day)


def test_takes_a_time_that_the_clock_shows_twice() -> None:
    assert resolve("01:30", date_said="2026-11-01").time == time(1, 30)


def test_is_closed_on_a_closed_date() -> None:
    closed = replace(business(), rules=BookingRules(closed=frozenset({date(2026, 12, 3)})))

    assert not is_open_at(closed, datetime(2026, 12, 3, 9, tzinfo=NEW_YORK))


def test_is_open_between_opening_and_closing() -> None:
    assert is_open_at(business(), datetime(2026, 12, 3, 9, tzinfo=NEW_YORK))
    assert not is_open_at(business(), datetime(2026, 12, 3, 17, tzinfo=NEW_YORK))
    assert not is_open_at(business(), datetime(2026, 12, 6, 12, tzinfo=NEW_YORK))


@given(moment=st.times(), opens=st.integers(0, 11), closes=st.integers(12, 23))
def test_understands_every_time_the_agent_says(moment: time, opens: int, closes: int) -> None:
    moment = moment.replace(second=0, microsecond=0)

    assert resolve(say_time(moment), of=business(opens, closes)).time == moment


@given(said=st.text(max_size=30))
def test_understands_or_refuses_anything(said: str) -> None:
    try:
        wish = resolve(said, part=said, date_said=said)
    except WishNotUnderstood as error:
        assert str(error)  # noqa: PT017 -- either outcome is right
    else:
        assert isinstance(wish, Wish)
