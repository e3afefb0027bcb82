"""Days and times in words, and whether a sentence named a slot."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.clock_words import canonical, find_clock_times
from appointments.model import Slot
from appointments.spoken import mentions, say_choices, say_day, say_slot, say_time, say_zone

NEW_YORK = ZoneInfo("America/New_York")
ZONES = st.sampled_from([NEW_YORK, ZoneInfo("Europe/London"), ZoneInfo("Asia/Kolkata"), ZoneInfo("Pacific/Auckland")])
STARTS = st.builds(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes), st.integers(0, 364 * 24 * 60)
)


def slot(*start: int, zone: ZoneInfo = NEW_YORK) -> Slot:
    return Slot(datetime(*start, tzinfo=zone), timedelta(minutes=30))  # type: ignore[arg-type, misc]


THURSDAY_AT_TWO = slot(2026, 12, 3, 14)


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (date(2026, 12, 3), "Thursday, December third"),
        (date(2026, 12, 1), "Tuesday, December first"),
        (date(2027, 1, 21), "Thursday, January twenty-first"),
        (date(2027, 5, 30), "Sunday, May thirtieth"),
    ],
)
def test_says_a_day(day: date, said: str) -> None:
    assert say_day(day) == said


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (time(14), "two in the afternoon"),
        (time(9, 30), "nine thirty in the morning"),
        (time(12), "noon"),
        (time(0), "midnight"),
        (time(12, 30), "twelve thirty in the afternoon"),
        (time(17, 15), "five fifteen in the evening"),
        (time(9, 5), "nine oh five in the morning"),
        (time(16, 45), "four forty-five in the afternoon"),
        (time(0, 30), "twelve thirty in the morning"),
    ],
)
def test_says_a_time(moment: time, said: str) -> None:
    assert say_time(moment) == said


def test_says_a_slot_with_the_zone_only_when_there_is_one_to_say() -> None:
    assert say_slot(THURSDAY_AT_TWO, NEW_YORK) == "Thursday, December third, at two in the afternoon"
    assert say_slot(THURSDAY_AT_TWO, ZoneInfo("Europe/London"), spoken_zone="London time") == (
        "Thursday, December third, at seven in the evening, London time"
    )


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("America/New_York", "Eastern time"),
        ("America/Phoenix", "Arizona time"),
        ("Europe/London", "London time"),
        ("America/Argentina/Buenos_Aires", "Buenos Aires time"),
        ("UTC", "U T C"),
        ("Etc/GMT+5", "U T C minus five"),
    ],
)
def test_says_a_zone(zone: str, said: str) -> None:
    assert say_zone(ZoneInfo(zone), THURSDAY_AT_TWO.start) == said


def test_says_the_day_of_several_choices_once() -> None:
    choices = [THURSDAY_AT_TWO, slot(2026, 12, 3, 10), slot(2026, 12, 4, 12)]

    assert say_choices(choices, NEW_YORK) == (
        "on Thursday, December third, at ten in the morning or two in the afternoon, "
        "or on Friday, December fourth, at noon"
    )


@pytest.mark.parametrize(
    "text",
    [
        "That's a 30-Minute Consultation on Thursday, December third, at two in the afternoon, for Maya. Right?",
        "Thursday at 2 pm",
        "Thursday, December 3rd at 2:00 PM",
        "THURSDAY, DECEMBER THIRD, AT TWO IN THE AFTERNOON",
        "at two o\u2019clock on Thursday",
        "Thursday at two. Is that right?",
        "on the third at two",
        "December 3, 2 p.m.?",
        "two P M on December the third",
        "the 3rd of December at 14:00",
        "Thursday 3 December, 2:00\u202fPM",
        "So that's two in the afternoon, on Thursday, December third.",
        "One thirty-minute session Thursday at two for Maya",
        "Thursday at ten or two?",
        "Friday at ten or Thursday at two",
        "on Thursday from two to two thirty",
        "The second one, Thursday, December third, at two in the afternoon, for April June?",
    ],
)
def test_hears_the_slot_named(text: str) -> None:
    assert mentions(text, THURSDAY_AT_TWO, NEW_YORK)


@pytest.mark.parametrize(
    "text",
    [
        "Thursday at two thirty",
        "Thursday at two-thirty",
        "Thursday at 2:30 PM",
        "Thursday at 2.30",
        "Thursday at two oh five",
        "Thursday at half past two",
        "Thursday at a quarter to two",
        "Thursday at quarter past two",
        "Thursday at two fifteen in the afternoon",
        "Thursday at two in the morning",
        "Thursday at twelve",
        "Thursday at 12:00",
        "Thursday at twenty two",
        "Thursday for two people",
        "Thursday with two-hour slots",
        "Thursday until two in the afternoon",
        "Thursday from one to two",
        "Friday at two",
        "Thursday, December fourth, at two",
        "Thursday, December tenth, at two",
        "Thursday at two, December tenth",
        "Thursday the tenth at two",
        "on November third at two",
        "December 2 at three",
        "three on Thursday, two on Friday",
        "Thursday, December third, at ten in the morning, or Friday, December fourth, at two in the afternoon",
        "at two in the afternoon",
        "Thursday, December third",
        "May I have your name?",
        "",
    ],
)
def test_does_not_hear_another_slot_as_this_one(text: str) -> None:
    assert not mentions(text, THURSDAY_AT_TWO, NEW_YORK)


@pytest.mark.parametrize("text", ["Thursday at ten fifteen", "Thursday at ten thirty", "Thursday at quarter to ten"])
def test_does_not_hear_ten_in_other_tens(text: str) -> None:
    assert not mentions(text, slot(2026, 12, 3, 10), NEW_YORK)


@given(start=STARTS, zone=ZONES)
def test_hears_every_slot_in_its_own_words(start: datetime, zone: ZoneInfo) -> None:
    any_slot = Slot(start, timedelta(minutes=30))

    assert mentions(say_slot(any_slot, zone), any_slot, zone)
    assert mentions(f"Is {say_slot(any_slot, zone, spoken_zone=say_zone(zone, start))}, right?", any_slot, zone)


@given(start=STARTS, zone=ZONES, steps=st.integers(-700, 700).filter(bool))
def test_never_hears_a_slot_in_the_words_of_another(start: datetime, zone: ZoneInfo, steps: int) -> None:
    named, other = (
        Slot(start, timedelta(minutes=30)),
        Slot(start + steps * timedelta(minutes=30), timedelta(minutes=30)),
    )
    # In the repeated hour of autumn two slots have one name.
    is_same_name = say_slot(named, zone) == say_slot(other, zone)

    assert mentions(say_slot(named, zone), other, zone) == is_same_name


@given(moment=st.times())
def test_reads_back_every_time_it_says(moment: time) -> None:
    (found,) = find_clock_times(canonical(f"at {say_time(moment)}"))

    assert found.readings == (moment.replace(second=0, microsecond=0),)


@given(text=st.text(alphabet="0123456789 :.,'#-aopmthurnsdyeiwfkxé\n", max_size=40))
def test_understands_or_passes_over_anything(text: str) -> None:
    assert mentions(text, THURSDAY_AT_TWO, NEW_YORK) in (True, False)
