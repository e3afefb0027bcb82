"""What is written in digits and signs is said in words."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.spoken_forms import spoken, transforms

WRITTEN = st.text(alphabet="0123456789 .,:;/-+@#$%()apmAPM'stndrhBXx\n\u2013") | st.text()
"""Much that looks like a number, and anything."""


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("2026-12-01", "December first, twenty twenty-six"),
        ("12/1", "December first"),
        ("12/01/2026", "December first, twenty twenty-six"),
        ("Thursday, December 3", "Thursday, December third"),
        ("Dec. 3rd", "December third"),
        ("the 1st of May 2027", "the first of May twenty twenty-seven"),
        ("the 22nd", "the twenty-second"),
        ("the 40th and the 100th", "the fortieth and the one hundredth"),
        ("December 24-26, 2026", "December twenty-fourth to twenty-sixth, twenty twenty-six"),
        ("24th-26th of December", "twenty-fourth to twenty-sixth of December"),
        ("December 3-5 PM", "December third-five in the evening"),
        ("Tuesday, 3/4 or 1/2 hour", "Tuesday, March fourth or one half hour"),
        ("2026-12-01T14:00", "December first, twenty twenty-six, at two in the afternoon"),
    ],
)
def test_dates(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("3:30 PM", "three thirty in the afternoon"),
        ("at 3:30 p.m.", "at three thirty in the afternoon."),
        ("at 9 a.m. on Monday", "at nine in the morning on Monday"),
        ("10:05am", "ten oh five in the morning"),
        ("at 10 a.m. Is that right?", "at ten in the morning. Is that right?"),
        ("at 10 a.m. Tuesday", "at ten in the morning Tuesday"),
        ("2.30pm", "two thirty in the afternoon"),
        ("12:00 PM or 12 AM", "noon or midnight"),
        ("at 15:30", "at three thirty in the afternoon"),
        ("at 9:30", "at nine thirty"),
        ("at 9:00 in the morning", "at nine o'clock in the morning"),
        ("9am-5pm", "nine in the morning to five in the evening"),
        ("2-3 PM", "two to three in the afternoon"),
        ("09:00-17:00", "nine in the morning to five in the evening"),
    ],
)
def test_clock_times(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("$45.50", "forty-five dollars and fifty cents"),
        ("$1.01", "one dollar and one cent"),
        ("$0.50", "fifty cents"),
        ("$1,200", "one thousand two hundred dollars"),
        ("$45-60", "forty-five to sixty dollars"),
        ("$45/hour", "forty-five dollars per hour"),
        ("$1.5 million", "one point five million dollars"),
        ("£12.05 or €9", "twelve pounds and five pence or nine euros"),
        ("10%", "ten percent"),
        ("12.5 %", "twelve point five percent"),
        ("10-20% or 10%-20%", "ten to twenty percent or ten to twenty percent"),
        ("-5%", "minus five percent"),
        ("$50k or US$1.5M", "fifty thousand dollars or one point five million dollars"),
        ("-$5.50", "minus five dollars and fifty cents"),
        ("45€ or 20 £", "forty-five euros or twenty pounds"),
        ("$5/10 minutes", "five dollars/ten minutes"),
    ],
)
def test_money_and_percentages(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("+1 415 555 0100", "plus one, four one five, five five five, zero one zero zero"),
        ("+14155550100", "plus one, four one five, five five five, zero one zero zero"),
        ("(415) 555-0100", "four one five, five five five, zero one zero zero"),
        ("555-0100", "five five five, zero one zero zero"),
        ("Call 911.", "Call nine one one."),
        ("zip 94103", "zip nine four one zero three"),
        ("code 482113", "code four eight two one one three"),
        ("A-113", "A one one three"),
        ("AB12C", "A B one two C"),
        ("COVID-19", "COVID nineteen"),
        ("Room 204", "Room two oh four"),
        ("#12", "number twelve"),
        ("ann.lee_9@example.com", "ann dot lee underscore nine at example dot com"),
        ("a-b+c@mail.example.org", "a dash b plus c at mail dot example dot org"),
    ],
)
def test_telephones_codes_and_addresses(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("a 30-Minute Consultation", "a thirty-minute Consultation"),
        ("1,500 people", "one thousand five hundred people"),
        ("since 1984, 2005 and 2026", "since nineteen eighty-four, two thousand five and twenty twenty-six"),
        ("1200 Main Street", "twelve hundred Main Street"),
        ("3.5 hours", "three point five hours"),
        ("2 1/2 hours", "two and a half hours"),
        ("24/7", "twenty-four seven"),
        ("10-12 people", "ten to twelve people"),
        ("-5 degrees", "minus five degrees"),
        ("5km", "five km"),
        ("4x4", "four x four"),
        ("4.8/5, so 5/5 stars", "four point eight/five, so five/five stars"),
    ],
)
def test_numbers(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize("written", ["June 31", "13/40/2026", "25:00", "99:99", "2026-13-40", "1:2:3"])
def test_what_is_no_date_and_no_time_is_said_as_numbers(written: str) -> None:
    assert re.fullmatch(r"[A-Za-z :-]+", spoken(written))


@pytest.mark.parametrize(
    "sentence",
    [
        "On Thursday, December third, at two in the afternoon. Which suits you?",
        "That's a consultation, for Maya Chen-Lopez. Is that right?",
        "May I have your name? You may come.",
        "I am Ann; A.M. is not a time here.",
    ],
)
def test_a_sentence_in_words_stays_as_it_is(sentence: str) -> None:
    assert spoken(sentence) == sentence


@settings(max_examples=400)
@given(WRITTEN)
@example("a@b.c@d.e")
@example("1-2-3-4")
@example("1 1/2/3 PM-4:05")
def test_no_digit_is_left(text: str) -> None:
    assert not re.search(r"[0-9]", spoken(text))


@settings(max_examples=400)
@given(WRITTEN)
@example("a@b.c@d.e")
@example("1.-2@3.4")
def test_what_is_said_is_said_the_same_way_again(text: str) -> None:
    said = spoken(text)

    assert spoken(said) == said


@given(st.text(alphabet=st.characters(exclude_categories=["N"], exclude_characters="@")))
def test_what_has_no_number_in_it_is_left_alone(text: str) -> None:
    assert spoken(text) == text


async def test_a_voice_says_no_markup_and_no_digit() -> None:
    text = "On **December 1** at _3:30 PM_."
    for _, transform in transforms("en"):
        text = await transform(text, "sentence")

    assert text == "On December first at three thirty in the afternoon."


def test_another_language_is_left_alone() -> None:
    assert transforms("de") == []
